"""Bills on the wire: enough on each line to check it by hand."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    DecimalText,
    Exact,
    Money,
    Time,
)
from functions.billing_api.schemas.prices import is_empty
from shared.domain.cost import Bill as DomainBill
from shared.domain.money import exact_text
from shared.domain.rating.line import LineItem
from shared.service.question import UNSTORED
from shared.service.simulate import Simulation


def is_none(value: object) -> bool:
    """Whether a field is left out of an answer; a zero is not."""
    return value is None


class CountingPeriod(Answer):
    """The calendar month of the tenant's zone over which what is included is counted."""

    start: Time
    end: Time


class BillLine(Answer):
    """What one price of a version of a plan, or one of its tiers, charges for the part [start, end) of one
    counting period.

    `quantity` was used in this part, after `quantity_before` earlier in the counting period; what of it is
    charged is `billable_quantity`, negative where it is given back. `amount_exact` = billable_quantity ×
    unit_amount ÷ per + flat_amount (0 where absent), and `amount` = rounded(amount_exact_before +
    amount_exact) - rounded(amount_exact_before), half away from zero, so that the parts of a month sum to
    the month.
    """

    price: Annotated[str, Field(description="Its name in the plan, if any.", exclude_if=is_empty)] = ""
    part: Annotated[str, Field(description="The tier, of a price that has several.", exclude_if=is_empty)] = (
        ""
    )
    meter: Annotated[str, Field(description="Empty where the price counts no meter.")]
    unit: Annotated[str, Field(description="Of the quantities; a currency where they are money.")]
    description: str
    plan_id: Annotated[UUID | None, Field(description="Null for a plan that is not stored.")]
    plan: str
    plan_version: int
    counting_period: CountingPeriod
    start: Time
    end: Time
    quantity_before: DecimalText
    quantity: DecimalText
    included: Exact
    billable_quantity: DecimalText
    unit_amount: Exact
    per: Exact
    flat_amount: Annotated[Exact, Field(description="Fees of the tier.", exclude_if=is_empty)] = Decimal(0)
    amount_exact_before: DecimalText
    amount_exact: DecimalText
    amount: Money
    currency: str

    @classmethod
    def of(cls, line: LineItem) -> Self:
        return cls(
            price=line.price,
            part=line.part,
            meter=line.meter,
            unit=line.unit,
            description=line.description,
            plan_id=stored_id(line.plan_id),
            plan=line.plan_name,
            plan_version=line.plan_version,
            counting_period=CountingPeriod(start=line.counting.start, end=line.counting.end),
            start=line.start,
            end=line.end,
            quantity_before=exact_text(line.quantity_before),
            quantity=exact_text(line.quantity_after - line.quantity_before),
            included=line.included,
            billable_quantity=exact_text(line.billable_quantity),
            unit_amount=line.unit_amount,
            per=line.per,
            flat_amount=line.flat_amount,
            amount_exact_before=exact_text(line.exact_before),
            amount_exact=exact_text(line.exact_amount),
            amount=line.amount,
            currency=line.currency,
        )


class Assumed(Answer):
    """What a simulation supposes; the rest is as it is.

    `plan` null: the plans that the tenant has had. `not_given`: meters that are counted and not among
    `quantities`, so that nothing of them is used.
    """

    plan: str | None
    usage: Annotated[
        Literal["tenant", "tenant_times_factor", "quantities"],
        Field(description="The tenant's, the tenant's times usage_factor, or quantities."),
    ]
    usage_factor: Annotated[Exact | None, Field(exclude_if=is_none)] = None
    quantities: Annotated[dict[str, DecimalText], Field(exclude_if=is_empty)] = {}
    not_given: Annotated[list[str], Field(exclude_if=is_empty)] = []
    timezone: str

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        asked = simulation.asked
        named = [by.plan.name if by.plan else None for by in asked.candidates]
        quantities = asked.what_if.quantities if asked.what_if else {}
        return cls(
            plan=named[0] if len(named) == 1 else None,
            usage="quantities" if quantities else "tenant" if asked.factor is None else "tenant_times_factor",
            usage_factor=asked.factor,
            quantities={name: exact_text(quantity) for name, quantity in quantities.items()},
            not_given=list(simulation.not_given),
            timezone=asked.timezone,
        )


class Rating(Answer):
    """Usage and a period that were rated, from all usage accepted before `as_of`.

    Simulations store nothing, and say what they assumed. Without a tenant its fields are null.
    """

    tenant_id: UUID | None
    tenant: Annotated[str | None, Field(description="The tenant's slug.")]
    period_start: Time
    period_end: Time
    as_of: Time
    simulated: bool
    assumed: Annotated[Assumed | None, Field(exclude_if=is_none)] = None


class BillHead(Rating):
    """What is owed for a period; `total` sums the amounts of the lines."""

    plan: Annotated[str, Field(description="The plan at the end of the period; each line names its own.")]
    currency: str
    total: Money
    total_exact: DecimalText


class Bill(BillHead):
    """What a tenant owes for a period, from all usage accepted before `as_of`; `total` sums the amounts.

    Or what it would owe, where it is simulated; without a tenant its fields are null.
    """

    lines: list[BillLine]

    @classmethod
    def of(cls, bill: DomainBill) -> Self:
        return cls(
            tenant_id=bill.tenant.id,
            tenant=bill.tenant.slug,
            plan=bill.lines[-1].plan_name,
            currency=bill.currency,
            period_start=bill.period.start,
            period_end=bill.period.end,
            as_of=bill.as_of,
            simulated=False,
            lines=[BillLine.of(line) for line in bill.lines],
            total=bill.total,
            total_exact=exact_text(bill.exact_total),
        )

    @classmethod
    def simulation(cls, simulation: Simulation) -> Self:
        (rated,) = simulation.rated
        return cls(**head(simulation, simulated=True), lines=[BillLine.of(line) for line in rated.lines])


class ComparedPlan(Answer):
    """What the usage costs by one plan; `difference` is how much more than by the first, null in another
    currency."""

    plan: str
    plan_id: Annotated[UUID | None, Field(description="Null for a plan that is not stored.")]
    own: bool
    currency: str
    total: Money
    total_exact: DecimalText
    difference: Money | None
    lines: list[BillLine]


class Comparison(Rating):
    """The same usage by each plan, in the order asked for. `assumed.plan` is null."""

    plans: list[ComparedPlan]

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        return cls(
            **rating(simulation, simulated=True),
            plans=[
                ComparedPlan(
                    plan=rated.lines[-1].plan_name,
                    plan_id=stored_id(rated.lines[-1].plan_id),
                    own=rated.by.plan is None,
                    currency=rated.currency,
                    total=rated.total,
                    total_exact=exact_text(rated.exact_total),
                    difference=simulation.more_than_first(rated),
                    lines=[BillLine.of(line) for line in rated.lines],
                )
                for rated in simulation.rated
            ],
        )


def rating(simulation: Simulation, *, simulated: bool) -> dict[str, Any]:
    """The fields of Rating."""
    asked = simulation.asked
    return {
        "tenant_id": asked.tenant.id if asked.tenant else None,
        "tenant": asked.tenant.slug if asked.tenant else None,
        "period_start": asked.period.start,
        "period_end": asked.period.end,
        "as_of": asked.as_of,
        "simulated": simulated,
        "assumed": Assumed.of(simulation) if simulated else None,
    }


def head(simulation: Simulation, *, simulated: bool) -> dict[str, Any]:
    """The fields of BillHead, of a simulation with one plan."""
    (rated,) = simulation.rated
    return {
        **rating(simulation, simulated=simulated),
        "plan": rated.lines[-1].plan_name,
        "currency": rated.currency,
        "total": rated.total,
        "total_exact": exact_text(rated.exact_total),
    }


def stored_id(plan_id: UUID) -> UUID | None:
    return None if plan_id == UNSTORED else plan_id
