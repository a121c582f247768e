"""The figures, for people: the same in the terminal and in docs/performance.md."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final

from benchmarks import results
from benchmarks.cells import Cell, Measured
from benchmarks.closing import Close
from benchmarks.cold_start import FIRST
from benchmarks.flat import CELL, FULL, SMALL, SMALL_DAYS, Flat
from benchmarks.load import KINDS
from benchmarks.machine import MB
from benchmarks.months import SERVICES
from benchmarks.results import Results, middle

INTRODUCTION: Final = """\
# Performance

Measured by `make bench`, which writes this page with `--write`. Rates differ from machine to machine and from
hour to hour; the ratios to the floors, measured in turn with them in the same run, differ less.

- **Load**: a process of its own over TCP, connections kept, requests made before the clock starts: records of
  about 340 bytes with random request ids, labels and durations; 5 % of the events are sent twice. *Uniform*:
  1,000 tenants × 5 services × 2 revisions, times over 10 minutes; *hot*: one tenant, one service.
- **Function**: started as its func.yaml says, on an embedded PostgreSQL with fsync and synchronous_commit on;
  what it announces goes to a process that only answers 202.
- **Time**: until the last record is in the windows. New events count, repeated ones do not.
- **Checked** after each load: events in the inbox; records, invocations, nanoseconds and egress bytes of each
  tenant in the windows of 5 minutes, an hour and a day. A wrong sum fails the run.
- **Floor**: the same records as rows of 12 columns in a bare table on the same server, encoded before the
  clock starts: one-row INSERTs on 8 connections for single records, else one connection's binary COPY and
  commit of as many at a time.

## This run
"""
NOT_YET: Final = """\
## Not measured yet

The emitter's cost per request.
"""
DISK: Final = "load|WAL B/record|payload|inbox|windows"


def page(found: Results, facts: Mapping[str, str]) -> str:
    return "\n".join([INTRODUCTION, _table("|", list(facts.items())), tables(found), NOT_YET])


def tables(found: Results) -> str:
    return "\n".join(_parts(found))


def _parts(found: Results) -> Iterator[str]:
    if found.direct:
        columns = "load|records/s|floor rows/s|ratio|goal||p50 / p99 ms|CPU µs/event|/record"
        cells = [cell for cell in results.INGEST_GOALS if cell in found.direct]
        rows = [_direct(found, cell) for cell in cells]
        yield _titled("Ingest, without a Broker", columns, rows)
        rows = [_disk(found, cell) for cell in cells]
        yield "CPU is that of client + function + PostgreSQL. On disk, in bytes per record with indexes:\n"
        yield _table(DISK, rows)
        yield "After a checkpoint the WAL takes whole pages: short loads show more.\n"
    if found.through_broker:
        columns = "load|records/s|of direct|goal||202: p50 / p99 ms|CPU µs/event"
        rows = [_through(found, cell) for cell in results.BROKER_GOALS if cell in found.through_broker]
        yield _titled("Through the Broker", columns, rows)
        yield "The product as `make run` starts it, on the same cores. CPU is that of client + all else.\n"
    if found.latency is not None:
        shown = (
            ("in the window", found.latency.window_s, results.WINDOW_GOAL_S),
            ("in the accrued cost", found.latency.cost_s, results.COST_GOAL_S),
        )
        rows = [
            (name, f"{median(s):.2f}", f"{max(s):.2f}", f"{g:g}", _most(max(s), g)) for name, s, g in shown
        ]
        yield _titled("From 202 until it shows", "|p50 s|p99 s|goal s|", rows)
        yield f"{len(found.latency.window_s)} quiet tenants, one after the other; p99 is the worst.\n"
    if found.cold_starts:
        columns = "function|ms|bare ms|ratio|goal||PSS MB|until"
        yield _titled("Cold start", columns, [_cold(found, name) for name in found.cold_starts])
        yield "Medians from exec on. Bare: a functions-framework function without work, same server.\n"
    if found.memory.idle:
        goal = results.MEMORY_GOAL_MB
        named = (("idle", found.memory.idle), ("after the loads", found.memory.after))
        rows = [(name, f"{size / MB:.0f}", f"{goal:g}", _most(size / MB, goal)) for name, size in named]
        rows.append(("peak, resident", f"{found.memory.peak / MB:.0f}", "", ""))
        yield _titled("Memory of an ingest worker", "|PSS MB|goal|", rows)
    if found.folds:
        columns = "|records/s|events/s|records|s"
        rows = [
            (
                name,
                f"{r.records / r.seconds:,.0f}",
                f"{r.events / r.seconds:,.0f}",
                f"{r.records:,}",
                f"{r.seconds:.2f}",
            )
            for name, r in found.folds.items()
        ]
        yield _titled("Fold of what waited, and rebuild", columns, rows)
    if found.stay is not None:
        states = found.stay.states
        columns = "minute|instances|PSS MB|peak MB|connections|unfolded|in the Broker|its disk MB|database MB"
        rows = [
            (
                *(f"{s.minutes:.1f}", f"{s.instances}", f"{s.pss / MB:.0f}", f"{s.peak / MB:.0f}"),
                *(f"{s.connections}", f"{s.unfolded}", f"{s.stream}"),
                *(f"{s.broker / MB:,.0f}", f"{s.database / MB:,.0f}"),
            )
            for n, s in enumerate(states)
            if n in (0, len(states) - 2, len(states) - 1) or int(s.minutes) != int(states[n - 1].minutes)
        ]
        yield _titled(f"{states[-1].minutes:.0f} minutes of load through the Broker", columns, rows)
        yield f"{found.stay.records:,} records, 100 per event; looked at whenever a part had been folded,"
        yield "and at last when all was quiet.\n"
    if found.flat is not None:
        yield from _flat(found.flat)
    if found.close is not None:
        yield from _close(found.close)


def _flat(flat: Flat) -> Iterator[str]:
    pair, empty, full = flat.pair, flat.loads[SMALL][CELL], flat.loads[FULL][CELL]
    ratio, goal = middle(full).events_per_s / middle(empty).events_per_s, results.FLAT_GOAL
    rows = [
        _inbox("empty", empty, ("", "", "")),
        _inbox(f"{pair.size.keys:,} rows", full, (f"{ratio:.2f}", f"{goal:g}", _least(ratio, goal))),
    ]
    columns = "inbox|events/s|of empty|goal||p50 / p99 ms|CPU µs/event|WAL B/event"
    yield _titled(f"Flat cost: {CELL}", columns, rows)
    yield (
        "By turns on one server, each after a checkpoint. The index of the full inbox takes"
        f" {pair.index / MB:,.0f} MB, shared_buffers {pair.buffers / MB:,.0f} MB;"
        f" {pair.size.windows:,} windows lie beside it.\n"
    )
    rows = [
        (name, *(f"{asked.p_ms(api, percent):.1f}" for api in (SMALL, FULL) for percent in (50, 99)))
        for name, asked in flat.asked.items()
    ]
    columns = f"|{SMALL_DAYS} days: p50 ms|p99 ms|{pair.size.days} days: p50 ms|p99 ms"
    yield _titled("Reads over the API", columns, rows)
    yield f"One reader. {KINDS} revisions of one tenant, of {pair.size.tenants}; which and when is drawn.\n"


def _close(close: Close) -> Iterator[str]:
    row = (
        f"{close.invoices:,}",
        f"{close.invoices_per_s:,.0f}",
        f"{close.seconds:,.0f}",
        " + ".join(f"{used:.1f}" for used in close.cpu_ms.values()),
        f"{close.wal_bytes:,.0f}",
        f"{close.disk_bytes:,.0f}",
    )
    columns = "invoices|invoices/s|s|CPU ms/invoice|WAL B/invoice|on disk B/invoice"
    yield _titled("The month's close", columns, [row])
    yield (
        f"One process, an invoice for each tenant over {SERVICES} services that are called every day. CPU is"
        " that of closer + PostgreSQL; on disk are invoices, their lines and the ledger, with indexes. Killed"
        f" when {close.killed_at:,} were final and started again: numbers without a gap, one invoice each,"
        " over what its usage costs, and books that balance.\n"
    )


def _inbox(name: str, found: Sequence[Measured], met: Sequence[str]) -> Sequence[str]:
    measured = middle(found)
    return (
        name,
        _spread([m.events_per_s for m in found]),
        *met,
        f"{measured.p50_ms:.1f} / {measured.p99_ms:.1f}",
        " + ".join(f"{used:.0f}" for used in measured.cpu_us.values()),
        f"{measured.wal_bytes:,.0f}",
    )


def _direct(found: Results, cell: Cell) -> Sequence[str]:
    measured, goal, ratio = middle(found.direct[cell]), results.INGEST_GOALS[cell], found.ratio(cell)
    floor = found.floor(cell.batch)
    return (
        f"{cell}{' (the client was the limit)' if measured.client_bound else ''}",
        _spread([m.records_per_s for m in found.direct[cell]]),
        "" if floor is None else f"{floor:,.0f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{goal:g}",
        _least(ratio, goal),
        f"{measured.p50_ms:.1f} / {measured.p99_ms:.1f}",
        " + ".join(f"{used:.0f}" for used in measured.cpu_us.values()),
        f"{sum(measured.cpu_us.values()) / cell.batch:.1f}",
    )


def _disk(found: Results, cell: Cell) -> Sequence[str]:
    measured = middle(found.direct[cell])
    return (str(cell), *(f"{size:,.0f}" for size in (measured.wal_bytes, *measured.disk_bytes.values())))


def _through(found: Results, cell: Cell) -> Sequence[str]:
    measured, goal, ratio = (
        middle(found.through_broker[cell]),
        results.BROKER_GOALS[cell],
        found.broker_ratio(cell),
    )
    return (
        str(cell).replace("connections", "senders"),
        _spread([m.records_per_s for m in found.through_broker[cell]]),
        "" if ratio is None else f"{ratio:.2f}",
        f"{goal:g}",
        _least(ratio, goal),
        f"{measured.p50_ms:.1f} / {measured.p99_ms:.1f}",
        " + ".join(f"{used:.0f}" for used in measured.cpu_us.values()),
    )


def _cold(found: Results, name: str) -> Sequence[str]:
    start, goal = found.cold_starts[name], results.COLD_START_GOALS[name]
    took_ms = [f"{median(seconds) * 1000:.0f}" for seconds in (start.seconds, start.bare_seconds)]
    met = (f"{start.ratio:.2f}", f"{goal:g}", _most(start.ratio, goal))
    return (name, *took_ms, *met, f"{start.pss_bytes / MB:.0f}", FIRST[name][1])


def _spread(rates: Sequence[float]) -> str:
    middle = sorted(rates)[(len(rates) - 1) // 2]
    return f"{middle:,.0f}" + (f" ({min(rates):,.0f}–{max(rates):,.0f})" if len(rates) > 1 else "")


def _least(value: float | None, goal: float) -> str:
    if value is None:
        return ""
    return "reached" if value >= goal else f"{value / goal:.2f} of goal"


def _most(value: float, goal: float) -> str:
    return "reached" if value <= goal else f"{value / goal:.2f} × goal"


def _titled(title: str, columns: str, rows: Sequence[Sequence[str]]) -> str:
    return f"## {title}\n\n{_table(columns, rows)}"


def _table(columns: str, rows: Sequence[Sequence[str]]) -> str:
    """`columns` are their names with bars between."""
    names = columns.split("|")
    widths = [max(3, *map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [names, ["-" * width for width in widths], *rows]
    return "".join(
        "| " + " | ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) + " |\n"
        for line in lines
    )
