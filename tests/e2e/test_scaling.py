"""Functions from zero on a first request, and back to zero without a loss."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.product import SWITCHES, Product, running_product, until
from tests.e2e.readme_event import BINARY, EVENT

IDLE_SECONDS = 2
NEVER = "0 0 29 2 *"
EVERY_10_SECONDS = "*/10 * * * * *"
SWEPT = ("billing-aggregator", "billing-pricing")
NOT_SWEPT = ("billing-api", "billing-dead-letter")
LIMIT_S = 40.0
RECORDED = "dev.faasbilling.usage.recorded.v1"
RECORD = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","duration_seconds":0.1}'


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("scaling"), NEVER) as product:
        yield product


@contextmanager
def running(folder: Path, schedule: str) -> Iterator[Product]:
    """A product whose PingSource ticks by that schedule."""
    checkout = Checkout.copy(folder / "checkout")
    checkout.set_schedule("sweep", schedule)
    settings = {"IDLE_SECONDS": str(IDLE_SECONDS), SWITCHES: ""}
    with running_product(folder, checkout.path, settings) as product:
        yield product


def log(product: Product) -> str:
    return (product.state_dir / "logs" / "activator.log").read_text()


def starts(product: Product, function: str) -> int:
    return log(product).count(f"{function}: 0 -> 1 instances")


def to_zero(product: Product) -> None:
    """Wait until no function runs."""
    state = product.state_dir / "instances.json"
    until(lambda: not any(json.loads(state.read_text()).values()), LIMIT_S, lambda: log(product))


def counted(product: Product, tenant: str) -> int:
    """Invocations in the windows, without asking the API."""
    ((invocations,),) = product.rows(
        "SELECT coalesce(sum(invocations), 0)::bigint FROM usage_aggregate"
        f" JOIN tenant ON tenant.id = tenant_id AND slug = '{tenant}' WHERE window_size = '1d'"
    )
    return int(invocations)


def test_an_event_starts_from_zero_what_it_needs_and_nothing_else(product: Product) -> None:
    to_zero(product)
    functions = ("billing-aggregator", "billing-api", "billing-dead-letter")
    before = {name: starts(product, name) for name in functions}
    assert product.send_event(EVENT, BINARY).status == 202
    until(lambda: counted(product, "demo") == 1, LIMIT_S, lambda: log(product))
    assert {name: starts(product, name) for name in functions} == {
        **before,
        "billing-aggregator": before["billing-aggregator"] + 1,
    }


def test_twenty_first_requests_at_once_start_one_process(product: Product) -> None:
    to_zero(product)
    before = log(product).count("billing-api: ")
    with ThreadPoolExecutor(20) as callers:
        calls = [callers.submit(product.api, "GET", "/health") for _ in range(20)]
        assert {call.result().status for call in calls} == {200}
    told = [line for line in log(product).splitlines() if "billing-api: " in line][before:]
    assert [line.partition("billing-api: ")[2] for line in told] == ["0 -> 1 instances (a request waits)"]


def test_what_was_accepted_just_before_zero_is_folded_announced_and_priced(product: Product) -> None:
    tenant = product.tenant("to-zero")

    def send(id: str) -> None:
        assert product.send_event(RECORD, {"id": id, "type": RECORDED, "tenantid": tenant}).status == 202

    send("announced at once")
    until(lambda: counted(product, tenant) == 1, LIMIT_S, lambda: log(product))
    # Would be announced ten seconds later, when no function is there any more.
    for number in range(5):
        send(f"late {number}")
    product.settle()
    to_zero(product)

    def priced() -> bool:
        return product.rows(
            "SELECT changed_from IS NULL, sequence = usage_sequence FROM tenant_usage"
            " JOIN accrual_cursor USING (tenant_id)"
            f" JOIN tenant ON tenant.id = tenant_id AND slug = '{tenant}'"
        ) == [(True, True)]

    until(priced, LIMIT_S, lambda: log(product))
    to_zero(product)
    assert counted(product, tenant) == 6
    assert product.rows("SELECT count(*) FROM usage_delta") == [(0,)]
    assert product.rows("SELECT count(*) FROM outbox") == [(0,)]
    assert product.dead_letters() == []


def test_without_traffic_only_ticks_start_functions_and_between_them_all_are_at_zero(tmp_path: Path) -> None:
    with running(tmp_path, EVERY_10_SECONDS) as product:
        to_zero(product)
        first = ticks(product)
        before = {name: starts(product, name) for name in (*SWEPT, *NOT_SWEPT)}
        for tick in (1, 2):
            until(lambda tick=tick: ticks(product) >= first + tick, LIMIT_S, product.tells)  # type: ignore[misc]
            to_zero(product)
        started = {name: starts(product, name) - count for name, count in before.items()}
        assert {name: started[name] for name in NOT_SWEPT} == dict.fromkeys(NOT_SWEPT, 0)
        assert all(1 <= started[name] <= ticks(product) - first for name in SWEPT)


def ticks(product: Product) -> int:
    return (product.state_dir / "logs" / "ping-source.log").read_text().count(" sent\n")
