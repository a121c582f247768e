from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.errors import Conflict, Rejected
from shared.domain.invoicing.invoice import Invoice, Status
from shared.domain.invoicing.settlement import Settlement
from tests.shared.domain.invoicing.made import INVOICE, ISSUED, NOTHING, TENANT, amount, grant, invoice, lines
from tests.shared.domain.rating.entered import MONTH

DRAFT = Invoice(INVOICE, TENANT, MONTH, "USD")
FINAL = DRAFT.finalise(invoice(lines("100.00")).document)
PAID = FINAL.pay(amount("100.00"))
VOID = FINAL.void(later=None)
UNCOLLECTIBLE = FINAL.write_off()


def settled(invoice: Invoice) -> Settlement:
    assert invoice.settlement is not None
    return invoice.settlement


def test_a_final_invoice_has_what_its_document_says() -> None:
    assert (FINAL.status, FINAL.number, FINAL.issued_at) == (Status.FINAL, "INV-2026-000001", ISSUED)
    assert (FINAL.due_at, FINAL.due) == (ISSUED + timedelta(days=14), Decimal("100.00"))
    assert DRAFT.due == 0


def test_an_invoice_that_credit_pays_whole_is_paid_at_once() -> None:
    by_credit = DRAFT.finalise(invoice(lines("100.00"), grant(1, "100.00")).document)
    assert (by_credit.status, by_credit.due) == (Status.PAID, NOTHING)
    assert DRAFT.finalise(invoice(lines("-5.00")).document).status is Status.PAID


def test_payments_in_parts_pay_an_invoice() -> None:
    partly = FINAL.pay(amount("60.00"))
    assert (partly.status, partly.due) == (Status.FINAL, Decimal("40.00"))
    assert partly.pay(amount("40.00")).status is Status.PAID


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("100.01", r"more than the 100\.00 USD that are due"),
        ("0", "more than zero"),
        ("1.001", "at most 2 digits"),
    ],
)
def test_a_payment_that_cannot_be_is_refused(asked: str, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        FINAL.pay(amount(asked))


def test_a_payment_of_a_paid_invoice_is_refused_since_nothing_is_due() -> None:
    with pytest.raises(Rejected, match=r"more than the 0\.00 USD that are due"):
        PAID.pay(amount("1.00"))


def test_a_payment_given_back_is_due_again() -> None:
    again = PAID.take_back(amount("30.00"))
    assert (again.status, again.due) == (Status.FINAL, Decimal("30.00"))
    with pytest.raises(Rejected, match=r"more than the 70\.00 USD that are paid"):
        again.take_back(amount("70.01"))


def test_a_credit_note_reduces_what_is_due_first() -> None:
    partly = FINAL.pay(amount("60.00")).credit(amount("30.00"))
    assert (partly.status, partly.due, settled(partly).refundable) == (
        Status.FINAL,
        Decimal("10.00"),
        NOTHING,
    )
    more = partly.credit(amount("25.00"))
    assert (more.status, more.due) == (Status.PAID, NOTHING)
    assert (settled(more).credited, settled(more).refundable) == (Decimal("40.00"), Decimal("15.00"))


def test_what_credits_paid_goes_back_to_them_only_after_what_was_paid() -> None:
    final = DRAFT.finalise(invoice(lines("100.00"), grant(1, "30.00", kind="promotional")).document)
    whole = final.pay(amount("70.00")).credit(amount("100.00"))
    assert (settled(whole).refundable, settled(whole).returned) == (Decimal("70.00"), Decimal("30.00"))


def test_money_that_is_credit_now_is_not_given_back_as_a_payment() -> None:
    credited = PAID.credit(amount("90.00"))
    with pytest.raises(Rejected, match=r"more than the 10\.00 USD that are paid and not credited"):
        credited.take_back(amount("10.01"))


def test_an_invoice_written_off_owes_nothing_more() -> None:
    lost = FINAL.pay(amount("60.00")).write_off()
    assert (lost.status, lost.due, settled(lost).written_off) == (
        Status.UNCOLLECTIBLE,
        NOTHING,
        Decimal("40.00"),
    )


def test_a_void_invoice_owes_nothing_and_keeps_its_number() -> None:
    assert (VOID.status, VOID.due, VOID.number) == (Status.VOID, NOTHING, "INV-2026-000001")


def test_an_invoice_that_a_later_one_follows_is_not_voided() -> None:
    with pytest.raises(Conflict, match="followed by INV-2026-000002: void that first"):
        FINAL.void(later="INV-2026-000002")


@pytest.mark.parametrize("touch", [lambda i: i.pay(amount("1.00")), lambda i: i.credit(amount("1.00"))])
def test_an_invoice_with_payments_or_credit_notes_is_not_voided(touch: Callable[[Invoice], Invoice]) -> None:
    with pytest.raises(Conflict, match="has payments or credit notes: correct it by a credit note"):
        touch(FINAL).void(later=None)


def test_an_invoice_whose_only_payment_was_given_back_may_be_voided() -> None:
    assert FINAL.pay(amount("9.00")).take_back(amount("9.00")).void(later=None).status is Status.VOID


def test_an_invoice_that_credit_paid_whole_may_be_voided() -> None:
    paid = DRAFT.finalise(invoice(lines("1.00"), grant(1, "5.00")).document)
    assert paid.status is Status.PAID
    assert paid.void(later=None).status is Status.VOID


TRANSITIONS: dict[str, Callable[[Invoice], Invoice]] = {
    "finalise": lambda i: i.finalise(invoice(lines("1.00")).document),
    "pay": lambda i: i.pay(amount("1.00")),
    "take_back": lambda i: i.take_back(amount("1.00")),
    "credit": lambda i: i.credit(amount("1.00")),
    "write_off": lambda i: i.write_off(),
    "void": lambda i: i.void(later=None),
}


@pytest.mark.parametrize(
    ("invoice", "refused", "said"),
    [
        (DRAFT, "pay take_back credit write_off void", "the invoice is a draft: finalise it first"),
        (FINAL, "finalise", "invoice INV-2026-000001 is final: correct it by a credit note, or void it"),
        (PAID, "finalise write_off void", "is paid: correct it by a credit note"),
        (VOID, "finalise pay take_back credit write_off void", "is void: its period may be invoiced again"),
        (
            UNCOLLECTIBLE,
            "finalise pay take_back credit write_off void",
            "is written off: nothing more is due",
        ),
    ],
)
def test_what_a_status_does_not_allow_is_refused_with_a_way_out(
    invoice: Invoice, refused: str, said: str
) -> None:
    for name in refused.split():
        with pytest.raises(Conflict, match=said):
            TRANSITIONS[name](invoice)


def test_only_a_final_invoice_past_its_day_is_overdue() -> None:
    assert FINAL.due_at is not None
    late = FINAL.due_at + timedelta(seconds=1)
    assert not FINAL.is_overdue(FINAL.due_at)
    assert [invoice.is_overdue(late) for invoice in (DRAFT, FINAL, PAID, VOID, UNCOLLECTIBLE)] == [
        False, True, False, False, False
    ]  # fmt: skip


def test_a_settlement_of_more_than_the_total_cannot_be() -> None:
    for wrong in (
        {"paid": Decimal(2)},
        {"refundable": Decimal(1)},
        {"returned": Decimal(1)},
        {"paid": Decimal(-1)},
    ):
        with pytest.raises(AssertionError):
            replace(Settlement(Decimal(1)), **wrong)
