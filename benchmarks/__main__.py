"""python -m benchmarks: measures, prints the figures, exits 1 if a sum is wrong. `--help` tells the rest."""

import argparse
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import closing, cold_start, flat, floors, fold, machine, reads, report, through_broker
from benchmarks.cells import Cell, Measured, Target, measure, touch
from benchmarks.cold_start import FIRST
from benchmarks.fill import Say
from benchmarks.flat import Flat, NoRoom, Size
from benchmarks.fold import Rate
from benchmarks.load import Shape
from benchmarks.results import BROKER_GOALS, INGEST_GOALS, Results
from benchmarks.sender import SenderFailed
from benchmarks.servers import Product, Servers, function, product, servers, sink
from benchmarks.through_broker import AGGREGATOR
from runtime.processes import ProcessFailed
from runtime.settings import CHECKOUT
from shared.adapters.system import system_clock

PAGE: Final = CHECKOUT / "docs" / "performance.md"
PARTS: Final = ("cold", "ingest", "fold", "broker", "stay")
LONG_PARTS: Final = ("flat", "close")
"""Minutes of filling before anything is measured: only where they are asked for."""
FLOORS: Final = (1, 100, 1_000)
FLOORS_PER_ROUND: Final = 2
READS: Final = 200


@dataclass(frozen=True, slots=True)
class Form:
    """Loads of `seconds` in so many `rounds`, those of `shapes` also through the Broker; cold `starts`;
    `samples` of latency; `minutes` of long load; `waiting` records are folded, and as many rebuilt; `rows`
    fill the inbox; the month is closed for `tenants`."""

    rounds: int
    seconds: float
    starts: int
    samples: int
    minutes: float
    waiting: int
    shapes: tuple[Shape, ...] = ("uniform", "hot")
    rows: int = 10**8
    tenants: int = 10_000


FORMS: Final = {
    "quick": Form(1, 2.0, 3, 10, 0, 50_000, ("uniform",), tenants=50),
    "full": Form(3, 10.0, 5, 10, 10, 200_000),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What is measured, and where what is found goes."""

    form: Form
    parts: frozenset[str]
    folder: Path
    say: Say
    found: Results = field(default_factory=Results)

    def all(self) -> Results:
        if "flat" in self.parts:
            flat.require_room(self.folder, Size(self.form.rows))
        if self.parts & {"cold", "ingest", "fold", "flat", "close"}:
            with servers(self.folder) as started, sink(self.folder) as sink_port:
                self.found.postgres = started.database.version()
                self.say("PostgreSQL and Redis are up")
                if "cold" in self.parts:
                    self._cold_starts(started, sink_port)
                if self.parts & {"ingest", "fold"}:
                    self._direct(started, sink_port)
                if "flat" in self.parts:
                    self._flat(started, sink_port)
                if "close" in self.parts:
                    self._close(started)
        if self.parts & {"broker", "stay"}:
            with product(self.folder) as up:
                self.found.postgres = up.database.version()
                self.say("the product is up")
                if "broker" in self.parts:
                    self._through_broker(up)
                if "stay" in self.parts and self.form.minutes:
                    self._stay(up)
        return self.found

    def _cold_starts(self, started: Servers, sink_port: int) -> None:
        for name in FIRST:
            self.found.cold_starts[name] = start = cold_start.measure(
                started, name, self.form.starts, sink_port
            )
            self.say(f"cold start of {name}: {start.ratio:.2f} times that of a bare function")

    def _direct(self, started: Servers, sink_port: int) -> None:
        with function(started, AGGREGATOR, sink_port) as (process, port):
            processes = {"function": process.pid, "PostgreSQL": started.postgres_pid}
            target, memory = Target(started.database, port, processes), self.found.memory
            worker = machine.worker(process.pid)
            memory.idle = machine.pss_bytes(worker)
            touch(target)
            self.say("the aggregator is warm")
            if "ingest" in self.parts:
                self._ingest(target)
            if "fold" in self.parts:
                self._fold(target, started, sink_port)
            memory.after, memory.peak = machine.pss_bytes(worker), machine.peak_bytes(worker)

    def _ingest(self, target: Target) -> None:
        """Floors and loads by turns, each round in another order."""

        def load(cell: Cell) -> None:
            self._note(self.found.direct, cell, measure(target, cell, self.form.seconds))

        def floor(batch: int) -> None:
            rate = floors.measure(target.database, batch, self.form.seconds / FLOORS_PER_ROUND)
            self.found.floors.setdefault(batch, []).append(rate)
            self.say(f"floor, {'INSERT' if batch == 1 else 'COPY'} of {batch:,}: {rate:,.0f} rows/s")

        steps = [partial(load, cell) for cell in INGEST_GOALS]
        steps += [partial(floor, batch) for batch in FLOORS * FLOORS_PER_ROUND]
        for _ in range(self.form.rounds):
            random.shuffle(steps)
            for step in steps:
                step()

    def _fold(self, target: Target, started: Servers, sink_port: int) -> None:
        waiting = self.form.waiting
        for cell, events in ((Cell("uniform", 100), waiting // 100), (Cell("uniform", 1), waiting // 10)):
            self._rate(f"fold, {cell.batch} per event, uniform", fold.fold(target, cell, events))
        with function(started, "billing-api", sink_port) as (_, api_port):
            self._rate("rebuild of a tenant", fold.rebuild(target, api_port, waiting))

    def _flat(self, started: Servers, sink_port: int) -> None:
        """The reads first: a load empties the small database."""
        with flat.filled(started, sink_port, Size(self.form.rows), self.say) as pair:
            self.found.flat = found = Flat(pair)
            for question in reads.QUESTIONS:
                found.asked[question] = asked = reads.ask(pair.apis, question, READS)
                took = (f"{name} {asked.p_ms(name, 50):.1f} ms" for name in pair.apis)
                self.say(f"{question}: {', '.join(took)}")
                self._wrong(question, asked.wrong)
            for target in pair.targets.values():
                touch(target)
            self._wrong("sent again", flat.send_again(pair.targets[flat.FULL], pair.size.keys))
            steps = list(pair.targets.items())
            for _ in range(self.form.rounds):
                random.shuffle(steps)
                for name, target in steps:
                    measured = measure(target, flat.CELL, self.form.seconds)
                    self._note(found.loads[name], flat.CELL, measured, f"{name} inbox, ")

    def _close(self, started: Servers) -> None:
        self.found.close = found = closing.measure(started, self.form.tenants, self.say)
        self.say(f"the month's close: {found.invoices_per_s:,.0f} invoices/s")
        self._wrong("the month's close", found.wrong)

    def _through_broker(self, up: Product) -> None:
        self.found.latency = latency = through_broker.latency(up, self.form.samples)
        window_s, cost_s = max(latency.window_s), max(latency.cost_s)
        self.say(f"from 202 to the window at most {window_s:.2f} s, to the accrued cost {cost_s:.2f} s")
        target = through_broker.target_of(up)
        touch(target)
        cells = [cell for cell in BROKER_GOALS if cell.shape in self.form.shapes]
        steps = cells * self.form.rounds
        random.shuffle(steps)
        for cell in steps:
            through_broker.wait_until_quiet(up)
            measured = measure(target, cell, self.form.seconds)
            self._note(self.found.through_broker, cell, measured, "the Broker, ")

    def _stay(self, up: Product) -> None:
        self.found.stay = found = through_broker.stay(up, self.form.minutes, self.say)
        self._wrong("long load", found.wrong)

    def _note(self, to: dict[Cell, list[Measured]], cell: Cell, measured: Measured, by: str = "") -> None:
        to.setdefault(cell, []).append(measured)
        self.say(
            f"{by}{cell}: {measured.events_per_s:,.0f} events/s, {measured.records_per_s:,.0f} records/s"
        )
        self._wrong(f"{by}{cell}", measured.wrong)

    def _rate(self, name: str, rate: Rate) -> None:
        self.found.folds[name] = rate
        self.say(f"{name}: {rate.records / rate.seconds:,.0f} records/s")
        self._wrong(name, rate.wrong)

    def _wrong(self, name: str, faults: Sequence[str]) -> None:
        for fault in faults:
            self.say(f"WRONG: {name}: {fault}")
            self.found.wrong.append(f"{name}: {fault}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("form", nargs="?", choices=FORMS, default="quick", help="full takes half an hour")
    parts, told = (*PARTS, *LONG_PARTS), "some of the parts; flat and close, minutes each, only where named"
    parser.add_argument("--only", nargs="+", choices=parts, default=PARTS, help=told)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each load")
    parser.add_argument("--minutes", type=float, help="of the long load; 0 for none")
    parser.add_argument("--rows", type=int, help="of the full inbox, a hundred million else")
    parser.add_argument("--tenants", type=int, help="that the month is closed for, ten thousand else")
    parser.add_argument("--write", action="store_true", help=f"also to {PAGE.relative_to(CHECKOUT)}")
    given = parser.parse_args()
    changed = {name: getattr(given, name) for name in ("rounds", "seconds", "minutes", "rows", "tenants")}
    form = replace(FORMS[given.form], **{name: value for name, value in changed.items() if value is not None})
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    facts = {
        "Command": "make bench",
        **machine.describe(),
        "All cores at once": machine.cores_at_once(),
        "Load average before": machine.load_average(),
        "Other programs": machine.others(),
    }
    if arguments := shlex.join(word for word in sys.argv[1:] if word != "--write"):
        facts["Command"] += f" ARGS={arguments!r}"
    say(f"other programs {facts['Other programs']}")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            found = Run(form, frozenset(given.only), Path(folder), say).all()
    except (NoRoom, SenderFailed, ProcessFailed, TimeoutError) as failure:
        say(f"FAILED: {failure}")
        return 1
    facts |= {"Load average after": machine.load_average(), "Date": f"{system_clock():%Y-%m-%d %H:%M} UTC"}
    return conclude(found, facts, PAGE if given.write else None)


def conclude(found: Results, facts: Mapping[str, str], page: Path | None) -> int:
    """Prints what was found and, unless a sum is wrong, writes it to `page`: the exit code."""
    print(report.tables(found))
    if found.wrong:
        print(*found.wrong, "WRONG SUMS: the figures are worth nothing", sep="\n")
        return 1
    if page is not None:
        page.write_text(report.page(found, {**facts, "PostgreSQL": found.postgres}))
        print(f"written to {page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
