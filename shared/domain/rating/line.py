"""Lines of a bill: where amounts are rounded, and nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from shared.domain import money
from shared.domain.period import Period


@dataclass(frozen=True, slots=True)
class LineItem:
    """What one part of one price of a plan costs over [start, end), within one counting period.

    `quantity_before` and `quantity_after` are cumulative over the counting period, up to `start` and up
    to `end`, in `unit`; `billable_quantity` is what [start, end) adds to the quantity that is charged, at
    `unit_amount` for every `per`, and `flat_amount` what it adds in fees. `price` is the name of the price
    in the plan, `part` its tier or band, `meter` what it counts, each "" where there is none; a price that
    counts money has the currency as its `unit`. `exact_before` and `exact_after` are the cumulative
    amounts, unrounded; `amount` = round(exact_after) - round(exact_before), in `currency`, so that the
    lines of any split of the counting period sum to the line of the whole. All of it by one version of
    the plan.
    """

    counting: Period
    start: datetime
    end: datetime
    plan_id: UUID
    plan_name: str
    plan_version: int
    price: str
    meter: str
    unit: str
    part: str
    description: str
    quantity_before: Fraction
    quantity_after: Fraction
    included: Decimal
    billable_quantity: Fraction
    unit_amount: Decimal
    per: Decimal
    flat_amount: Decimal
    exact_before: Fraction
    exact_after: Fraction
    amount: Decimal
    currency: str

    @property
    def exact_amount(self) -> Fraction:
        return self.exact_after - self.exact_before

    def to_dict(self) -> dict[str, object]:
        """As a JSON object: quantities and amounts as decimal strings (see `money.exact_text`)."""
        return {
            "counting_period_start": _text(self.counting.start),
            "counting_period_end": _text(self.counting.end),
            "start": _text(self.start),
            "end": _text(self.end),
            "plan_id": str(self.plan_id),
            "plan": self.plan_name,
            "plan_version": self.plan_version,
            "price": self.price,
            "meter": self.meter,
            "unit": self.unit,
            "part": self.part,
            "description": self.description,
            "quantity_before": money.exact_text(self.quantity_before),
            "quantity_after": money.exact_text(self.quantity_after),
            "included": f"{self.included:f}",
            "billable_quantity": money.exact_text(self.billable_quantity),
            "unit_amount": f"{self.unit_amount:f}",
            "per": f"{self.per:f}",
            "flat_amount": f"{self.flat_amount:f}",
            "exact_before": money.exact_text(self.exact_before),
            "exact_after": money.exact_text(self.exact_after),
            "exact_amount": money.exact_text(self.exact_amount),
            "amount": f"{self.amount:f}",
            "currency": self.currency,
        }


def total(lines: Iterable[LineItem], currency: str) -> Decimal:
    """The sum of the rounded lines: what is owed."""
    return money.total((line.amount for line in lines), currency)


def exact_total(lines: Iterable[LineItem]) -> Fraction:
    """The sum of the unrounded lines, for checking; never billed."""
    return sum((line.exact_amount for line in lines), Fraction(0))


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
