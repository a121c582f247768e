"""One simulation: a world, what the system makes of it, and what must come of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.adapters.postgres.pool import Database
from tests.simulation.compare import Comparison, compare
from tests.simulation.drive import Drive
from tests.simulation.system import System
from tests.simulation.world import world_of

SAY_EVERY_S: Final = 5.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`wrong` is what differs, the first of it first."""

    table: Mapping[str, object]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"{name:24} {value}" for name, value in self.table.items())


def simulate(database: Database, *, records: int, seed: int, say: Say, forget: int | None = None) -> Outcome:
    """The last record of the delivery that `forget` numbers is kept from the recomputation."""
    began = time.monotonic()
    world = world_of(seed, records)
    say(f"seed {seed}: {records} records in {len(world.deliveries)} parts, {', '.join(world.season.zones)}")
    drive = Drive(world, System(database, world.begins), forget=forget)
    drive.prepare()
    said = began
    for come in drive.run():
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            say(f"{come} of {records} records came; it is {drive.system.now:%d %B %Y}")
    sent_s = time.monotonic() - began
    compared = Comparison()
    for compared in compare(world, drive.system, drive.ledger):
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            say(f"{compared.bills} bills, {compared.lines} lines compared")
    versions = sum(len(plan.versions) for plan in drive.ledger.plans.values())
    table = {
        "records": drive.ledger.records,
        "parts": len(world.deliveries),
        "over HTTP": sum(delivery.way == "http" for delivery in world.deliveries),
        "sent again": drive.counts.get("send again", 0),
        "with other records": drive.counts.get("forge", 0),
        "voids": drive.counts.get("void", 0),
        "folds and rebuilds": f"{drive.counts.get('fold', 0)} and {drive.counts.get('rebuild', 0)}",
        "tenants": len(world.tenants),
        "plans and versions": f"{len(drive.ledger.plans)} and {versions}",
        "changes of plan": drive.counts.get("take", 0) + drive.counts.get("end", 0),
        "months": compared.months,
        "bills compared": compared.bills,
        "of them refused": compared.refused,
        "lines compared": compared.lines,
        "of them of bands": compared.banded,
        "differences": len(compared.differences),
        "seconds of sending": f"{sent_s:.1f}",
        "seconds in all": f"{time.monotonic() - began:.1f}",
    }
    return Outcome(table, (*drive.wrong, *compared.differences))
