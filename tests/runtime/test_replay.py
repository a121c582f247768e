import io
import json
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from runtime import replay as program
from runtime.bills import ReplayFailed, TenantBill, table
from runtime.replay import replay
from runtime.trace import read_trace
from tests.runtime.product import ADMIN_KEY, Product, running_product


@pytest.fixture
def product() -> Iterator[Product]:
    with running_product() as product:
        yield product


def replayed(product: Product, state_dir: Path, admin_key: str = ADMIN_KEY) -> str:
    out = io.StringIO()
    replay(product.broker_url, product.url, admin_key, state_dir, out)
    return out.getvalue()


def test_every_tenant_is_printed_with_its_bill_and_all_of_them_with_their_sum(
    product: Product, tmp_path: Path
) -> None:
    lines = [line.split() for line in replayed(product, tmp_path).splitlines()]
    bills = {line[0]: line[1:] for line in lines if line and line[0] in {app[:8] for app in read_trace()}}
    assert len(bills) == 13
    assert bills["734272c0"] == ["59", "8,220,542", "0.03426412683785", "0.03"]
    assert ["13", "in", "all", "199", "10,599,170", "0.04420309665975", "0.03"] in lines


def test_each_tenant_sends_one_batch_from_a_source_of_its_own(product: Product, tmp_path: Path) -> None:
    replayed(product, tmp_path)
    assert {(source, tenant) for (source, _), (tenant, _) in product.events.items()} == {
        (f"/faas-billing/replay/azure-functions-2021/{app[:8]}", app[:8]) for app in read_trace()
    }
    assert all(id.startswith("1-") for _, id in product.events)


def test_records_say_what_the_trace_says(product: Product, tmp_path: Path) -> None:
    replayed(product, tmp_path)
    assert product.records_of("7b2c43a2")[0] == {
        "timestamp": "2021-01-31T00:00:00.079490Z",
        "service_name": "e3cdb48830f66eb8689cc0223514569a69812b77e6611e3d59814fac0747bd2f",
        "revision": "e3cdb488-00001",
        "invocations": 1,
        "duration_ns": 78_000_000,
        "cold_start": False,
        "memory_mb": 256,
    }


def test_a_repeat_sends_the_same_events_again_and_prints_the_same(product: Product, tmp_path: Path) -> None:
    first = replayed(product, tmp_path)
    events = dict(product.events)
    assert replayed(product, tmp_path) == first
    assert product.events == events
    assert list(tmp_path.iterdir()) == []


def test_the_events_keep_their_ids_from_version_to_version(product: Product, tmp_path: Path) -> None:
    """Other ids would bill the trace a second time on a state folder that has it already."""
    replayed(product, tmp_path)
    ids = json.dumps(sorted(product.events)).encode()
    assert sha256(ids).hexdigest() == "c61b457a7cc27cc5a011a187f573c6f9ac5f5380de3843735db2f4bc3a0f6825"


def test_it_waits_until_the_aggregator_has_all_whatever_others_lack(product: Product, tmp_path: Path) -> None:
    product.backlogs = [
        {"outstanding": 5, "by_trigger": {"aggregator-usage": 2, "slow-subscriber": 3}},
        {"outstanding": 3, "by_trigger": {"aggregator-usage": 0, "slow-subscriber": 3}},
        {"outstanding": 99, "by_trigger": {"aggregator-usage": 99}},
    ]
    replayed(product, tmp_path)
    assert len(product.backlogs) == 1


def test_it_says_how_much_is_still_to_be_delivered_and_gives_up_in_the_end(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "DRAIN_LIMIT_S", 0.5)
    monkeypatch.setattr(program, "SAY_EVERY_S", 0.1)
    product.backlogs = [{"outstanding": 7}]
    out = io.StringIO()
    with pytest.raises(ReplayFailed, match=r"after 0\.5 s still 7 events to be delivered"):
        replay(product.broker_url, product.url, ADMIN_KEY, tmp_path, out)
    assert "waiting: 7 events to be delivered" in out.getvalue()


def test_a_broker_that_starts_again_while_it_delivers_is_waited_for(product: Product, tmp_path: Path) -> None:
    product.backlogs = [{"outstanding": 7}, 0, 503, {"outstanding": 1}, {"outstanding": 0}]
    assert "13 in all" in replayed(product, tmp_path)
    assert product.backlogs == [{"outstanding": 0}]


def test_a_broker_that_does_not_come_back_fails_the_replay(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "DRAIN_LIMIT_S", 0.3)
    product.backlogs = [0]
    with pytest.raises(ReplayFailed, match=r"after 0\.3 s still no answer from http.*/backlog: Remote end"):
        replayed(product, tmp_path)


def test_a_broker_that_has_no_backlog_to_ask_for_fails_the_replay_at_once(
    product: Product, tmp_path: Path
) -> None:
    product.backlogs = [404]
    with pytest.raises(ReplayFailed, match="/backlog answered 404"):
        replayed(product, tmp_path)


def test_usage_that_the_broker_refuses_fails_the_replay(product: Product, tmp_path: Path) -> None:
    product.broker_status = 413
    with pytest.raises(ReplayFailed, match="refused or lost"):
        replayed(product, tmp_path)


def test_a_broker_that_does_not_take_the_usage_fails_the_replay(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "SEND_LIMIT_S", 0.2)
    monkeypatch.setattr(program, "EXIT_LIMIT_S", 0.2)
    product.broker_status = 503
    with pytest.raises(ReplayFailed, match=r"did not take the usage within 0\.2 s"):
        replayed(product, tmp_path)


def test_usage_that_is_not_counted_fails_the_replay(product: Product, tmp_path: Path) -> None:
    product.dropped = {"734272c0"}
    with pytest.raises(ReplayFailed, match="tenant 734272c0: only 0 of 59 invocations were counted"):
        replayed(product, tmp_path)


def test_a_key_that_the_api_refuses_is_said(product: Product, tmp_path: Path) -> None:
    with pytest.raises(ReplayFailed, match=r"/billing/calculate answered 401: .*Unauthorized"):
        replayed(product, tmp_path, admin_key="wrong")


def test_decimal_points_stand_below_each_other() -> None:
    bills = [
        TenantBill("a", 1, 1_000, Decimal("12.3450"), Decimal("12.35"), "USD"),
        TenantBill("b", 20_000, 2, Decimal("0.000001"), Decimal("0.00"), "USD"),
        TenantBill("c", 3, 3, Decimal(7), Decimal("7.00"), "USD"),
    ]
    assert table(bills).splitlines() == [
        "",
        "tenant     invocations   billed ms             exact USD  bill USD",
        "------------------------------------------------------------------",
        "a                    1       1,000    12.345                 12.35",
        "b               20,000           2     0.000001               0.00",
        "c                    3           3     7                      7.00",
        "------------------------------------------------------------------",
        "3 in all        20,004       1,005    19.345001              19.35",
    ]
