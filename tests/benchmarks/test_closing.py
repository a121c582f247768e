"""The month's close in its smallest form: killed, started again, checked; and the check can fail."""

import os
from collections.abc import Iterator

import pytest

from benchmarks import closing, months
from benchmarks.closing import Close
from benchmarks.report import tables
from benchmarks.results import Results
from benchmarks.servers import Database, Servers

TENANTS = 50
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    database = Database(module_database_url)
    yield database
    database.connection.close()


@pytest.fixture(scope="module")
def close(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Close:
    servers = Servers(tmp_path_factory.mktemp("bench"), database, os.getpid(), NO_REDIS)
    return closing.measure(servers, TENANTS, lambda _: None)


def test_a_closer_that_is_killed_and_started_again_neither_skips_nor_repeats(close: Close) -> None:
    assert close.wrong == []
    assert TENANTS // 2 <= close.killed_at < TENANTS
    assert close.cpu_ms["closer"] > 0
    assert min(close.seconds, close.wal_bytes, close.disk_bytes) > 0


def test_its_rate_is_told(close: Close) -> None:
    told = tables(Results(close=close))
    assert "## The month's close" in told
    assert f"Killed when {close.killed_at} were final" in told


def test_usage_that_is_not_on_an_invoice_is_found(close: Close, database: Database) -> None:
    month = months.last_month()
    database.do(
        "UPDATE usage_window SET invocations = invocations + 10000000 WHERE (tenant_id, window_start) = ("
        "SELECT tenant_id, min(window_start) FROM usage_window WHERE window_size = '5m' GROUP BY 1 LIMIT 1)"
    )
    (found,) = months.differences(database, month)
    assert "is right" in found


def test_a_number_that_is_on_no_invoice_is_found(close: Close, database: Database) -> None:
    assert months.numbering(database) == []
    database.do(
        "INSERT INTO issued_number SELECT billing_entity_id, series, year, max(number) + 1, 'x',"
        " gen_random_uuid(), gen_random_uuid() FROM issued_number GROUP BY 1, 2, 3"
    )
    (found,) = months.numbering(database)
    assert found == f"{TENANTS + 1} numbers up to {TENANTS + 1} are given out, of {TENANTS} invoices"
