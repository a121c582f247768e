"""Bills on the wire: enough on each line to check it by hand."""

from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    DecimalText,
    Exact,
    Input,
    Instant,
    Money,
    TenantRef,
    Time,
)
from functions.billing_api.schemas.prices import is_empty
from shared.domain.cost import Bill as DomainBill
from shared.domain.money import exact_text
from shared.domain.rating.line import LineItem


class BillRequest(Input):
    """The period to bill, half-open, on 5-minute instants.

    An end in the last second before one, such as 23:59:59, means that instant. `start_time` and `end_time`
    are other names of `period_start` and `period_end`.
    """

    tenant_id: TenantRef
    period_start: Instant | None = None
    period_end: Instant | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None


class CountingPeriod(Answer):
    """The calendar month of the tenant's zone over which what is included is counted."""

    start: Time
    end: Time


class BillLine(Answer):
    """What one price, or one of its tiers, charges for the part [start, end) of one counting period.

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
    plan_id: UUID
    plan: str
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
            plan_id=line.plan_id,
            plan=line.plan_name,
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


class Bill(Answer):
    """What a tenant owes for a period, from all usage accepted before `as_of`; `total` sums the amounts."""

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    plan: Annotated[str, Field(description="The plan at the end of the period; each line names its own.")]
    currency: str
    period_start: Time
    period_end: Time
    as_of: Time
    lines: list[BillLine]
    total: Money
    total_exact: DecimalText

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
            lines=[BillLine.of(line) for line in bill.lines],
            total=bill.total,
            total_exact=exact_text(bill.exact_total),
        )
