"""What became of periods that are closed is on the next invoice; and what is on one invoice together."""

from collections.abc import Iterator
from datetime import date

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.holds import HoldReason
from shared.service.invoicing.closing import Closed
from shared.service.invoicing.invoices import Overriding
from tests.shared.service.invoicing.office import FEE, Office, at


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    database = Database(database_url, pool_size_max=16)
    office = Office(database)
    office.seller()
    yield office
    database.close()


def test_late_usage_that_changes_an_allowance_is_taken_back_and_charged_anew(office: Office) -> None:
    """C21: 150 were charged; with another 30 calls a volume price has them at 80 in all."""
    volume = {
        "kind": "volume",
        "name": "calls",
        "meter": "invocations",
        "tiers": [{"up_to": "150", "amount": "1"}, {"up_to": None, "amount": "0.5"}],
    }
    acme = office.tenant(plan=office.plan(volume))  # type: ignore[arg-type]
    office.use(acme, "2025-10-15T12:00", 150)
    office.close("2025-11-01T01:05")
    assert office.said() == [("2025-10-01", "final", "150.00")]
    office.use(acme, "2025-10-20T12:00", 10)
    office.use(acme, "2025-11-05T12:00", 100)
    assert office.close("2025-12-01T00:05").drafted == 1
    office.close("2025-12-01T01:05")
    first, second = office.of()
    assert f"{first.document.total:f}" == "150.00"
    assert [(line.kind, f"{line.amount:f}", line.adjusts) for line in second.document.lines] == [
        ("usage", "100.00", None),
        ("adjustment", "-150.00", "INV-2025-000001"),
        ("adjustment", "80.00", "INV-2025-000001"),
    ]
    assert f"{second.document.total:f}" == "30.00"
    office.close("2026-01-01T01:05")
    assert office.said()[2:] == []


def test_what_comes_to_less_than_nothing_is_carried_over_as_credit(office: Office) -> None:
    volume = {
        "kind": "volume",
        "name": "calls",
        "meter": "invocations",
        "tiers": [{"up_to": "150", "amount": "1"}, {"up_to": None, "amount": "0.5"}],
    }
    acme = office.tenant(plan=office.plan(volume))  # type: ignore[arg-type]
    office.use(acme, "2025-10-15T12:00", 150)
    office.close("2025-11-01T01:05")
    office.use(acme, "2025-10-20T12:00", 10)
    office.close("2025-12-01T01:05")
    _, second = office.of()
    assert (f"{second.document.total:f}", f"{second.document.carried_over:f}") == ("0.00", "70.00")
    office.use(acme, "2025-12-20T12:00", 100)
    office.close("2026-01-01T01:05")
    assert office.said()[2:] == [("2025-12-01", "final", "100.00")]
    assert f"{office.of()[2].document.amount_due:f}" == "30.00"


def test_usage_of_a_period_that_came_to_nothing_is_on_the_next_invoice(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.close("2025-11-02")
    assert office.closed_until(acme) == at("2025-11-01")
    office.use(acme, "2025-10-20T12:00", 7)
    office.close("2025-12-01T01:05")
    (invoice,) = office.of()
    assert [(f"{line.period.start:%m}", f"{line.amount:f}") for line in invoice.document.lines] == [
        ("10", "7.00")
    ]
    office.use(acme, "2025-10-21T12:00", 1)
    office.close("2026-01-01T01:05")
    assert office.said()[1:] == [("2025-12-01", "final", "1.00")]


def test_usage_without_a_plan_holds_and_is_charged_once_there_is_one(office: Office) -> None:
    acme = office.tenant()
    office.use(acme, "2025-10-15T12:00", 5)
    assert office.close("2025-11-01T01:05").held == 1
    office.subscriptions.assign("acme", str(office.plan().id))
    assert office.close("2025-11-01T02:05").finalised == 1
    assert office.said() == [("2025-10-01", "final", "5.00")]


def test_unrated_usage_that_was_overridden_is_charged_when_it_gets_a_plan(office: Office) -> None:
    plan = office.plan()
    acme = office.tenant()
    office.subscriptions.assign("acme", str(plan.id), starts_at=at("2025-10-16"), immediately=True)
    office.use(acme, "2025-10-15T12:00", 5)
    office.use(acme, "2025-10-17T12:00", 6)
    office.close("2025-11-01T01:05")
    (draft,) = office.of()
    office.invoices.finalise(
        "acme",
        draft.invoice.id,
        who="ann",
        override=Overriding(frozenset({HoldReason.UNRATED_USAGE}), "later"),
    )
    assert office.said() == [("2025-10-01", "final", "6.00")]
    office.subscriptions.assign("acme", str(plan.id), starts_at=at("2025-10-01"), immediately=True)
    office.close("2025-12-01T01:05")
    assert office.said()[1:] == [("2025-11-01", "final", "5.00")]


def test_late_usage_of_a_closed_time_without_a_plan_holds_the_next_invoice(office: Office) -> None:
    plan = office.plan()
    acme = office.tenant()
    office.subscriptions.assign("acme", str(plan.id), starts_at=at("2025-10-16"), immediately=True)
    office.use(acme, "2025-10-17T12:00", 6)
    office.close("2025-11-01T01:05")
    office.use(acme, "2025-10-10T12:00", 4)
    assert office.close("2025-12-01T01:05").held == 1
    office.subscriptions.assign("acme", str(plan.id), starts_at=at("2025-10-01"), immediately=True)
    assert office.close("2025-12-01T02:05").finalised == 1
    assert office.said() == [("2025-10-01", "final", "6.00"), ("2025-11-01", "final", "4.00")]


def test_late_unrated_usage_that_was_overridden_is_charged_when_it_gets_a_plan(office: Office) -> None:
    plan = office.plan()
    acme = office.tenant()
    office.subscriptions.assign("acme", str(plan.id), starts_at=at("2025-10-16"), immediately=True)
    for day, calls in (("2025-10-17", 6), ("2025-11-17", 7), ("2025-12-17", 8)):
        office.use(acme, f"{day}T12:00", calls)
    office.close("2025-11-01T01:05")
    office.use(acme, "2025-10-10T12:00", 4)
    office.close("2025-12-01T01:05")
    draft = office.of()[1].invoice.id
    later = Overriding(frozenset({HoldReason.UNRATED_USAGE}), "later")
    office.invoices.finalise("acme", draft, who="ann", override=later)
    assert office.close("2026-01-01T00:05") == Closed(1, 0, 0, more=False)
    office.subscriptions.assign("acme", str(plan.id), starts_at=at("2025-10-01"), immediately=True)
    office.close("2026-01-01T01:05")
    assert [total for _, _, total in office.said()] == ["6.00", "7.00", "12.00"]


def test_weeks_sum_to_the_month(office: Office) -> None:
    tiers = {
        "kind": "graduated",
        "name": "calls",
        "meter": "invocations",
        "tiers": [{"up_to": "10", "amount": "1"}, {"up_to": None, "amount": "0.1"}],
    }
    acme = office.tenant(plan=office.plan(tiers, FEE))  # type: ignore[arg-type]
    office.details(acme, cycle=BillingCycle("week", date(2025, 10, 1)))
    for day in (3, 10, 17, 24, 31):
        office.use(acme, f"2025-10-{day:02}T12:00", 7)
    office.close("2025-11-09")
    amounts = [
        line.amount
        for one in office.of()
        for line in one.document.lines
        if line.period.start < at("2025-11-01")
    ]
    assert f"{sum(amounts):f}" == "42.50"


def test_an_organisation_has_one_invoice_with_a_section_for_each(office: Office) -> None:
    plan = office.plan()
    payer, one, two = (office.tenant(slug, plan=plan) for slug in ("payer", "one", "two"))
    office.use(two, "2025-09-15T12:00", 9)
    office.close("2025-10-02")
    assert office.said(two) == [("2025-09-01", "final", "9.00")]
    office.organisation(payer, one, two)
    for calls, tenant in enumerate((payer, one, two), start=1):
        office.use(tenant, "2025-10-15T12:00", calls)
    office.close("2025-11-01T01:05")
    (invoice,) = office.of(payer)
    assert [(line.section, f"{line.amount:f}") for line in invoice.document.lines] == [
        ("payer", "1.00"),
        ("one", "2.00"),
        ("two", "3.00"),
    ]
    assert {office.closed_until(tenant) for tenant in (payer, one, two)} == {at("2025-11-01")}
    with pytest.raises(Conflict, match="see those of 'payer'"):
        office.invoices.generate("one", who="ann")
    office.use(one, "2025-10-16T12:00", 5)
    office.use(two, "2025-09-16T12:00", 4)
    office.close("2025-12-01T01:05")
    second = office.of(payer)[1]
    assert [(line.section, line.kind, f"{line.amount:f}") for line in second.document.lines] == [
        ("one", "adjustment", "-2.00"),
        ("one", "adjustment", "7.00"),
        ("two", "usage", "-9.00"),
        ("two", "usage", "13.00"),
    ]


def test_an_adjustment_has_the_taxes_of_the_invoice_that_it_adjusts(office: Office) -> None:
    """C27."""
    acme = office.tenant(plan=office.plan())
    office.tax(acme, "20", until="2025-11-01")
    office.tax(acme, "22", since="2025-11-01")
    office.use(acme, "2025-10-15T12:00", 100)
    office.close("2025-11-01T01:05")
    office.use(acme, "2025-10-16T12:00", 50)
    office.use(acme, "2025-11-16T12:00", 100)
    office.close("2025-12-01T01:05")
    second = office.of()[1].document
    assert [(tax.name, f"{tax.base:f}", f"{tax.amount:f}") for tax in second.taxes] == [
        ("VAT 22 %", "100.00", "22.00"),
        ("VAT 20 %", "50.00", "10.00"),
    ]
