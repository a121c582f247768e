"""Credit notes: what of an invoice is taken back, line by line, with the tax that was on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from shared.domain import money
from shared.domain.errors import Conflict, Fault, Rejected
from shared.domain.invoicing.amounts import amount_faults
from shared.domain.invoicing.document import DocumentLine, InvoiceDocument, TaxLine
from shared.domain.invoicing.lines import as_fee

_NOTHING: Final = Decimal(0)
_Amounts = Mapping[str, Decimal]
"""By the id of a line."""


class Wanted(NamedTuple):
    """To credit so much of a line: of its amount as the invoice states it."""

    line_id: str
    amount: Decimal


class Heading(NamedTuple):
    number: str
    issued_at: datetime
    reason: str


def credit_note(
    invoice: InvoiceDocument,
    earlier: Sequence[InvoiceDocument],
    wanted: Sequence[Wanted] | None,
    heading: Heading,
) -> InvoiceDocument:
    """The credit note over what is wanted of the lines; None is all that is left of the invoice.

    `earlier` are the notes that there are for it. Each tax is credited as far as its lines are, less what was
    credited before: so notes over a whole invoice sum to it exactly, whatever their order. Raises Rejected
    with every fault, and Conflict where nothing is left to credit.
    """
    so_far = _SoFar(invoice, earlier)
    if so_far.total_left <= 0:
        raise Conflict.because("invoice", f"nothing is left to credit of invoice {invoice.number}")
    if wanted is not None:
        _check(so_far, wanted)
    note = _note(so_far, so_far.left if wanted is None else dict(wanted), heading)
    if note.total > so_far.total_left:
        left = f"{so_far.total_left:f} {invoice.currency}"
        raise Rejected.because("lines", f"come to {note.total:f} with taxes, more than the {left} left")
    return note


@dataclass(frozen=True, slots=True)
class _SoFar:
    """An invoice, and what is credited of it."""

    invoice: InvoiceDocument
    notes: Sequence[InvoiceDocument]

    @property
    def left(self) -> _Amounts:
        """What is not credited yet of each line, in their order."""
        amounts = {line.id: line.amount for line in self.invoice.lines if line.kind != "carried_over"}
        for line in (line for note in self.notes for line in note.lines):
            amounts[line.id] = money.difference(amounts[line.id], line.amount)
        return amounts

    @property
    def total_left(self) -> Decimal:
        credited = money.total((note.total for note in self.notes), self.invoice.currency)
        return money.difference(self.invoice.total, credited)

    def tax_left(self, tax: TaxLine) -> TaxLine:
        base, amount = tax.base, tax.amount
        for of in (of for note in self.notes for of in note.taxes if of.name == tax.name):
            base, amount = money.difference(base, of.base), money.difference(amount, of.amount)
        return replace(tax, base=base, amount=amount)


def _check(so_far: _SoFar, wanted: Sequence[Wanted]) -> None:
    if not wanted:
        raise Rejected.because("lines", "names no line")
    if faults := tuple(_faults(so_far, wanted)):
        raise Rejected(*faults)


def _faults(so_far: _SoFar, wanted: Sequence[Wanted]) -> Iterator[Fault]:
    left, currency = so_far.left, so_far.invoice.currency
    seen: set[str] = set()
    for index, (line_id, amount) in enumerate(wanted):
        path = f"lines[{index}]"
        if line_id not in left:
            yield Fault(f"{path}.line_id", f"invoice {so_far.invoice.number} has no such line")
        elif line_id in seen:
            yield Fault(f"{path}.line_id", "is there twice")
        elif faults := amount_faults(f"{path}.amount", amount, currency):
            yield from faults
        elif amount > left[line_id]:
            most = f"{max(_NOTHING, left[line_id]):f} {currency}"
            yield Fault(f"{path}.amount", f"is more than the {most} left to credit of the line")
        seen.add(line_id)


def _note(so_far: _SoFar, amounts: _Amounts, heading: Heading) -> InvoiceDocument:
    invoice = so_far.invoice
    lines = tuple(_line(line, amounts[line.id]) for line in invoice.lines if amounts.get(line.id))
    taxes = tuple(_tax(so_far, tax, amounts) for tax in invoice.taxes)
    tax_total = money.total((tax.amount for tax in taxes), invoice.currency)
    within = money.total((tax.amount for tax in taxes if tax.inclusive), invoice.currency)
    net = money.difference(money.total((line.amount for line in lines), invoice.currency), within)
    return replace(
        invoice,
        kind="credit_note",
        status_at_issue="final",
        number=heading.number,
        issued_at=heading.issued_at,
        due_at=None,
        lines=lines,
        net=net,
        taxes=tuple(tax for tax in taxes if tax.base or tax.amount),
        tax_total=tax_total,
        total=money.total((net, tax_total), invoice.currency),
        credits=(),
        amount_due=money.total((), invoice.currency),
        free_tier=(),
        notes=(heading.reason,),
        corrects=invoice.number,
    )


def _tax(so_far: _SoFar, tax: TaxLine, amounts: _Amounts) -> TaxLine:
    """What is credited of it: the share that the lines under it have of all of them, those credited before
    included, less what was credited then."""
    left = so_far.tax_left(tax)
    if _is_all(so_far, amounts):
        return left
    lines = {line.id: line.amount for line in so_far.invoice.lines if tax.name in line.tax}
    if not any(line_id in amounts for line_id in lines):
        return replace(tax, base=_NOTHING, amount=_NOTHING)
    whole = sum(map(Fraction, lines.values()), Fraction(0))
    left_over = sum((Fraction(so_far.left[id]) - Fraction(amounts.get(id, 0)) for id in lines), Fraction(0))
    if not 0 <= left_over < whole:
        said = f"come to more than all lines under {tax.name}: credit all that is left instead"
        raise Rejected.because("lines", said)

    def part(of: Decimal, of_left: Decimal) -> Decimal:
        remains = money.round_to_currency(Fraction(of) * left_over / whole, so_far.invoice.currency)
        return money.difference(of_left, remains)

    return replace(tax, base=part(tax.base, left.base), amount=part(tax.amount, left.amount))


def _is_all(so_far: _SoFar, amounts: _Amounts) -> bool:
    return all(amounts.get(line_id, _NOTHING) == left for line_id, left in so_far.left.items())


def _line(line: DocumentLine, amount: Decimal) -> DocumentLine:
    """The line; a part of it as a fee."""
    if amount == line.amount:
        return line
    return as_fee(replace(line, amount=amount, shares=()))
