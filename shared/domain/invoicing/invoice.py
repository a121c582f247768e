"""An invoice from draft to its end: what may happen to it in which state, and why not."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.domain.errors import Conflict, Rejected
from shared.domain.invoicing.amounts import check_amount
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.settlement import Settlement
from shared.domain.period import Period


class Status(StrEnum):
    DRAFT = "draft"
    FINAL = "final"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


_WAYS_OUT: Final = {
    Status.DRAFT: "is a draft: finalise it first",
    Status.FINAL: "is final: correct it by a credit note, or void it",
    Status.PAID: "is paid: correct it by a credit note",
    Status.VOID: "is void: its period may be invoiced again",
    Status.UNCOLLECTIBLE: "is written off: nothing more is due",
}


@dataclass(frozen=True, slots=True)
class Invoice:
    """What its number, dates and amounts are once it is final; `settlement` is None in a draft.

    It is paid as soon as nothing is due any more. Every transition answers the invoice as it is then, and
    raises Conflict where its status does not allow it, saying what does.
    """

    id: UUID
    tenant_id: UUID
    period: Period
    currency: str
    status: Status = Status.DRAFT
    number: str | None = None
    issued_at: datetime | None = None
    due_at: datetime | None = None
    settlement: Settlement | None = None

    @property
    def due(self) -> Decimal:
        """What is owed for it now; nothing for a draft or a void one."""
        return Decimal(0) if self.settlement is None or self.status is Status.VOID else self.settlement.due

    def is_overdue(self, now: datetime) -> bool:
        return self.status is Status.FINAL and self.due_at is not None and self.due_at < now

    def finalise(self, document: InvoiceDocument) -> "Invoice":
        """As the document says it, which is never changed from here on."""
        if self.status is not Status.DRAFT:
            raise self._refusal()
        assert (document.period, document.currency) == (self.period, self.currency)
        final = replace(
            self,
            status=Status.FINAL,
            number=document.number,
            issued_at=document.issued_at,
            due_at=document.due_at,
        )
        return final._settled(Settlement(document.total, applied=document.credit_total))

    def pay(self, amount: Decimal) -> "Invoice":
        """Raises Rejected for more than is due."""
        settlement = self._open(Status.FINAL, Status.PAID)
        check_amount("amount", amount, self.currency)
        self._check_within(amount, settlement.due, "are due")
        return self._settled(settlement.pay(amount))

    def take_back(self, amount: Decimal) -> "Invoice":
        """Money that was paid is given back, and due again. Raises Rejected for more than was paid and not
        credited."""
        settlement = self._open(Status.FINAL, Status.PAID)
        check_amount("amount", amount, self.currency)
        self._check_within(amount, settlement.kept, "are paid and not credited")
        return self._settled(settlement.take_back(amount))

    def credit(self, total: Decimal) -> "Invoice":
        """A credit note over `total`, taxes included."""
        return self._settled(self._open(Status.FINAL, Status.PAID).credit(total))

    def write_off(self) -> "Invoice":
        settlement = self._open(Status.FINAL)
        return replace(self, status=Status.UNCOLLECTIBLE, settlement=settlement.write_off())

    def void(self, later: str | None) -> "Invoice":
        """`later` is the number of the tenant's next final invoice, None where this is the last.

        One that nothing was due of, or that credit paid whole, can be voided as well. Raises Conflict for one
        that money or a credit note has been entered for, and for one that others build on.
        """
        is_untouched = self.settlement is not None and self.settlement.is_untouched
        self._open(Status.FINAL, *([Status.PAID] if is_untouched else []))
        if not is_untouched:
            said = "has payments or credit notes: correct it by a credit note"
            raise Conflict.because("status", f"invoice {self.number} {said}")
        if later is not None:
            said = f"is followed by {later}: void that first, or correct this one by a credit note"
            raise Conflict.because("period", f"invoice {self.number} {said}")
        return replace(self, status=Status.VOID)

    def _open(self, *statuses: Status) -> Settlement:
        if self.status not in statuses:
            raise self._refusal()
        assert self.settlement is not None
        return self.settlement

    def _settled(self, settlement: Settlement) -> "Invoice":
        status = Status.FINAL if settlement.due else Status.PAID
        return replace(self, status=status, settlement=settlement)

    def _check_within(self, amount: Decimal, most: Decimal, what: str) -> None:
        if amount > most:
            raise Rejected.because("amount", f"is more than the {most:f} {self.currency} that {what}")

    def _refusal(self) -> Conflict:
        name = f"invoice {self.number}" if self.number else "the invoice"
        refusal = Conflict.because("status", f"{name} {_WAYS_OUT[self.status]}")
        assert isinstance(refusal, Conflict)
        return refusal
