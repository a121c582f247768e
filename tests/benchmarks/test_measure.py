"""A load on a real function, in the smallest form: the sums are checked, and the check can fail."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import floors, fold
from benchmarks.__main__ import conclude
from benchmarks.cells import Cell, Target, measure
from benchmarks.load import Fault
from benchmarks.results import Results
from benchmarks.sender import SenderFailed
from benchmarks.servers import PLAN, Database, Servers, function, sink
from runtime.seed import seed

SECONDS = 0.15
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def target(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("bench")
    seed(module_database_url)
    database = Database(module_database_url)
    database.seed(PLAN)
    servers = Servers(folder, database, os.getpid(), NO_REDIS)
    with sink(folder) as sink_port, function(servers, "billing-aggregator", sink_port) as (process, port):
        yield Target(database, port, {"function": process.pid})
    database.connection.close()


@pytest.mark.parametrize("cell", [Cell("uniform", 1), Cell("uniform", 100), Cell("hot", 1_000)], ids=str)
def test_what_was_sent_is_in_inbox_and_windows(target: Target, cell: Cell) -> None:
    found = measure(target, cell, SECONDS)
    assert found.wrong == []
    assert found.records_per_s == pytest.approx(found.events_per_s * cell.batch)
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.wal_bytes > 0
    assert min(found.disk_bytes.values()) > 0


@pytest.mark.parametrize(("fault", "told"), [("forgotten", "windows of bench-"), ("twice", "inbox: ")])
def test_a_record_too_few_and_an_event_too_many_are_found(target: Target, fault: Fault, told: str) -> None:
    wrong = measure(target, Cell("uniform", 100), SECONDS, fault).wrong
    assert any(told in line for line in wrong), wrong


def test_a_wrong_answer_fails_the_load(target: Target) -> None:
    expecting_202 = Target(target.database, target.port, target.processes, status=202)
    with pytest.raises(SenderFailed, match="204"):
        measure(expecting_202, Cell("hot", 1), SECONDS)


def test_the_backlog_is_folded_once_windows_can_be_written(target: Target) -> None:
    found = fold.fold(target, Cell("hot", 100), events=5)
    assert (found.events, found.records, found.wrong) == (5, 500, [])
    assert found.seconds > 0


@pytest.mark.parametrize("batch", [1, 100])
def test_floors_write_what_they_count(target: Target, batch: int) -> None:
    assert floors.measure(target.database, batch, 0.1) > 0


def test_a_wrong_sum_ends_the_run_with_1_and_writes_nothing(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    assert conclude(Results(wrong=["1 record, hot: inbox: 2 events, 1 were sent"]), {}, page) == 1
    assert not page.exists()
    assert conclude(Results(), {"Command": "make bench"}, page) == 0
    assert "make bench" in page.read_text()
