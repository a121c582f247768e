from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.domain.invoicing.adjustments import Closed, adjustment_lines, to_rate_again
from shared.domain.invoicing.cycle import BillingCycle, period_after
from shared.domain.invoicing.document import Share
from shared.domain.invoicing.lines import InvoiceLine
from shared.domain.period import Period
from shared.domain.rating.rate import rate
from tests.shared.domain.invoicing.made import INVOICE, VAT, invoice, line, lines, of_usage
from tests.shared.domain.rating.entered import MONTH, month, plan_of, tiered, usage

NEXT = UUID(int=8)
VOLUME = plan_of(tiered("volume", ("15", "10"), (None, "5")))
CLOSED = Closed(MONTH, (), INVOICE, "INV-2026-000001")


def adjusted(
    charged: tuple[InvoiceLine, ...], rated: tuple[InvoiceLine, ...], closed: Closed = CLOSED
) -> list[str]:
    return [f"{one.shown.amount:f}" for one in adjustment_lines(NEXT, closed, charged, rated, "USD")]


def test_a_16th_unit_that_comes_late_takes_back_150_and_charges_80_as_credit_of_70() -> None:
    charged, rated = of_usage(month(VOLUME, 15)), of_usage(month(VOLUME, 16))
    back, anew = adjustment_lines(NEXT, CLOSED, charged, rated, "USD")
    assert (back.shown.amount, anew.shown.amount) == (Decimal("-150.00"), Decimal("80.00"))
    assert (back.shown.quantity, anew.shown.quantity) == ("-15", "16")
    assembled = invoice([back, anew])
    assert assembled.document.net == Decimal("-70.00")
    assert assembled.document.total == 0
    assert assembled.carried_over == Decimal("70.00")
    assert assembled.document.lines[-1].kind == "carried_over"


def test_an_adjustment_names_the_invoice_that_it_corrects() -> None:
    (back,) = adjustment_lines(NEXT, CLOSED, lines("5.00"), (), "USD")
    assert (back.shown.kind, back.shown.adjusts, back.adjusts) == ("adjustment", "INV-2026-000001", INVOICE)


def test_what_is_still_right_is_not_adjusted() -> None:
    assert adjusted(lines("5.00", "7.00"), lines("5.00", "8.50")) == ["-7.00", "8.50"]
    assert adjusted(lines("5.00"), lines("5.00")) == []


def test_a_second_correction_takes_back_what_the_first_one_left() -> None:
    charged = lines("5.00")
    first = adjustment_lines(NEXT, CLOSED, charged, lines("8.00"), "USD")
    assert adjusted((*charged, *first), lines("8.00")) == []
    assert adjusted((*charged, *first), lines("6.00")) == ["-8.00", "6.00"]
    assert adjusted((*charged, *first), ()) == ["-8.00"]


def test_what_was_corrected_to_nothing_is_charged_without_taking_anything_back() -> None:
    charged = lines("5.00")
    gone = adjustment_lines(NEXT, CLOSED, charged, (), "USD")
    assert adjusted((*charged, *gone), lines("6.00")) == ["6.00"]


def test_adjustments_are_taxed_as_the_original_was() -> None:
    closed = CLOSED._replace(rates=(VAT,))
    (back,) = adjustment_lines(NEXT, closed, lines("5.00"), (), "USD")
    assert back.rates == (VAT,)


def test_usage_of_a_period_without_an_invoice_is_charged_as_usage_of_that_time() -> None:
    (late,) = adjustment_lines(NEXT, Closed(MONTH, ()), (), lines("5.00"), "USD")
    assert (late.shown.kind, late.shown.adjusts, late.adjusts) == ("usage", None, None)
    assert late.shown.period == MONTH


def test_lines_of_one_key_are_taken_back_as_one() -> None:
    alike = (line("2.00"), line("3.00"))
    (back, anew) = adjustment_lines(NEXT, CLOSED, alike, lines("6.00"), "USD")
    assert (back.shown.amount, anew.shown.amount) == (Decimal("-5.00"), Decimal("6.00"))
    assert back.shown.flat_amount == Decimal("-5.00")


def test_ids_are_the_same_when_the_period_is_rated_again() -> None:
    charged = lines("5.00")
    ids = [
        [one.shown.id for one in adjustment_lines(NEXT, CLOSED, charged, lines(amount), "USD")]
        for amount in ("6.00", "7.00")
    ]
    assert ids[0] == ids[1]
    assert len({*ids[0], charged[0].shown.id}) == 3


def test_the_shares_of_what_is_taken_back_sum_to_it() -> None:
    def shared(*parts: tuple[str, str]) -> InvoiceLine:
        shares = tuple(Share(label, "2", Decimal(amount)) for label, amount in parts)
        one = line(sum((share.amount for share in shares), Decimal(0)))
        return replace(one, shown=replace(one.shown, shares=shares))

    charged = (shared(("thumbnails", "2.00"), ("resize", "1.00")), shared(("thumbnails", "3.00")))
    back, anew = adjustment_lines(NEXT, CLOSED, charged, [shared(("resize", "9.00"))], "USD")
    assert [(share.label, share.quantity, f"{share.amount:f}") for share in back.shown.shares] == [
        ("thumbnails", "-4", "-5.00"),
        ("resize", "-2", "-1.00"),
    ]
    assert anew.shown.shares == (Share("resize", "2", Decimal("9.00")),)


def weeks() -> list[Period]:
    start, found = datetime(2026, 3, 2, tzinfo=UTC), []
    while start < datetime(2026, 4, 13, tzinfo=UTC):
        found.append(period_after(BillingCycle("week", date(2026, 3, 2)), start, ZoneInfo("UTC")))
        start = found[-1].end
    return found


def test_late_usage_of_one_week_makes_all_weeks_of_its_month_be_rated_again() -> None:
    day = Period(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
    again = to_rate_again(reversed(weeks()), [day], ZoneInfo("UTC"))
    assert again == tuple(weeks()[:5])
    assert again[-1].end == datetime(2026, 4, 6, tzinfo=UTC)
    assert to_rate_again(weeks(), [], ZoneInfo("UTC")) == ()


@pytest.mark.parametrize("late", [(20, 0, 0), (0, 5, 0), (3, 2, 9)])
def test_weeks_of_one_month_with_late_usage_sum_to_the_month_as_it_truly_was(late: tuple[int, ...]) -> None:
    """The tier is that of the month: what comes late in one week moves what the next costs."""
    used = (6, 8, 4)

    def of_weeks(used: tuple[int, ...]) -> list[tuple[InvoiceLine, ...]]:
        points = [usage(0, MONTH.start)]
        for number in range(1, 4):
            points.append(usage(sum(used[:number]), MONTH.start + timedelta(weeks=number)))
        return [of_usage(rate(VOLUME, *pair)) for pair in pairwise(points)]

    truly = tuple(week + more for week, more in zip(used, late, strict=True))
    charged, rated = of_weeks(used), of_weeks(truly)
    added = [
        one
        for before, after in zip(charged, rated, strict=True)
        for one in adjustment_lines(NEXT, CLOSED, before, after, "USD")
    ]
    whole = sum(one.shown.amount for week in charged for one in week) + sum(one.shown.amount for one in added)
    assert whole == sum(item.amount for item in month(VOLUME, sum(truly)))
