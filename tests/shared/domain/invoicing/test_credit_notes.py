from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Conflict, Rejected
from shared.domain.invoicing.credit_notes import Heading, Wanted, credit_note
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.taxes import Rate, Rates
from tests.shared.domain.invoicing.made import ISSUED, VAT, grant, invoice, line, lines

LATER = Heading("CN-2026-000001", ISSUED + timedelta(days=3), "Goodwill")
GST = Rate("GST", Decimal("7.7"), inclusive=True)


def credited(
    document: InvoiceDocument, *wanted: tuple[int, str], earlier: tuple[InvoiceDocument, ...] = ()
) -> InvoiceDocument:
    """The note over parts of lines by their place; over all that is left where there are none."""
    parts = [Wanted(document.lines[at].id, Decimal(amount)) for at, amount in wanted]
    return credit_note(document, earlier, parts or None, LATER)


def test_a_whole_invoice_is_credited_with_its_tax() -> None:
    document = invoice(lines("10.00", "2.50", rates=(VAT,))).document
    note = credited(document)
    assert (note.kind, note.number, note.corrects) == ("credit_note", "CN-2026-000001", "INV-2026-000001")
    assert (note.net, note.tax_total, note.total) == (document.net, document.tax_total, document.total)
    assert (note.lines, note.taxes) == (document.lines, document.taxes)
    assert (note.amount_due, note.credits, note.due_at, note.notes) == (
        Decimal(0),
        (),
        None,
        ("Goodwill",),
    )


def test_a_part_of_a_line_is_credited_with_its_share_of_the_tax() -> None:
    document = invoice(lines("10.00", "2.50", rates=(VAT,))).document
    note = credited(document, (0, "4.00"))
    assert [(one.id, one.amount) for one in note.lines] == [(document.lines[0].id, Decimal("4.00"))]
    assert (note.lines[0].quantity, note.lines[0].flat_amount) == ("0", Decimal("4.00"))
    assert (note.net, note.tax_total, note.total) == (Decimal("4.00"), Decimal("0.80"), Decimal("4.80"))


def test_parts_of_an_invoice_sum_to_it_with_the_tax_to_the_cent() -> None:
    document = invoice(lines("0.10", "0.10", "0.10", rates=(VAT, Rate("city", Decimal("5.5"))))).document
    notes: tuple[InvoiceDocument, ...] = ()
    for at in range(3):
        notes = (*notes, credited(document, (at, "0.10"), earlier=notes))
    assert [f"{note.tax_total:f}" for note in notes] == ["0.03", "0.02", "0.03"]
    assert sum(note.total for note in notes) == document.total


def test_an_inclusive_tax_is_contained_in_what_is_credited() -> None:
    document = invoice([line("107.70", (GST,))]).document
    note = credited(document, (0, "53.85"))
    assert (note.net, note.tax_total, note.total) == (Decimal("50.00"), Decimal("3.85"), Decimal("53.85"))


def test_lines_without_tax_are_credited_without_any() -> None:
    document = invoice([line("10.00", (VAT,)), line("5.00", price="b")]).document
    note = credited(document, (1, "5.00"))
    assert (note.taxes, note.total) == ((), Decimal("5.00"))


def test_credits_that_paid_the_invoice_do_not_change_what_can_be_credited() -> None:
    document = invoice(lines("10.00"), grant(1, "4.00")).document
    assert credited(document).total == Decimal("10.00")


def test_every_fault_is_named() -> None:
    document = invoice(lines("10.00", "2.50")).document
    first = credited(document, (0, "4.00"))
    (a, b) = (one.id for one in document.lines)
    wanted = [
        Wanted(a, Decimal("6.01")),
        Wanted("x", Decimal(1)),
        Wanted(b, Decimal("0.001")),
        Wanted(b, Decimal(1)),
    ]
    with pytest.raises(Rejected) as refused:
        credit_note(document, [first], wanted, LATER)
    assert [(fault.field, fault.message) for fault in refused.value.faults] == [
        ("lines[0].amount", "is more than the 6.00 USD left to credit of the line"),
        ("lines[1].line_id", "invoice INV-2026-000001 has no such line"),
        ("lines[2].amount", "must have at most 2 digits after the point, as USD has"),
        ("lines[3].line_id", "is there twice"),
    ]


def test_an_empty_list_of_lines_credits_nothing() -> None:
    document = invoice(lines("10.00")).document
    with pytest.raises(Rejected, match="lines: names no line"):
        credit_note(document, (), [], LATER)


@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_what_is_credited_is_more_than_zero(amount: str) -> None:
    document = invoice(lines("10.00")).document
    with pytest.raises(Rejected, match="more than zero"):
        credited(document, (0, amount))


def test_nothing_is_credited_twice() -> None:
    document = invoice(lines("10.00")).document
    with pytest.raises(Conflict, match="nothing is left to credit of invoice INV-2026-000001"):
        credited(document, earlier=(credited(document),))


def test_an_invoice_that_was_carried_over_has_nothing_to_credit() -> None:
    document = invoice(lines("10.00", "-30.00", rates=(VAT,))).document
    assert document.total == 0
    with pytest.raises(Conflict, match="nothing is left"):
        credited(document)


def test_lines_are_not_credited_beyond_what_the_whole_invoice_comes_to() -> None:
    document = invoice(lines("10.00", "-8.00")).document
    with pytest.raises(Rejected, match=r"come to 3\.00 with taxes, more than the 2\.00 USD left"):
        credited(document, (0, "3.00"))
    note = credited(document, (0, "1.50"))
    rest = credited(document, earlier=(note,))
    assert [f"{one.amount:f}" for one in rest.lines] == ["8.50", "-8.00"]
    assert rest.total == Decimal("0.50")


def test_lines_are_not_credited_beyond_what_is_under_their_tax() -> None:
    document = invoice([*lines("10.00", "-8.00", rates=(VAT,)), line("90.00", price="c")]).document
    with pytest.raises(Rejected, match="more than all lines under VAT"):
        credited(document, (0, "3.00"))
    assert credited(document, (0, "2.00")).tax_total == Decimal("0.40")
    assert credited(document).total == Decimal("92.40")


@pytest.mark.parametrize("taken_back", ["-10.00", "-12.00"])
def test_an_invoice_whose_taxed_lines_come_to_nothing_or_less_is_credited_whole(taken_back: str) -> None:
    document = invoice([*lines("10.00", taken_back, rates=(VAT,)), line("90.00", price="c")]).document
    note = credited(document)
    assert (note.net, note.tax_total, note.total) == (document.net, document.tax_total, document.total)


rate_sets: list[Rates] = [(), (VAT,), (GST,), (GST, VAT)]
cents = st.integers(1, 100_000).map(lambda cents: Decimal(cents) / 100)


@given(
    st.lists(st.tuples(cents, st.sampled_from(rate_sets)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100)), max_size=6),
)
def test_whatever_is_credited_in_parts_the_rest_makes_it_the_whole(
    amounts: list[tuple[Decimal, Rates]], parts: list[tuple[int, int]]
) -> None:
    made = [line(amount, rates, f"line {at}") for at, (amount, rates) in enumerate(amounts)]
    document = invoice(made).document
    notes: list[InvoiceDocument] = []
    for place, percent in parts:
        of = document.lines[place % len(made)]
        credited = sum((one.amount for note in notes for one in note.lines if one.id == of.id), Decimal(0))
        amount = ((of.amount - credited) * percent / 100).quantize(Decimal("0.01"), "ROUND_DOWN")
        if amount:
            notes.append(credit_note(document, notes, [Wanted(of.id, amount)], LATER))
            assert min(notes[-1].net, notes[-1].tax_total, *(tax.amount for tax in notes[-1].taxes), 0) == 0
    if sum(note.total for note in notes) < document.total:
        notes.append(credit_note(document, notes, None, LATER))
    assert sum(note.net for note in notes) == document.net
    assert sum(note.total for note in notes) == document.total
    for tax in document.taxes:
        of_notes = [one for note in notes for one in note.taxes if one.name == tax.name]
        assert sum(one.amount for one in of_notes) == tax.amount
        assert sum(one.base for one in of_notes) == tax.base
