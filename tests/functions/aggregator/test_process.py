"""The aggregator as a real process: it folds when it starts, while it runs, and before it ends."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id, system_clock
from shared.service.tenants import Tenants
from tests.emitter.receiver import Receiver, receiving
from tests.functions.serving import Served, serving

HEADERS = {
    "Content-Type": "application/json",
    "ce-specversion": "1.0",
    "ce-source": "/t",
    "ce-type": "dev.faasbilling.usage.recorded.v1",
    "ce-tenantid": "acme",
}
RECORD = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","duration_seconds":0.1}'


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def acme(database_url: str) -> str:
    """The URL of a database with a tenant."""
    database = Database(database_url)
    Tenants(PostgresTenants(database), system_clock, new_id).create(name="acme", currency="EUR")
    database.close()
    return database_url


def send(served: Served, id: str) -> None:
    answer = served.request("POST", "/", HEADERS | {"ce-id": id}, RECORD)
    assert (answer.status, answer.body) == (204, b"")


def counts(url: str) -> tuple[int, int, int]:
    """Deltas, invocations by day, and facts in the outbox."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM usage_delta), (SELECT coalesce(sum(invocations), 0)"
            " FROM usage_aggregate WHERE window_size = '1d'), (SELECT count(*) FROM outbox)"
        ).fetchone()
    assert row is not None
    return row[0], int(row[1]), row[2]


def test_usage_is_folded_and_announced_within_moments(acme: str, sink: Receiver, tmp_path: Path) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
        send(served, "1")
        (announced,) = sink.wait_for(1)
    assert announced.headers["ce-type"] == "dev.faasbilling.usage.aggregated.v1"
    assert announced.headers["ce-tenantid"] == "acme"
    assert counts(acme) == (0, 1, 0)


def test_what_a_killed_process_left_is_folded_and_sent_by_the_next_one_at_its_start(
    acme: str, sink: Receiver, tmp_path: Path
) -> None:
    with psycopg.connect(acme) as holder:
        # Whoever would fold waits for the lock, so that the process is killed before it can.
        holder.execute("SELECT FROM fold_shard FOR UPDATE")
        with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
            send(served, "1")
            os.killpg(served.process.pid, signal.SIGKILL)
            served.process.wait()
    assert counts(acme) == (1, 0, 0)

    with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url):
        sink.wait_for(1)
    assert counts(acme) == (0, 1, 0)


def test_before_it_ends_it_folds_and_announces_what_it_took(
    acme: str, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
        send(served, "1")
        sink.wait_for(1)
        # The second change would be announced ten seconds after the first.
        send(served, "2")
    assert counts(acme) == (0, 2, 0)
    assert [int(one.headers["ce-sequence"]) for one in sink.delivered] == [1, 2]
