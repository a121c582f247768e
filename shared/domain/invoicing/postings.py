"""Double entry: every money event as debits and credits that come to nothing together."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from shared.domain import money
from shared.domain.invoicing.credits import GrantKind
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.settlement import Settlement


class Account(StrEnum):
    RECEIVABLE = "accounts_receivable"
    REVENUE = "revenue"
    TAX = "tax"
    CASH = "cash"
    CREDITS = "credits"
    """What tenants may still use: the sum of what remains of all grants."""
    PROMOTIONS = "promotions"
    BAD_DEBT = "bad_debt"


class Entry(NamedTuple):
    """A debit where it is positive, a credit where it is negative; never zero."""

    account: Account
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Posting:
    """What one event of a kind moves, in one currency; no entries where it moves nothing."""

    kind: str
    currency: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        assert money.total((entry.amount for entry in self.entries), self.currency) == 0


def issued(document: InvoiceDocument) -> Posting:
    """What an invoice charges; what is below zero becomes credit."""
    return _posting(
        "invoice",
        document.currency,
        (Account.RECEIVABLE, document.total),
        (Account.REVENUE, _minus(document.net)),
        (Account.TAX, _minus(document.tax_total)),
        (Account.CREDITS, _minus(document.carried_over)),
    )


def granted(kind: GrantKind, amount: Decimal, currency: str) -> Posting:
    """Credit that is sold or given away. (What is carried over, and what a credit note leaves, is posted with
    the invoice and the note.)"""
    assert kind in ("prepaid", "promotional")
    paid_by = Account.CASH if kind == "prepaid" else Account.PROMOTIONS
    return _move("credit_grant", currency, amount, paid_by, Account.CREDITS)


def applied(amount: Decimal, currency: str) -> Posting:
    """Credit pays an invoice."""
    return _move("credits_applied", currency, amount, Account.CREDITS, Account.RECEIVABLE)


def expired(kind: GrantKind, amount: Decimal, currency: str) -> Posting:
    """Credit lapses: a promotion costs less than was thought, what was paid for is earned."""
    earned = Account.PROMOTIONS if kind == "promotional" else Account.REVENUE
    return _move("credit_expired", currency, amount, Account.CREDITS, earned)


def paid(amount: Decimal, currency: str) -> Posting:
    return _move("payment", currency, amount, Account.CASH, Account.RECEIVABLE)


def payment_refunded(amount: Decimal, currency: str) -> Posting:
    """A payment is given back, and due again."""
    return _move("payment_refund", currency, amount, Account.RECEIVABLE, Account.CASH)


def credit_refunded(amount: Decimal, currency: str) -> Posting:
    return _move("credit_refund", currency, amount, Account.CREDITS, Account.CASH)


def credited(note: InvoiceDocument, before: Settlement, after: Settlement) -> Posting:
    """A credit note, which brought the settlement of its invoice from one state to the other."""
    off_due = money.difference(after.credited, before.credited)
    return _posting(
        "credit_note",
        note.currency,
        (Account.REVENUE, note.net),
        (Account.TAX, note.tax_total),
        (Account.RECEIVABLE, _minus(off_due)),
        (Account.CREDITS, money.difference(off_due, note.total)),
    )


def written_off(amount: Decimal, currency: str) -> Posting:
    return _move("write_off", currency, amount, Account.BAD_DEBT, Account.RECEIVABLE)


def reversed_by_void(postings: Iterable[Posting], currency: str) -> Posting:
    """All that an invoice posted, taken back."""
    entries = (entry for posting in postings for entry in posting.entries)
    return _posting("void", currency, *((account, _minus(amount)) for account, amount in entries))


def _move(kind: str, currency: str, amount: Decimal, debit: Account, credit: Account) -> Posting:
    return _posting(kind, currency, (debit, amount), (credit, _minus(amount)))


def _posting(kind: str, currency: str, *entries: tuple[Account, Decimal]) -> Posting:
    """One entry for each account, in the order of accounts."""
    sums = {
        account: money.total((amount for name, amount in entries if name is account), currency)
        for account in Account
    }
    kept = (Entry(account, amount) for account, amount in sums.items() if amount)
    return Posting(kind, currency, tuple(kept))


def _minus(amount: Decimal) -> Decimal:
    return money.difference(Decimal(0), amount)
