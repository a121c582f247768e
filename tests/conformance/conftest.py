"""The Broker, its subscribers, and a table of what was found."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.conformance.behaviours import LEFT_OUT, NAMES, STRICTER, numbers_of
from tests.conformance.target import Target, embedded, given, subscriber_host
from tests.runtime.broker.conftest import durable_redis, own_broker, redis_home
from tests.runtime.broker.rig import Subscriber, broker_home

__all__ = ["durable_redis", "own_broker", "redis_home"]

_outcomes: dict[int, set[str]] = defaultdict(set)


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    if (other := given()) is not None:
        yield other
        return
    redis_url = request.getfixturevalue("durable_redis")
    with broker_home(tmp_path_factory.mktemp("broker"), f"{redis_url}?db=0") as running:
        running.start()
        yield embedded(running)


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber(subscriber_host())
    yield subscriber
    subscriber.close()


@pytest.fixture
def letters() -> Iterator[Subscriber]:
    """A dead-letter sink."""
    sink = Subscriber(subscriber_host())
    yield sink
    sink.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        test = report.nodeid.rpartition("::")[2]
        for number in numbers_of(test):
            _outcomes[number].add(report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where nothing else was asked for: each behaviour, and what became of it."""
    if not all("conformance" in arg for arg in terminalreporter.config.args):
        return
    terminalreporter.section("conformance")
    for number, name in NAMES.items():
        outcomes = _outcomes[number] or {"left out" if number in LEFT_OUT else "not run"}
        verdict = next(word for word in ("failed", "passed", *outcomes) if word in outcomes)
        remark = LEFT_OUT.get(number) or STRICTER.get(number)
        terminalreporter.line(f"{number:>2} {verdict:<8} {name}" + (f" ({remark})" if remark else ""))
