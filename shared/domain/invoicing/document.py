"""What an invoice or a credit note says: the one document that PDF, CSV and API are rendered from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from shared.domain import money
from shared.domain.invoicing.encoding import decode, encode
from shared.domain.period import Period

DocumentKind = Literal["invoice", "credit_note"]
LineKind = Literal["usage", "adjustment", "carried_over"]


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the buyer. `tax_ids` are pairs of what the number is called and the number."""

    name: str
    address: tuple[str, ...] = ()
    tax_ids: tuple[tuple[str, str], ...] = ()
    email: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What of a line falls to a service, a revision of it, or a child tenant; "" to the account itself.

    `quantity` is exact decimal text in the unit of the line, "" where the line counts nothing that is used.
    """

    label: str
    quantity: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """`quantity` units beyond `included` at `unit_amount` for every `per`, and `flat_amount` in fees.

    `quantity` is what is charged, as exact decimal text, negative where it is given back. `section` is the
    child tenant that it is for, "" where there is only one. `tax` are the names of its tax rates, `adjusts`
    the number of the invoice that an adjustment corrects: each is made of what is taken back and what is
    charged instead. A line `carried_over` is not taxed: what the others come to below zero, kept as credit.
    The shares sum to `amount`.
    """

    id: str
    section: str
    description: str
    period: Period
    quantity: str
    unit: str
    unit_amount: Decimal
    per: Decimal
    included: Decimal
    flat_amount: Decimal
    amount: Decimal
    kind: LineKind = "usage"
    adjusts: str | None = None
    tax: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class TaxLine:
    """One tax rate over the whole document. `percent` of `base`; an inclusive rate is contained in `base`."""

    name: str
    percent: Decimal
    inclusive: bool
    base: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class FreeTier:
    """What of a meter was free in a counting period: `used` + `remaining` = `included`, in `unit`."""

    meter: str
    unit: str
    included: Decimal
    used: Decimal
    remaining: Decimal
    period: Period


@dataclass(frozen=True, slots=True)
class AppliedCredit:
    """What a credit grant pays of the total; more than zero. `kind` is that of the grant."""

    kind: str
    description: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """Everything that is said, in `currency`; amounts have its digits.

    `net` is what the lines come to without what is carried over and without taxes, those contained in their
    amounts included; `net` + `tax_total` + `carried_over` = `total`, never negative; `total` less `credits`
    = `amount_due`. The amounts of a credit note are what is credited, its `total` is more than zero, nothing
    of it is due, and `corrects` is the number of its invoice. A draft has no number and no date on which it
    is due: "" and None.
    """

    kind: DocumentKind
    status_at_issue: Literal["draft", "final"]
    number: str
    issued_at: datetime
    due_at: datetime | None
    period: Period
    timezone: str
    currency: str
    language: str
    seller: Party
    seller_bank_details: tuple[str, ...]
    buyer: Party
    tenant_slug: str
    lines: tuple[DocumentLine, ...]
    net: Decimal
    taxes: tuple[TaxLine, ...]
    exempt_reason: str | None
    tax_total: Decimal
    total: Decimal
    credits: tuple[AppliedCredit, ...]
    amount_due: Decimal
    free_tier: tuple[FreeTier, ...] = ()
    notes: tuple[str, ...] = ()
    corrects: str | None = None

    @property
    def carried_over(self) -> Decimal:
        """What is below zero and kept as credit, taxes included; zero or more."""
        return money.total((line.amount for line in self.lines if line.kind == "carried_over"), self.currency)

    @property
    def credit_total(self) -> Decimal:
        return money.total((credit.amount for credit in self.credits), self.currency)

    def to_dict(self) -> dict[str, object]:
        """As a JSON object that `from_dict` reads as an equal document."""
        return encode(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, object]) -> "InvoiceDocument":
        """Raises Malformed where it is none, naming the first field that is wrong."""
        return decode(cls, value)


def canonical(document: InvoiceDocument) -> str:
    """The one JSON text of a document: keys in order, no spaces, every character as it is."""
    return json.dumps(document.to_dict(), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
