"""FaaS Billing's README commands, with the Authorization header added: every way in, once each."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from tests.e2e.product import Product, until
from tests.e2e.readme_event import BINARY, EVENT, post_every_way

BILLING_CALL = {
    "tenant_id": "demo",
    "period_start": "2025-10-15T00:00:00Z",
    "period_end": "2025-10-15T23:59:59Z",
}
LIMIT_S = 20.0


def bill(product: Product, call: Mapping[str, str] = BILLING_CALL) -> Any:
    answer = product.api("POST", "/billing/calculate", call)
    assert answer.status == 200, answer
    return answer.json


def test_the_readme_event_is_counted_once_by_every_way_in_and_the_bill_is_right(product: Product) -> None:
    assert product.invocations("demo") == 0

    assert post_every_way(product) == [202, 202, 202, 202]
    until(lambda: product.invocations("demo") == 4, LIMIT_S)

    assert post_every_way(product) == [202, 202, 202, 202]
    with ThreadPoolExecutor(10) as senders:
        copies = [senders.submit(product.send_event, EVENT, BINARY) for _ in range(25)]
        copies += [senders.submit(product.api, "POST", "/metrics/ingest", EVENT) for _ in range(25)]
        assert {copy.result().status for copy in copies} == {202}
    product.settle_usage()
    assert product.invocations("demo") == 4

    product.restart()
    assert post_every_way(product) == [202, 202, 202, 202]
    product.settle_usage()
    assert product.invocations("demo") == 4

    (window,) = product.aggregates(tenant_id="demo", window_size="1d")
    assert (window["invocations"], window["service_name"], window["revision"]) == (
        4,
        "waiter",
        "waiter-00001",
    )
    assert Decimal(str(window["total_duration_ms"])) == 936
    assert Decimal(str(window["max_memory_mb"])) == Decimal("64.5")

    twelve_million = json.loads(EVENT) | {
        "invocations": 12_000_000,
        "duration_seconds": 0,
        "timestamp": "2025-10-15T15:30:00Z",
    }
    answer = product.api("POST", "/metrics/ingest", twelve_million)
    assert (answer.status, answer.json) == (202, {"accepted": 1, "duplicate": 0})
    answered = bill(product)
    assert (answered["total"], answered["currency"]) == ("190.08", "RUB")
    assert (
        bill(
            product,
            {"tenant_id": "demo", "start_time": "2025-10-15T00:00:00Z", "end_time": "2025-10-16T00:00:00Z"},
        )["lines"]
        == answered["lines"]
    )
    assert_a_hand_can_check(answered)


def assert_a_hand_can_check(answered: Any) -> None:
    """Each line's amount follows from the figures beside it."""
    for line in answered["lines"]:
        quantity, included = Decimal(line["quantity"]), Decimal(line["included"])
        billable = max(Decimal(0), quantity - included)
        assert Decimal(line["billable_quantity"]) == billable
        exact = billable * Decimal(line["unit_amount"]) / Decimal(line["per"])
        assert abs(Decimal(line["amount_exact"]) - exact) < Decimal("1e-12")
        assert abs(Decimal(line["amount"]) - exact) <= Decimal("0.005")
    assert sum(Decimal(line["amount"]) for line in answered["lines"]) == Decimal(answered["total"])
