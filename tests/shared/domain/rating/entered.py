"""Plans as users enter them, and what a month of usage costs by them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

from shared.domain.meters import METERS
from shared.domain.period import Period
from shared.domain.plan import Plan
from shared.domain.plan_document import plan_from_dict
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import LineItem, total
from shared.domain.rating.rate import rate

MONTH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
CALLS = "invocations"
Used = str | int | Mapping[str, str]


def plan_of(*prices: Mapping[str, Any], currency: str = "USD") -> Plan:
    """The plan with these prices, as JSON objects."""
    return plan_from_dict(
        {"name": "entered", "currency": currency, "prices": prices}, id=UUID(int=1), created_at=MONTH.start
    )


def tiered(kind: str, *tiers: Sequence[str | None], **fields: Any) -> dict[str, Any]:
    """A price by tiers (up_to, amount, flat), of calls unless a meter is given."""
    named = ("up_to", "amount", "flat")
    meters = {} if "meters" in fields else {"meter": CALLS}
    return {
        "kind": kind,
        **meters,
        "tiers": [dict(zip(named, tier, strict=False)) for tier in tiers],
        **fields,
    }


def usage(used: Used, at: datetime = MONTH.end) -> Cumulative:
    """What was used of each meter (of calls, where it is one figure) by `at`."""
    by_meter = used if isinstance(used, Mapping) else {CALLS: used}
    reached = {name: Fraction(0) for name in METERS} | {n: Fraction(q) for n, q in by_meter.items()}
    return Cumulative(MONTH, at, reached)


def month(plan: Plan, used: Used) -> tuple[LineItem, ...]:
    """The month's lines."""
    return rate(plan, usage(0, MONTH.start), usage(used))


def month_total(plan: Plan, used: Used) -> Decimal:
    return total(month(plan, used), plan.currency)


def parts(plan: Plan, *used: Used) -> list[tuple[LineItem, ...]]:
    """The lines of a month in as many parts, by what was used by the end of each; the last is the month's."""
    points = [usage(0, MONTH.start)]
    for number, so_far in enumerate(used, start=1):
        at = MONTH.end if number == len(used) else MONTH.start + number * timedelta(days=1)
        points.append(usage(so_far, at))
    return [rate(plan, before, after) for before, after in pairwise(points)]


def totals(plan: Plan, *used: Used) -> list[str]:
    return [f"{total(lines, plan.currency):f}" for lines in parts(plan, *used)]


def amounts(lines: Sequence[LineItem]) -> list[str]:
    return [f"{line.amount:f}" for line in lines]
