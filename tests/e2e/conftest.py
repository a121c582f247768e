from collections.abc import Generator, Iterator

import pytest

from shared.config import environment
from tests.e2e.product import SWITCHES, Product, running_product
from tests.runtime.broker.rig import Subscriber

ALWAYS_ON = "seed=1,duplicate=0.3,reorder=0.3,delay=0.1s"


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One for all tests, behind a Broker that duplicates, reorders and delays.

    No assertion may depend on that. BROKER_CHAOS sets other switches, or none where it is empty.
    """
    switches = environment().get(SWITCHES, ALWAYS_ON)
    with running_product(tmp_path_factory.mktemp("product"), settings={SWITCHES: switches}) as product:
        yield product


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One without any switch."""
    with running_product(tmp_path_factory.mktemp("plain"), settings={SWITCHES: ""}) as product:
        yield product


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failure what the products in use were told and what they said."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for name, fixture in item.funcargs.items():
            if isinstance(fixture, Product):
                report.sections.append((name, fixture.tells()))
    return report
