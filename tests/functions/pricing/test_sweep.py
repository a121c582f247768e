"""The sweep of pricing as a real process: what no notice told of is accrued and announced by a tick."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from eventing import types
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.domain.plan import Subscription
from shared.service.catalogue import catalogue, install_catalogue
from tests.emitter.receiver import Received, Receiver, receiving
from tests.functions.serving import Served, serving
from tests.shared.adapters.postgres.rating_rows import add_tenant, fold, record

TICK = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": types.SOURCE_SWEEP,
    "ce-type": types.PING,
}


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With a tenant on a plan, one without, and usage of both that no notice has told of."""
    database = Database(database_url)
    planned, unrated = (add_tenant(database, slug) for slug in ("planned", "unrated"))
    plans = PostgresPlans(database)
    install_catalogue(plans)
    with plans.changing(planned.id) as book:
        book.add(Subscription(None, catalogue()["faas-billing-rub"]))
    for tenant in (planned, unrated):
        fold(database, tenant.id, record("2025-10-15T12:00", 12_000_000))
    yield database
    database.close()


def sweep(served: Served) -> int:
    answer = served.request("POST", "/", TICK)
    assert len(answer.body) <= 512
    return answer.status


def costs(received: Sequence[Received]) -> list[Received]:
    """Without what is announced of the invoices of the same tick."""
    return [one for one in received if one.headers["ce-type"] == types.COST_ACCRUED]


def accrued(url: str) -> list[tuple[str, Decimal]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT slug, amount FROM accrued_cost JOIN tenant ON id = tenant_id"
        ).fetchall()


def test_a_tick_accrues_what_a_lost_notice_did_not_tell_of(
    database: Database, database_url: str, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "pricing", DATABASE_URL=database_url, K_SINK=sink.url) as served:
        assert accrued(database_url) == []
        assert sweep(served) == 204
        assert accrued(database_url) == [("planned", Decimal("190.08"))]
        # It was sent before the answer, not some time after it.
        (announced,) = costs(sink.received)
        assert announced.headers["ce-tenantid"] == "planned"
        assert sweep(served) == 204
        assert len(costs(sink.received)) == 1


def test_a_tick_counts_the_tenants_whose_usage_no_plan_is_in_force_for(
    database: Database, database_url: str, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "pricing", DATABASE_URL=database_url, K_SINK=sink.url) as served:
        assert b"faas_billing_unrated_tenants" not in served.request("GET", "/metrics").body
        assert sweep(served) == 204
        assert b"\nfaas_billing_unrated_tenants 1.0\n" in served.request("GET", "/metrics").body
    assert "1 tenants have usage that is unrated" in served.log.read_text()


def test_a_tick_accrues_though_the_sink_is_away_and_is_to_be_repeated(
    database: Database, database_url: str, sink: Receiver, tmp_path: Path
) -> None:
    sink.then = 503
    with serving(tmp_path, "pricing", DATABASE_URL=database_url, K_SINK=sink.url) as served:
        assert sweep(served) == 503
        assert accrued(database_url) == [("planned", Decimal("190.08"))]
        sink.then = 202
        assert sweep(served) == 204
        assert len(costs(sink.delivered)) == 1


def test_without_a_database_a_tick_is_to_be_repeated(sink: Receiver, tmp_path: Path) -> None:
    with serving(tmp_path, "pricing", K_SINK=sink.url) as served:
        assert sweep(served) == 503
    assert "cannot take event 1" in served.log.read_text()


def test_a_tick_of_the_close_drafts_what_has_ended_and_announces_it(
    database: Database, database_url: str, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "pricing", DATABASE_URL=database_url, K_SINK=sink.url) as served:
        answer = served.request("POST", "/", TICK | {"ce-source": types.SOURCE_CLOSE})
        assert answer.status == 204
        drafted = [one for one in sink.received if one.headers["ce-type"] == types.INVOICE_DRAFTED]
        assert sorted(one.headers["ce-tenantid"] for one in drafted) == ["planned", "unrated"]
        assert costs(sink.received) == []
