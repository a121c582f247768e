from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.invoicing.invoice import Status
from shared.domain.invoicing.postings import Account
from shared.service.invoicing.payments import Paid
from tests.shared.service.invoicing.audit import check_books
from tests.shared.service.invoicing.till import DAY, Till


def pay(till: Till, number: str, amount: str | None = None, key: str | None = None) -> Paid:
    return till.payments.pay(
        till.ref,
        number,
        None if amount is None else Decimal(amount),
        method="bank",
        reference="transfer 7",
        idempotency_key=key,
        who="admin",
    )


def test_an_invoice_is_paid_once_nothing_is_due_and_that_is_announced_once(till: Till) -> None:
    number = till.final("100.00")
    first = pay(till, number, "20.00")
    check_books(till)
    assert (first.invoice.invoice.status, first.invoice.invoice.due) == (Status.FINAL, Decimal("100.00"))
    assert till.facts() == []

    last = pay(till, number)
    assert last.payment.amount == Decimal("100.00")
    assert last.invoice == till.stored(number)
    assert last.invoice.invoice.status is Status.PAID
    (fact,) = till.facts()
    assert fact["number"] == number
    assert Decimal(str(fact["amount_due"])) == 0
    assert [payment.amount for payment in till.payments.list(till.ref, number)] == [20, 100]


def test_an_invoice_is_found_by_its_id_as_by_its_number(till: Till) -> None:
    number = till.final("100.00")
    paid = pay(till, str(till.stored(number).invoice.id))
    assert paid.invoice.document.number == number
    with pytest.raises(NotFound, match="no invoice 'INV-1'"):
        pay(till, "INV-1")
    with pytest.raises(NotFound, match="no invoice"):
        pay(till, "INV\0")
    with pytest.raises(NotFound, match="no tenant 'nobody'"):
        till.payments.pay("nobody", number, method="bank", who="admin")


def test_more_than_is_due_is_refused_naming_what_is(till: Till) -> None:
    number = till.final("100.00")
    pay(till, number, "50.00")
    with pytest.raises(Rejected, match=r"amount: is more than the 70\.00 RUB that are due"):
        pay(till, number, "70.01")
    pay(till, number, "70")
    with pytest.raises(Conflict, match=f"invoice {number} is paid: nothing is due"):
        pay(till, number)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "more than zero"),
        ("-1", "more than zero"),
        ("NaN", "more than zero"),
        ("0.001", "at most 2 digits after the point, as RUB has"),
        ("1E+1000000", "at most 20 digits"),
        ("1E-1000000", "at most 20 digits"),
    ],
)
def test_an_amount_that_is_none_is_refused(till: Till, amount: str, said: str) -> None:
    number = till.final("100.00")
    with pytest.raises(Rejected, match=said):
        pay(till, number, amount)


def test_a_payment_is_refused_with_every_fault(till: Till) -> None:
    number = till.final("100.00")
    with pytest.raises(Rejected) as refusal:
        till.payments.pay(
            till.ref,
            number,
            method="",
            reference="\0",
            received_at=till.now + DAY,
            idempotency_key="",
            who="admin",
        )
    fields = [fault.field for fault in refusal.value.faults]
    assert fields == ["method", "reference", "idempotency_key", "received_at"]


def test_the_same_key_pays_once_and_answers_the_same(till: Till) -> None:
    number = till.final("100.00")
    first = pay(till, number, "30.00", key="k")
    till.now += timedelta(hours=1)
    assert pay(till, number, "30.00", key="k") == first
    assert till.stored(number).invoice.due == Decimal("90.00")


def test_the_same_key_for_something_else_is_a_conflict(till: Till) -> None:
    number, other = till.final("100.00"), till.final("100.00")
    pay(till, number, "30.00", key="k")
    with pytest.raises(Conflict, match="'k' was used before"):
        pay(till, number, "31.00", key="k")
    with pytest.raises(Conflict, match="'k' was used before"):
        pay(till, other, "30.00", key="k")


def test_of_many_who_pay_all_that_is_due_at_once_one_does(till: Till) -> None:
    number = till.final("100.00")

    def try_to(_: int) -> bool:
        try:
            pay(till, number, "120.00")
        except Rejected:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_to, range(8))) == 1
    assert len(till.facts()) == 1


def test_of_many_who_pay_by_one_key_at_once_all_get_the_one_payment(till: Till) -> None:
    number = till.final("100.00")
    with ThreadPoolExecutor(4) as pool:
        ids = {paid.payment.id for paid in pool.map(lambda _: pay(till, number, "10.00", key="k"), range(8))}
    assert len(ids) == 1
    assert till.stored(number).invoice.due == Decimal("110.00")


def test_of_two_invoices_paid_by_one_key_at_once_one_is(till: Till) -> None:
    numbers = [till.final("100.00") for _ in range(4)]

    def try_to(number: str) -> bool:
        try:
            pay(till, number, "10.00", key="k")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_to, numbers)) == 1


def test_a_payment_that_is_given_back_is_due_again(till: Till) -> None:
    number = till.final("100.00")
    payment = pay(till, number).payment
    back = till.payments.refund(
        till.ref, payment.id, Decimal("50.00"), reason="Mistake", idempotency_key="r", who="admin"
    )
    check_books(till)
    assert back.invoice == till.stored(number)
    assert (back.invoice.invoice.status, back.invoice.invoice.due) == (Status.FINAL, Decimal("50.00"))
    again = till.payments.refund(
        till.ref, payment.id, Decimal("50.00"), reason="Mistake", idempotency_key="r", who="admin"
    )
    assert again == back
    with pytest.raises(Conflict, match="'r' was used before"):
        till.payments.refund(till.ref, payment.id, reason="Mistakes", idempotency_key="r", who="admin")
    pay(till, number)
    assert len(till.facts()) == 2


def test_no_more_of_a_payment_is_given_back_than_is_left_of_it(till: Till) -> None:
    number = till.final("100.00")
    small, _ = pay(till, number, "20.00").payment, pay(till, number)
    with pytest.raises(Rejected, match=r"more than the 20\.00 RUB that are left of the payment"):
        till.payments.refund(till.ref, small.id, Decimal("21.00"), reason="Mistake", who="admin")
    till.payments.refund(till.ref, small.id, reason="Mistake", who="admin")
    with pytest.raises(Conflict, match="was given back already"):
        till.payments.refund(till.ref, small.id, reason="Mistake", who="admin")
    (kept, _) = till.payments.list(till.ref, number)
    assert kept.refunded == Decimal("20.00")
    (refund,) = till.payments.refunds(till.ref, number)
    assert (refund.amount, refund.payment_id) == (Decimal("20.00"), small.id)
    with pytest.raises(NotFound, match="no payment"):
        till.payments.refund(till.ref, UUID(int=1), reason="Mistake", who="admin")


def test_what_is_written_off_is_a_bad_debt_and_no_more_due(till: Till) -> None:
    number = till.final("100.00")
    pay(till, number, "20.00")
    stored = till.payments.write_off(till.ref, number, reason="Bankrupt", who="admin")
    assert stored == till.stored(number)
    assert (stored.invoice.status, stored.invoice.due) == (Status.UNCOLLECTIBLE, Decimal(0))
    assert till.facts() == []
    balances = till.payments.statement(till.ref, limit=9).balances
    assert (Account.BAD_DEBT, "RUB", Decimal("100.00")) in balances
    with pytest.raises(Conflict, match="is written off: nothing more is due"):
        till.payments.write_off(till.ref, number, reason="Bankrupt", who="admin")
    assert till.run(
        "SELECT what, who, after ->> 'reason' FROM party_change WHERE about = %s", till.tenant.id
    ) == [("invoice.written_off", "admin", "Bankrupt")]


def test_a_statement_is_every_posting_the_newest_first_page_by_page(till: Till) -> None:
    number = till.final("100.00")
    for amount in ("10.00", "20.00", "30.00"):
        pay(till, number, amount)
    whole = till.payments.statement(till.ref, limit=10)
    assert [posted.posting.kind for posted in whole.postings] == ["payment"] * 3 + ["invoice"]
    assert [max(posted.posting.entries[0].amount, 0) for posted in whole.postings] == [0, 0, 0, 120]
    first = till.payments.statement(till.ref, limit=3)
    rest = till.payments.statement(till.ref, limit=3, before=first.postings[-1].id)
    assert [*first.postings, *rest.postings] == list(whole.postings)
    assert rest.balances == whole.balances
    assert {account: amount for account, _, amount in whole.balances} == {
        Account.RECEIVABLE: Decimal("60.00"),
        Account.CASH: Decimal("60.00"),
        Account.REVENUE: Decimal("-100.00"),
        Account.TAX: Decimal("-20.00"),
    }
