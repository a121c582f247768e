"""Rating: from a version of a plan and cumulative quantities to line items, by the difference rule."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from shared.domain import money
from shared.domain.plan import Plan, PlanVersion
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.line import LineItem
from shared.domain.segments import Segment

_Charged = tuple[Charge, Decimal]


def rate(
    plan: Plan,
    before: Cumulative,
    after: Cumulative,
    *,
    version: PlanVersion | None = None,
    opening: Cumulative | None = None,
) -> tuple[LineItem, ...]:
    """The lines of [before.at, after.at), both in the same counting period, by `version` of the plan (the
    first, where none is given).

    line[a, b) = round(R(b)) - round(R(a)), with R cumulative from the start of the counting period. One
    line for each part of each price, in the order of the plan, also where it comes to zero. Where the
    version is in force for a part of the counting period only, all three say so by their `term`, and
    `opening` is usage at its start.
    """
    assert before.period == after.period
    assert before.term == after.term
    assert after.period.start <= before.at <= after.at <= after.period.end
    version = version or plan.versions[0]
    opened = tuple(owed for _, owed in _charges(plan, version, opening, None)) if opening else ()
    pairs = zip(_charges(plan, version, before, opened), _charges(plan, version, after, opened), strict=True)
    return tuple(_line(plan, version, before, after, *pair) for pair in pairs)


def rate_segment(
    segment: Segment,
    before: tuple[datetime, Mapping[str, Fraction]],
    after: tuple[datetime, Mapping[str, Fraction]],
    quantities: Callable[[datetime], Mapping[str, Fraction]],
) -> tuple[LineItem, ...]:
    """The lines of a part of a segment that has a plan: from and up to an instant in it, each with the
    quantities since the counting period began. `quantities` tells them for the segment's start."""
    assert segment.plan is not None

    def cumulative(at: datetime, reached: Mapping[str, Fraction]) -> Cumulative:
        return Cumulative(segment.counting, at, reached, term=segment.term)

    begins_late = segment.start > segment.counting.start
    opening = cumulative(segment.start, quantities(segment.start)) if begins_late else None
    return rate(
        segment.plan, cumulative(*before), cumulative(*after), version=segment.version, opening=opening
    )


def _charges(
    plan: Plan, version: PlanVersion, usage: Cumulative, opened: tuple[Decimal, ...] | None
) -> list[_Charged]:
    """R at `usage.at`, exact and rounded: every part of every price, each seeing those before it.

    `opened` is the rounded R of each at the start of the version's term, None where that is now.
    """
    for price in version.prices:
        opening = usage.owed if opened is None else opened[: len(usage.owed)]
        seen = replace(usage, opening=opening)
        charges = tuple(replace(charge, price=price.name) for charge in price.charges(seen))
        owed = (money.round_to_currency(charge.amount, plan.currency) for charge in charges)
        usage = replace(usage, charges=(*usage.charges, *charges), owed=(*usage.owed, *owed))
    return list(zip(usage.charges, usage.owed, strict=True))


def _line(
    plan: Plan,
    version: PlanVersion,
    before: Cumulative,
    after: Cumulative,
    earlier: _Charged,
    later: _Charged,
) -> LineItem:
    (was, was_owed), (now, now_owed) = earlier, later
    assert (was.meter, was.price, was.part) == (now.meter, now.price, now.part)
    return LineItem(
        counting=after.period,
        start=before.at,
        end=after.at,
        plan_id=plan.id,
        plan_name=plan.name,
        plan_version=version.number,
        price=now.price,
        meter=now.meter,
        unit=now.unit or plan.currency,
        part=now.part,
        description=now.description,
        quantity_before=was.quantity,
        quantity_after=now.quantity,
        included=now.included,
        billable_quantity=now.billable - was.billable,
        unit_amount=now.unit_amount,
        per=now.per,
        flat_amount=money.difference(now.flat, was.flat),
        exact_before=was.amount,
        exact_after=now.amount,
        amount=money.difference(now_owed, was_owed),
        currency=plan.currency,
    )
