"""What is owed for an invoice, and how it comes to nothing: paid, credited or written off."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from shared.domain import money

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Settlement:
    """Of `total`, what credits paid when it was issued (`applied`), what was paid since, what credit notes
    took off what was due (`credited`), and what was written off. None is ever negative.

    The rest of credit notes lies on what was no more due: `refundable` is what of it had been paid, and
    `returned` what had been applied, and goes back to its grants.
    """

    total: Decimal
    applied: Decimal = _NOTHING
    paid: Decimal = _NOTHING
    credited: Decimal = _NOTHING
    refundable: Decimal = _NOTHING
    returned: Decimal = _NOTHING
    written_off: Decimal = _NOTHING

    def __post_init__(self) -> None:
        assert min(self.paid, self.credited, self.refundable, self.returned, self.written_off) >= 0
        assert self.due >= 0
        assert self.refundable <= self.paid
        assert self.returned <= self.applied <= self.total

    @property
    def due(self) -> Decimal:
        """What is owed still."""
        due = self.total
        for amount in (self.applied, self.paid, self.credited, self.written_off):
            due = money.difference(due, amount)
        return due

    @property
    def kept(self) -> Decimal:
        """What was paid, and has not become credit again."""
        return money.difference(self.paid, self.refundable)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has happened since it was issued."""
        return not any((self.paid, self.credited, self.refundable, self.returned, self.written_off))

    def pay(self, amount: Decimal) -> "Settlement":
        return replace(self, paid=_sum(self.paid, amount))

    def take_back(self, amount: Decimal) -> "Settlement":
        """A payment that is returned: it is due again."""
        assert amount <= self.kept
        return replace(self, paid=money.difference(self.paid, amount))

    def credit(self, amount: Decimal) -> "Settlement":
        """A credit note: first off what is due, then off what was paid, at last off what credits paid."""
        off_due = min(amount, self.due)
        rest = money.difference(amount, off_due)
        off_paid = min(rest, self.kept)
        off_applied = money.difference(rest, off_paid)
        return replace(
            self,
            credited=_sum(self.credited, off_due),
            refundable=_sum(self.refundable, off_paid),
            returned=_sum(self.returned, off_applied),
        )

    def write_off(self) -> "Settlement":
        return replace(self, written_off=_sum(self.written_off, self.due))


def _sum(one: Decimal, other: Decimal) -> Decimal:
    return money.difference(one, money.difference(_NOTHING, other))
