"""Rating: from a plan and cumulative quantities to line items, by the difference rule."""

from dataclasses import replace
from decimal import Decimal

from shared.domain import money
from shared.domain.plan import Plan
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.line import LineItem


def rate(plan: Plan, before: Cumulative, after: Cumulative) -> tuple[LineItem, ...]:
    """The lines of [before.at, after.at), both in the same counting period.

    line[a, b) = round(R(b)) - round(R(a)), with R cumulative from the start of the counting period. One
    line for each part of each price, in the order of the plan, also where it comes to zero.
    """
    assert before.period == after.period
    assert after.period.start <= before.at <= after.at <= after.period.end
    pairs = zip(_charges(plan, before), _charges(plan, after), strict=True)
    return tuple(_line(plan, before, after, *pair) for pair in pairs)


def _charges(plan: Plan, usage: Cumulative) -> list[tuple[Charge, Decimal]]:
    """R at `usage.at`, exact and rounded: every part of every price, each seeing those before it."""
    for price in plan.prices:
        charges = tuple(replace(charge, price=price.name) for charge in price.charges(usage))
        owed = (money.round_to_currency(charge.amount, plan.currency) for charge in charges)
        usage = replace(usage, charges=(*usage.charges, *charges), owed=(*usage.owed, *owed))
    return list(zip(usage.charges, usage.owed, strict=True))


def _line(
    plan: Plan,
    before: Cumulative,
    after: Cumulative,
    earlier: tuple[Charge, Decimal],
    later: tuple[Charge, Decimal],
) -> LineItem:
    (was, was_owed), (now, now_owed) = earlier, later
    assert (was.meter, was.price, was.part) == (now.meter, now.price, now.part)
    return LineItem(
        counting=after.period,
        start=before.at,
        end=after.at,
        plan_id=plan.id,
        plan_name=plan.name,
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
