from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from shared.domain.invoicing.assembly import assemble
from shared.domain.invoicing.document import InvoiceDocument, canonical
from shared.domain.invoicing.lines import RatedLine, document_shares, usage_lines
from shared.domain.invoicing.taxes import Rate
from shared.domain.rating.breakdown import PricedLine, Used, breakdowns, line_prices
from tests.shared.domain.invoicing.made import (
    INVOICE,
    ISSUED,
    NOTHING,
    TENANT,
    VAT,
    amount,
    grant,
    heading,
    invoice,
    lines,
    of_usage,
)
from tests.shared.domain.rating.entered import CALLS, MONTH, month, parts, plan_of

FREE = {"included": "1000000"}
BASIC = plan_of(
    {"kind": "per_unit", "meter": CALLS, "amount": "17.28", "per": "1000000", **FREE}, currency="RUB"
)


def priced(amount: str, currency: str) -> InvoiceDocument:
    """The invoice of one call at this price."""
    plan = plan_of({"kind": "per_unit", "meter": CALLS, "amount": amount}, currency=currency)
    return invoice(of_usage(month(plan, 1)), currency=currency).document


def test_totals_are_net_and_taxes_less_credits() -> None:
    document = invoice(lines("100.00", "0.05", rates=(VAT,)), grant(1, "20.00")).document
    assert (document.net, document.tax_total, document.total) == (
        amount("100.05"),
        amount("20.01"),
        amount("120.06"),
    )
    assert (document.credit_total, document.amount_due) == (amount("20.00"), amount("100.06"))
    assert [line.tax for line in document.lines] == [("VAT",), ("VAT",)]


def test_the_same_lines_make_the_same_document_to_the_letter() -> None:
    one, other = (
        canonical(invoice(lines("1.00", rates=(VAT,)), grant(1, "0.50")).document) for _ in range(2)
    )
    assert one == other


@pytest.mark.parametrize(
    ("price", "currency", "total"),
    [
        ("100.5", "JPY", "101"),
        ("1.2345", "KWD", "1.235"),
        ("0.005", "RUB", "0.01"),
        ("23188", "RWF", "23188"),
    ],
)
def test_totals_have_the_digits_of_the_currency(price: str, currency: str, total: str) -> None:
    document = priced(price, currency)
    assert f"{document.total:f}" == f"{document.amount_due:f}" == total
    assert f"{document.tax_total:f}" == f"{Decimal(0):.{len(total.partition('.')[2])}f}"


def test_a_line_is_rounded_once_and_its_81_shares_sum_to_it_before_a_credit_of_100() -> None:
    quantities = ["284.84"] * 76 + ["284.93392"] * 4 + ["284.95392"]
    used: Used = {(f"service {at:02}",): {CALLS: Fraction(text)} for at, text in enumerate(quantities)}
    exact = sum((Fraction(text) for text in quantities), Fraction(0))
    assert exact == Fraction("23072.5296")
    plan = plan_of({"kind": "per_unit", "meter": CALLS, "amount": "1"})
    (item,) = month(plan, f"{Decimal('23072.5296')}")
    (shares,) = breakdowns([PricedLine(item, line_prices(plan.versions[0], MONTH)[0])], used)
    rated = [RatedLine(item, document_shares(shares, str))]
    assembled = invoice(
        usage_lines(rated, invoice_id=INVOICE, tenant_id=TENANT, rates=()), grant(1, "100.00")
    )
    (line,) = assembled.document.lines
    rounded = [round(Decimal(text), 2) for text in quantities]
    raised = [share.amount - each for share, each in zip(line.shares, rounded, strict=True)]
    assert sum(rounded) == amount("23072.51")
    assert sorted(raised) == [0] * 79 + [amount("0.01")] * 2
    assert sum(share.amount for share in line.shares) == line.amount == amount("23072.53")
    assert [f"{-credit.amount:f}" for credit in assembled.document.credits] == ["-100.00"]
    assert assembled.document.amount_due == amount("22972.53")


def test_two_units_at_8_165_are_rounded_together() -> None:
    plan = plan_of({"kind": "per_unit", "meter": CALLS, "amount": "8.165"})
    assert invoice(of_usage(month(plan, 2))).document.total == amount("16.33")


def test_thirty_daily_invoices_come_to_the_monthly_one() -> None:
    days = parts(BASIC, *(day * 1_000_000 for day in range(1, 31)))
    daily = [
        assemble(heading(currency="RUB"), of_usage(items, invoice_id=UUID(int=100 + at))).document.total
        for at, items in enumerate(days)
    ]
    monthly = invoice(of_usage(month(BASIC, 30_000_000)), currency="RUB").document.total
    assert len(daily) == 30
    assert sum(daily) == monthly == amount("501.12")


def test_below_zero_the_rest_is_carried_over_with_the_tax_on_it() -> None:
    assembled = invoice(lines("30.00", "-100.00", rates=(VAT,)), grant(1, "5.00"))
    document = assembled.document
    assert (document.net, document.tax_total) == (amount("-70.00"), amount("-14.00"))
    assert (document.total, document.amount_due, document.credits) == (NOTHING, NOTHING, ())
    assert assembled.carried_over == document.carried_over == amount("84.00")
    assert document.net + document.tax_total + document.carried_over == document.total
    assert [(line.kind, line.tax) for line in document.lines][-1] == ("carried_over", ())
    assert assembled.lines[-1].key is None


def test_nothing_is_carried_over_where_lines_sum_to_zero_or_more() -> None:
    for amounts in (("1.00", "-1.00"), ("1.00",), ()):
        assembled = invoice(lines(*amounts))
        assert assembled.carried_over == 0
        assert "carried_over" not in [line.kind for line in assembled.document.lines]


def test_credit_that_expires_before_the_issue_pays_nothing() -> None:
    gone, fresh = (
        grant(1, "5.00", expires_at=ISSUED),
        grant(2, "5.00", expires_at=ISSUED + timedelta(seconds=1)),
    )
    assembled = invoice(lines("20.00"), gone, fresh)
    assert [(use.grant.id.int, use.amount) for use in assembled.uses] == [(2, amount("5.00"))]
    assert assembled.document.amount_due == amount("15.00")


def test_an_inclusive_tax_leaves_the_total_as_the_lines_say() -> None:
    document = invoice(lines("107.70", rates=(Rate("GST", amount("7.7"), inclusive=True),))).document
    assert (document.net, document.tax_total, document.total) == (
        amount("100.00"),
        amount("7.70"),
        amount("107.70"),
    )


def test_an_exempt_tenant_pays_no_tax_and_the_document_says_why() -> None:
    reason = "Reverse charge, Article 196"
    exempt = assemble(replace(heading(), exempt_reason=reason), lines("100.00")).document
    assert (exempt.taxes, exempt.tax_total, exempt.total) == ((), NOTHING, amount("100.00"))
    assert exempt.exempt_reason == reason
