"""Rating: from a plan and cumulative quantities to line items, by the difference rule."""

from dataclasses import replace

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


def _charges(plan: Plan, usage: Cumulative) -> tuple[Charge, ...]:
    """R at `usage.at`: every part of every price, each price seeing the charges of those before it."""
    for price in plan.prices:
        usage = replace(usage, charges=(*usage.charges, *price.charges(usage)))
    return usage.charges


def _line(plan: Plan, before: Cumulative, after: Cumulative, was: Charge, now: Charge) -> LineItem:
    assert (was.meter, was.part) == (now.meter, now.part)
    return LineItem(
        counting=after.period,
        start=before.at,
        end=after.at,
        plan_id=plan.id,
        plan_name=plan.name,
        meter=now.meter,
        unit=now.unit,
        part=now.part,
        description=now.description,
        quantity_before=was.quantity,
        quantity_after=now.quantity,
        included=now.included,
        billable_quantity=now.billable - was.billable,
        unit_amount=now.unit_amount,
        per=now.per,
        exact_before=was.amount,
        exact_after=now.amount,
        amount=money.difference(
            money.round_to_currency(now.amount, plan.currency),
            money.round_to_currency(was.amount, plan.currency),
        ),
        currency=plan.currency,
    )
