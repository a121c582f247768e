from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.invoicing.credit_notes import Wanted
from shared.domain.invoicing.invoice import Status
from shared.domain.invoicing.taxes import Rate
from shared.service.invoicing.credit_notes import Credited
from tests.shared.service.invoicing.audit import check_books
from tests.shared.service.invoicing.till import DAY, Till, till_on


def credit(till: Till, number: str, *wanted: tuple[int, str], key: str | None = None) -> Credited:
    """So much of the lines in these places; all that is left where none is named."""
    lines = till.stored(number).document.lines
    named = [Wanted(lines[place].id, Decimal(amount)) for place, amount in wanted]
    return till.notes.issue(
        till.ref, number, named or None, reason="Goodwill", idempotency_key=key, who="admin"
    )


def pay(till: Till, number: str, amount: str) -> UUID:
    return till.payments.pay(till.ref, number, Decimal(amount), method="bank", who="admin").payment.id


def grants(till: Till) -> list[tuple[str, Decimal]]:
    return [(one.grant.kind, one.grant.remaining) for one in till.credits.list(till.ref, limit=99)]


def test_a_credit_note_takes_lines_off_what_is_due_with_the_tax_on_them(till: Till) -> None:
    number = till.final("100.00", "50.00")
    credited = credit(till, number, (0, "10"))
    document = credited.note.document
    assert [document.net, document.tax_total, document.total] == [Decimal(10), Decimal(2), Decimal(12)]
    assert f"{document.lines[0].amount:f}" == "10.00"
    assert (document.number, document.corrects) == ("CN-2026-000001", number)
    assert credited.invoice == till.stored(number)
    assert credited.invoice.invoice.due == Decimal("168.00")
    assert grants(till) == []


def test_a_whole_invoice_is_paid_by_its_credit_note_and_that_is_announced(till: Till) -> None:
    number = till.final("100.00")
    credited = credit(till, number)
    assert credited.note.document.total == Decimal("120.00")
    assert till.stored(number).invoice.status is Status.PAID
    assert [fact["number"] for fact in till.facts()] == [number]
    with pytest.raises(Conflict, match=f"nothing is left to credit of invoice {number}"):
        credit(till, number)


def test_what_was_paid_of_it_becomes_credit_which_can_be_used_or_paid_out(till: Till) -> None:
    number = till.final("100.00")
    pay(till, number, "100.00")
    credited = credit(till, number, (0, "50.00"))
    assert credited.invoice.invoice.status is Status.PAID
    check_books(till)
    assert grants(till) == [("credit_note", Decimal("40.00"))]
    (granted,) = till.credits.list(till.ref, limit=9)
    assert granted.grant.description == f"Credit note {credited.note.document.number}"
    assert granted.invoice_id == credited.invoice.invoice.id
    till.credits.refund(till.ref, granted.grant.id, Decimal("15.00"), reason="Wishes", who="admin")
    next_one = till.stored(till.final("100.00"))
    assert next_one.document.amount_due == Decimal("95.00")


def test_what_is_credit_by_now_is_not_given_back_with_the_payment(till: Till) -> None:
    number = till.final("100.00")
    payment = pay(till, number, "120.00")
    credit(till, number, (0, "50.00"))
    with pytest.raises(Rejected, match=r"more than the 60\.00 RUB that are paid and not credited"):
        till.payments.refund(till.ref, payment, Decimal("61.00"), reason="Wishes", who="admin")
    till.payments.refund(till.ref, payment, Decimal("60.00"), reason="Wishes", who="admin")
    assert till.stored(number).invoice.due == Decimal("60.00")


def test_what_credit_paid_of_it_goes_back_to_the_grants_last_used_first(till: Till) -> None:
    for amount in ("70.00", "30.00"):
        till.credits.grant(till.ref, "promotional", Decimal(amount), who="admin")
    number = till.final("100.00")
    pay(till, number, "20.00")
    credit(till, number, (0, "50.00"))
    check_books(till)
    assert grants(till) == [
        ("promotional", Decimal("10.00")),
        ("promotional", Decimal("30.00")),
        ("credit_note", Decimal("20.00")),
    ]
    credit(till, number)
    assert grants(till)[:2] == [("promotional", Decimal("70.00")), ("promotional", Decimal("30.00"))]
    assert len(till.facts()) == 1


def test_notes_line_by_line_come_to_the_invoice_to_the_cent(till: Till) -> None:
    number = till.final("0.33", "0.33", "0.34", rates=(Rate("VAT", Decimal("7.7")), Rate("X", Decimal(3))))
    whole = till.stored(number).document
    notes = [credit(till, number, (place, "0.33")).note.document for place in range(3)]
    notes.append(credit(till, number).note.document)
    assert sum(note.total for note in notes) == whole.total
    assert sum(note.tax_total for note in notes) == whole.tax_total
    assert [note.number for note in notes] == [f"CN-2026-00000{place}" for place in range(1, 5)]


def test_what_is_refused_takes_no_number(till: Till) -> None:
    number = till.final("100.00")
    with pytest.raises(Rejected) as refusal:
        till.notes.issue(
            till.ref,
            number,
            [Wanted("nothing", Decimal(1)), Wanted(till.stored(number).document.lines[0].id, Decimal(101))],
            reason="Goodwill",
            who="admin",
        )
    assert [fault.field for fault in refusal.value.faults] == ["lines[0].line_id", "lines[1].amount"]
    with pytest.raises(Rejected, match="at most 20 digits"):
        credit(till, number, (0, "1E+1000000"))
    with pytest.raises(Rejected, match="more than zero"):
        credit(till, number, (0, "NaN"))
    with pytest.raises(Rejected, match="reason"):
        till.notes.issue(till.ref, number, None, reason="", who="admin")
    assert credit(till, number).note.document.number == "CN-2026-000001"


def test_an_invoice_that_is_void_or_written_off_has_no_credit_notes(till: Till) -> None:
    lost, void = till.final("100.00"), till.final("100.00")
    till.payments.void(till.ref, void, "Wrong", who="admin")
    till.payments.write_off(till.ref, lost, reason="Bankrupt", who="admin")
    with pytest.raises(Conflict, match="is void: its period may be invoiced again"):
        credit(till, void)
    with pytest.raises(Conflict, match="is written off"):
        credit(till, lost)
    with pytest.raises(Conflict, match="is void"):
        till.notes.preview(till.ref, void, [Wanted("nothing", Decimal(1))], reason="Goodwill")


def test_the_same_key_credits_once_and_answers_the_same(till: Till) -> None:
    number, other = till.final("100.00"), till.final("100.00")
    first = credit(till, number, (0, "10.00"), key="k")
    till.now += DAY
    assert credit(till, number, (0, "10"), key="k") == first
    with pytest.raises(Conflict, match="'k' was used before"):
        credit(till, number, (0, "11.00"), key="k")
    with pytest.raises(Conflict, match="'k' was used before"):
        credit(till, other, (0, "10.00"), key="k")
    with pytest.raises(Conflict, match="'k' was used before"):
        credit(till, other, key="k")
    assert till.notes.list(till.ref, limit=9) == [first.note]


def test_of_many_who_credit_the_whole_at_once_one_does_and_numbers_have_no_gap(till: Till) -> None:
    numbers = [till.final("100.00") for _ in range(2)]

    def try_to(place: int) -> bool:
        try:
            credit(till, numbers[place % 2])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_to, range(8))) == 2
    issued = [note.document.number for note in till.notes.list(till.ref, limit=9)]
    assert sorted(issued) == ["CN-2026-000001", "CN-2026-000002"]


def test_a_preview_is_what_the_note_would_say_and_keeps_nothing(till: Till) -> None:
    number = till.final("100.00")
    preview = till.notes.preview(till.ref, number, None, reason="Goodwill")
    assert (preview.number, preview.total) == ("", Decimal("120.00"))
    assert till.notes.list(till.ref, limit=9) == []
    assert till.stored(number).invoice.due == Decimal("120.00")


def test_notes_are_found_by_id_and_number_and_listed_by_invoice(till: Till) -> None:
    first, second = till.final("100.00"), till.final("100.00")
    notes = [credit(till, number, (0, "1.00")).note for number in (first, second, first)]
    assert till.notes.list(till.ref, first, limit=9) == [notes[0], notes[2]]
    assert till.notes.list(None, str(notes[1].invoice_id), limit=9) == [notes[1]]
    assert till.notes.list(till.ref, limit=1, after=notes[0].id) == [notes[1]]
    assert till.notes.get(till.ref, notes[1].document.number) == notes[1]
    assert till.notes.get(None, str(notes[2].id)) == notes[2]
    with pytest.raises(NotFound, match="no credit note 'CN-1'"):
        till.notes.get(till.ref, "CN-1")


def test_a_number_that_several_sellers_gave_out_is_refused_with_the_way_out(till: Till) -> None:
    other = till_on(till.database)
    notes = [credit(one, one.final("100.00")).note for one in (till, other)]
    assert notes[0].document.number == notes[1].document.number
    with pytest.raises(Conflict, match="several sellers have given out the number CN-2026-000001"):
        till.notes.get(None, notes[0].document.number)
    assert till.notes.get(till.ref, notes[0].document.number) == notes[0]
