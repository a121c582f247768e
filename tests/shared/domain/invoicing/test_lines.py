from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from shared.domain.invoicing.document import Share
from shared.domain.invoicing.lines import RatedLine, document_shares, has_amounts, usage_lines
from shared.domain.rating import breakdown
from tests.shared.domain.invoicing.made import INVOICE, TENANT, lines, of_usage
from tests.shared.domain.rating.entered import CALLS, month, plan_of, tiered

PER_CALL = {"kind": "per_unit", "meter": CALLS, "amount": "17.280", "per": "1000000", "included": "1000000"}
PLAN = plan_of(PER_CALL, tiered("graduated", ("10000000", "0"), (None, "0.1"), meter="errors"))


def test_a_line_says_what_is_charged_at_which_price() -> None:
    (line,) = of_usage(month(PLAN, 3_000_000))
    shown = line.shown
    assert (shown.quantity, shown.unit_amount, shown.per) == (
        "2000000",
        Decimal("17.280"),
        Decimal(1_000_000),
    )
    assert (shown.included, shown.amount) == (Decimal(1_000_000), Decimal("34.56"))
    assert (line.key and line.key.tenant_id, line.key and line.key.meter) == (TENANT, CALLS)


def test_lines_in_which_nothing_happened_are_left_out_but_not_what_was_included() -> None:
    assert [line.shown.amount for line in of_usage(month(PLAN, 500_000))] == [Decimal("0.00")]
    assert of_usage(month(PLAN, 0)) == ()
    assert [line.shown.quantity for line in of_usage(month(PLAN, {"errors": "7"}))] == ["7"]


def test_lines_without_any_amount_are_nothing_to_invoice() -> None:
    assert not has_amounts(of_usage(month(PLAN, 500_000)))
    assert has_amounts(lines("0.00", "-1.00"))


def test_ids_are_the_same_when_rated_again_and_others_on_another_invoice() -> None:
    once, again = (
        [line.shown.id for line in of_usage(month(PLAN, calls))] for calls in (2_000_000, 3_000_000)
    )
    other = of_usage(month(PLAN, 2_000_000), invoice_id=UUID(int=8))
    assert once == again
    assert other[0].shown.id not in once


def test_prices_that_are_alike_have_lines_of_their_own() -> None:
    twice = plan_of(PER_CALL, PER_CALL)
    first, second = of_usage(month(twice, 2_000_000))
    assert first.key == second.key
    assert first.shown.id != second.shown.id


def test_children_have_sections_and_keys_of_their_own() -> None:
    items = [RatedLine(item) for item in month(PLAN, 2_000_000)]
    (one,), (other,) = (
        usage_lines(items, invoice_id=INVOICE, tenant_id=UUID(int=child), rates=(), section=f"child {child}")
        for child in (1, 2)
    )
    assert (one.shown.section, other.shown.section) == ("child 1", "child 2")
    assert one.shown.id != other.shown.id


def test_a_breakdown_becomes_one_list_of_what_lies_undermost() -> None:
    revisions = (
        breakdown.Share("r1", Fraction(2), Decimal("2.00")),
        breakdown.Share(None, Fraction(1), Decimal("1.00"), merged=3),
    )
    shares = (
        breakdown.Share("thumbnails", Fraction(3), Decimal("3.00"), revisions),
        breakdown.Share(None, None, Decimal("0.50")),
    )
    assert document_shares(shares, str) == (
        Share("thumbnails / r1", "2", Decimal("2.00")),
        Share("thumbnails / +3", "1", Decimal("1.00")),
        Share("", "", Decimal("0.50")),
    )
