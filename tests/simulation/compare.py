"""Holds every bill of the system against the ledger's: each line, to the cent, and unrounded exactly."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise, zip_longest
from typing import Any, Final

from tests.simulation.recompute.ledger import Bill, Ledger, Line
from tests.simulation.recompute.numbers import written
from tests.simulation.system import System
from tests.simulation.world import World

GRID: Final = timedelta(minutes=5)
SECOND: Final = timedelta(seconds=1)
Json = Mapping[str, Any]
Period = tuple[datetime, datetime]


@dataclass
class Comparison:
    """What was compared, and what differs; `refused` are bills of time without a plan, `banded` lines of a
    band."""

    months: int = 0
    bills: int = 0
    lines: int = 0
    banded: int = 0
    refused: int = 0
    differences: list[str] = field(default_factory=list)


def compare(world: World, system: System, ledger: Ledger) -> Iterator[Comparison]:
    """After each tenant, what was compared so far."""
    drawn, so_far = random.Random(world.seed), Comparison()
    for tenant in world.tenants:
        first, second, third = world.months(tenant.zone)
        so_far.months += 2
        changes = ledger.accounts[tenant.slug].holding.rows
        for period in _periods(drawn, (first, second, third), tuple(changes)):
            start, end = period
            asked_end = end - SECOND if drawn.random() < 0.1 else end
            body = {"tenant_id": tenant.slug, "period_start": start, "period_end": asked_end}
            status, answer = system.call("POST", "/billing/calculate", body)
            expected = ledger.bill(tenant.slug, start, end)
            place = f"{tenant.slug} ({tenant.zone}, {tenant.currency}) {_said(start)} to {_said(end)}"
            so_far.bills += 1
            so_far.refused += expected is None
            so_far.lines += len(expected.lines) if expected else 0
            so_far.banded += sum("band" in line.part for line in expected.lines) if expected else 0
            found = _differences(expected, status, answer, period)
            so_far.differences += (f"{place}: {difference}" for difference in found)
        yield so_far


def _periods(
    drawn: random.Random, bounds: Sequence[datetime], changes: Sequence[datetime]
) -> Iterator[Period]:
    """Each month, in whole and in parts, which may begin and end with a change, and some time of both."""
    for month in pairwise(bounds):
        yield month
        cuts = {_within(drawn, month) for _ in range(drawn.randint(1, 4))}
        cuts |= {at for at in changes if month[0] < at < month[1] and drawn.random() < 0.7}
        yield from pairwise(sorted({*month, *cuts}))
    first, second, third = bounds
    yield _within(drawn, (first, second)), _within(drawn, (second, third))


def _within(drawn: random.Random, period: Period) -> datetime:
    start, end = period
    return start + drawn.randrange(1, (end - start) // GRID) * GRID


def _differences(expected: Bill | None, status: int, answer: Json, period: Period) -> Iterator[str]:
    if expected is None or status != 200:
        if (status == 422) != (expected is None):
            wanted = "a refusal" if expected is None else "a bill"
            yield f"answered {status} {str(answer)[:300]}, expected {wanted}"
        return
    stated = answer["period_start"], answer["period_end"]
    if stated != (_said(period[0]), _said(period[1])):
        yield f"states the period {stated}"
    for line, found in zip_longest(expected.lines, answer["lines"]):
        if line is None or found is None:
            yield f"expected {len(expected.lines)} lines, found {len(answer['lines'])}"
            break
        if unlike := _unlike(_of_line(line), found):
            yield f"{line.plan} {line.version} {line.price} {line.part} {found['description']}: {unlike}"
    totals = {"total": expected.total, "total_exact": written(expected.total_exact)}
    if unlike := _unlike(totals, answer):
        yield unlike


def _of_line(line: Line) -> Mapping[str, Any]:
    quantity = {} if line.quantity is None else {"quantity": written(line.quantity)}
    return quantity | {
        "start": _said(line.start),
        "end": _said(line.end),
        "plan": line.plan,
        "plan_version": line.version,
        "price": line.price,
        "part": line.part,
        "amount_exact_before": written(line.exact_before),
        "amount_exact": written(line.exact),
        "amount": line.amount,
    }


def _unlike(expected: Mapping[str, Any], found: Json) -> str:
    """What is not as expected, in words."""
    return "; ".join(
        f"{name}: expected {float(value) if isinstance(value, Fraction) else value}, found {found.get(name)}"
        for name, value in expected.items()
        if value != (Fraction(found[name]) if isinstance(value, Fraction) else found.get(name, ""))
    )


def _said(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
