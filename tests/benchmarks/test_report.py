"""Figures beside their goals."""

from pathlib import Path
from socket import gethostname

from benchmarks import flat, machine
from benchmarks.cells import Cell, Measured
from benchmarks.cold_start import ColdStart
from benchmarks.flat import FULL, SMALL, Flat, Pair, Size
from benchmarks.machine import MB
from benchmarks.reads import Asked
from benchmarks.report import page, tables
from benchmarks.results import Results

CELL = Cell("hot", 100)
CHECKOUT = Path(__file__).parents[2]


def measured(rate: float) -> Measured:
    return Measured(
        events_per_s=rate / 100,
        records_per_s=rate,
        p50_ms=5.0,
        p99_ms=25.0,
        cpu_us={"client": 50.0, "function": 900.0, "PostgreSQL": 350.0},
        wal_bytes=114.0,
        disk_bytes={"payload": 105.0, "inbox": 2.0, "windows": 1.0},
        client_bound=False,
        wrong=[],
    )


def test_a_ratio_stands_beside_its_goal() -> None:
    reached = Results(floors={100: [100_000.0]}, direct={CELL: [measured(75_000)]})
    assert "| 75,000" in tables(reached)
    assert "| 0.75  | 0.75 | reached |" in tables(reached)
    missed = Results(floors={100: [100_000.0]}, direct={CELL: [measured(37_500)]})
    assert "0.50 of goal" in tables(missed)


def test_of_several_rounds_the_median_stands_with_the_range() -> None:
    found = Results(direct={CELL: [measured(3_000), measured(1_000), measured(2_000)]})
    assert "2,000 (1,000–3,000)" in tables(found)


def test_the_client_is_named_where_it_was_the_limit() -> None:
    limited = Measured(
        **{name: getattr(measured(1), name) for name in Measured.__slots__} | {"client_bound": True}
    )
    assert "the client was the limit" in tables(Results(direct={CELL: [limited]}))


def test_a_cold_start_above_its_goal_is_told_as_a_multiple_of_it() -> None:
    found = Results(cold_starts={"billing-aggregator": ColdStart([1.0], [0.2], 40 * 2**20)})
    assert "| 5.00  | 2.5  | 2.00 × goal |" in tables(found)


def test_a_full_inbox_stands_beside_an_empty_one() -> None:
    pair = Pair(Size(keys=10**8), {}, {}, index=5_000 * MB, buffers=128 * MB)
    took_ms = {SMALL: [3.0, 1.0, 2.0], FULL: [6.0, 4.0, 5.0]}
    loads = {SMALL: {flat.CELL: [measured(200_000)]}, FULL: {flat.CELL: [measured(150_000)]}}
    told = tables(Results(flat=Flat(pair, loads, {"bill of a month": Asked(took_ms, [])})))
    assert "| 100,000,000 rows | 1,500    | 0.75     | 0.8  | 0.94 of goal |" in told
    assert "The index of the full inbox takes 5,000 MB, shared_buffers 128 MB" in told
    assert "| bill of a month | 2.0             | 3.0    | 5.0              | 6.0    |" in told


def test_the_page_names_what_it_ran_on_but_neither_machine_nor_paths() -> None:
    facts = machine.describe()
    text = page(Results(direct={CELL: [measured(1)]}), facts)
    assert facts["CPU"] in text
    assert str(CHECKOUT) not in text
    assert gethostname() not in text
