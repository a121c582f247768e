from decimal import Decimal

import pytest

from shared.domain.invoicing import postings
from shared.domain.invoicing.credit_notes import Heading, credit_note
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.postings import Account, Entry, Posting
from shared.domain.invoicing.settlement import Settlement
from tests.shared.domain.invoicing.made import ISSUED, VAT, amount, invoice, lines

TEN = amount("10.00")


def entries(posting: Posting) -> dict[str, str]:
    assert sum(entry.amount for entry in posting.entries) == 0
    return {entry.account.value: f"{entry.amount:f}" for entry in posting.entries}


def whole_note(document: InvoiceDocument) -> InvoiceDocument:
    return credit_note(document, (), None, Heading("CN-2026-000001", ISSUED, "Goodwill"))


def test_an_invoice_is_receivable_and_its_parts_are_revenue_and_tax() -> None:
    assert entries(postings.issued(invoice(lines("10.00", rates=(VAT,))).document)) == {
        "accounts_receivable": "12.00",
        "revenue": "-10.00",
        "tax": "-2.00",
    }


def test_an_invoice_below_zero_takes_revenue_and_tax_back_and_owes_credit() -> None:
    assert entries(postings.issued(invoice(lines("-10.00", rates=(VAT,))).document)) == {
        "revenue": "10.00",
        "tax": "2.00",
        "credits": "-12.00",
    }


def test_an_invoice_of_nothing_moves_nothing() -> None:
    assert postings.issued(invoice(()).document).entries == ()


@pytest.mark.parametrize(
    ("posting", "debit", "credit"),
    [
        (postings.granted("prepaid", TEN, "USD"), "cash", "credits"),
        (postings.granted("promotional", TEN, "USD"), "promotions", "credits"),
        (postings.applied(TEN, "USD"), "credits", "accounts_receivable"),
        (postings.expired("prepaid", TEN, "USD"), "credits", "revenue"),
        (postings.expired("promotional", TEN, "USD"), "credits", "promotions"),
        (postings.paid(TEN, "USD"), "cash", "accounts_receivable"),
        (postings.payment_refunded(TEN, "USD"), "accounts_receivable", "cash"),
        (postings.credit_refunded(TEN, "USD"), "credits", "cash"),
        (postings.written_off(TEN, "USD"), "bad_debt", "accounts_receivable"),
    ],
    ids=lambda value: value.kind if isinstance(value, Posting) else "",
)
def test_an_event_moves_an_amount_from_one_account_to_another(
    posting: Posting, debit: str, credit: str
) -> None:
    assert entries(posting) == {debit: "10.00", credit: "-10.00"}


def test_a_credit_note_takes_off_what_is_due_and_the_rest_is_credit() -> None:
    document = invoice(lines("10.00", rates=(VAT,))).document
    before = Settlement(document.total).pay(amount("7.00"))
    assert entries(postings.credited(whole_note(document), before, before.credit(document.total))) == {
        "accounts_receivable": "-5.00",
        "revenue": "10.00",
        "tax": "2.00",
        "credits": "-7.00",
    }


def test_a_void_takes_back_all_that_the_invoice_posted() -> None:
    document = invoice(lines("10.00", rates=(VAT,))).document
    posted = [postings.issued(document), postings.applied(amount("5.00"), "USD")]
    assert entries(postings.reversed_by_void(posted, "USD")) == {
        "accounts_receivable": "-7.00",
        "revenue": "10.00",
        "tax": "2.00",
        "credits": "-5.00",
    }


def test_a_posting_that_does_not_balance_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        Posting("wrong", "USD", (Entry(Account.CASH, Decimal(1)), Entry(Account.REVENUE, Decimal("-0.99"))))
