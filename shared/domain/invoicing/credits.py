"""Credit that a tenant has been granted, and what of it pays which total."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from shared.domain import money
from shared.domain.errors import Conflict, Rejected
from shared.domain.invoicing.amounts import check_amount
from shared.domain.invoicing.document import AppliedCredit

GrantKind = Literal["prepaid", "promotional", "carried_over", "credit_note"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What remains of a credit grant: it can be used before `expires_at` (None: for ever)."""

    id: UUID
    kind: GrantKind
    description: str
    currency: str
    remaining: Decimal
    priority: int
    created_at: datetime
    expires_at: datetime | None = None

    def has_expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


class CreditUse(NamedTuple):
    """What is taken from a grant, or returned to it; more than zero."""

    grant: Grant
    amount: Decimal

    @property
    def shown(self) -> AppliedCredit:
        return AppliedCredit(self.grant.kind, self.grant.description, self.amount)


def use_credits(
    grants: Iterable[Grant], total: Decimal, currency: str, at: datetime
) -> tuple[CreditUse, ...]:
    """What pays `total` at `at`, as far as there is credit: of the smallest priority first, then what
    expires soonest, then the oldest. Credit of another currency is none."""
    uses: list[CreditUse] = []
    due = total
    for grant in sorted(grants, key=_order):
        amount = min(grant.remaining, due)
        if amount > 0 and grant.currency == currency and not grant.has_expired(at):
            uses.append(CreditUse(grant, amount))
            due = money.difference(due, amount)
    return tuple(uses)


def lapsed(grants: Iterable[Grant], at: datetime) -> tuple[CreditUse, ...]:
    """What is to be written off, since it has expired unused."""
    return tuple(
        CreditUse(grant, grant.remaining)
        for grant in sorted(grants, key=_order)
        if grant.remaining > 0 and grant.has_expired(at)
    )


def give_back(
    uses: Sequence[CreditUse], amount: Decimal, returned: Mapping[UUID, Decimal] | None = None
) -> tuple[CreditUse, ...]:
    """`amount` of what an invoice used, to the grants it was taken from: of the one used last first.

    `returned` is what was given back of it before, by grant.
    """
    back: list[CreditUse] = []
    for grant, used in reversed(uses):
        part = min(amount, money.difference(used, (returned or {}).get(grant.id, Decimal(0))))
        if part > 0:
            back.append(CreditUse(grant, part))
            amount = money.difference(amount, part)
    assert not amount, "no more is given back than was used"
    return tuple(back)


def check_refund(grant: Grant, amount: Decimal) -> None:
    """Whether so much of the grant can be paid out. Raises Rejected, and Conflict for a promotion, which
    nobody paid for."""
    if grant.kind == "promotional":
        raise Conflict.because("grant", "promotional credit is never paid out")
    check_amount("amount", amount, grant.currency)
    if amount > grant.remaining:
        left = f"{grant.remaining:f} {grant.currency}"
        raise Rejected.because("amount", f"is more than the {left} that remain of the credit")


def _order(grant: Grant) -> tuple[int, bool, datetime, datetime, UUID]:
    never = grant.expires_at is None
    return grant.priority, never, grant.expires_at or grant.created_at, grant.created_at, grant.id
