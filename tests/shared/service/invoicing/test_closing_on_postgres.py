"""Closing over real usage: what ended becomes invoices, once, whatever became of the ticks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict
from shared.domain.events import InvoiceDrafted, InvoiceFinalized, InvoicePaid, UsageAggregated
from shared.domain.invoicing.holds import HoldReason
from shared.service.invoicing.closing import Closed
from shared.service.invoicing.held_letters import HeldLetter
from shared.service.invoicing.invoices import Overriding
from tests.shared.service.invoicing.office import CALLS, FEE, Office, at


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    database = Database(database_url, pool_size_max=16)
    office = Office(database)
    office.seller()
    yield office
    database.close()


def test_a_period_is_drafted_at_its_end_and_final_after_its_grace(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 150)
    assert office.close("2025-10-31T23:59") == Closed(0, 0, 0, more=False)
    assert office.close("2025-11-01T00:05") == Closed(1, 0, 0, more=False)
    assert office.said() == [("2025-10-01", "draft", "150.00")]
    assert office.close("2025-11-01T00:30") == Closed(0, 0, 0, more=False)
    assert office.close("2025-11-01T01:05") == Closed(0, 1, 0, more=False)
    assert office.said() == [("2025-10-01", "final", "150.00")]
    (invoice,) = office.of(acme)
    assert invoice.invoice.number == "INV-2025-000001"
    assert invoice.invoice.due_at == at("2025-11-15T01:05")
    assert [share.label for share in invoice.document.lines[0].shares] == ["default/waiter / rev-unknown"]
    assert office.close() == Closed(0, 0, 0, more=False)


def test_what_happens_to_an_invoice_is_announced_with_it(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 150)
    office.close("2025-11-01T00:05")
    office.close("2025-11-01T01:05")
    facts = [fact for fact in office.facts() if not isinstance(fact, UsageAggregated)]
    assert [type(fact) for fact in facts] == [InvoiceDrafted, InvoiceFinalized]
    final = facts[1]
    assert isinstance(final, InvoiceFinalized)
    assert (final.number, f"{final.total}", f"{final.amount_due}") == ("INV-2025-000001", "150.00", "150.00")


def test_the_books_balance_and_credit_pays_first(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 150)
    office.tax(acme, "20")
    office.execute(
        "INSERT INTO credit_grant VALUES (%s, %s, 'prepaid', 'RUB', 500, 0, NULL, 'paid', %s, 'x', NULL)",
        acme.id,
        acme.id,
        at("2025-10-01"),
    )
    office.close("2025-11-01T01:05")
    (invoice,) = office.of()
    assert [f"{of:f}" for of in (invoice.document.total, invoice.document.amount_due)] == ["180.00", "0.00"]
    assert invoice.invoice.status == "paid"
    entries = office.rows(
        "SELECT account, sum(amount)::numeric(9, 2)::text FROM posting_entry GROUP BY 1 ORDER BY 1"
    )
    assert entries == [
        ("accounts_receivable", "0.00"),
        ("credits", "180.00"),
        ("revenue", "-150.00"),
        ("tax", "-30.00"),
    ]
    assert any(isinstance(fact, InvoicePaid) for fact in office.facts())


def test_months_without_ticks_are_made_good_in_order(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    for month in (8, 9, 10, 11):
        office.use(acme, f"2025-{month:02}-15T12:00", month)
    assert office.close("2025-12-01T00:30") == Closed(1, 3, 0, more=False)
    assert office.said() == [
        ("2025-08-01", "final", "8.00"),
        ("2025-09-01", "final", "9.00"),
        ("2025-10-01", "final", "10.00"),
        ("2025-11-01", "draft", "11.00"),
    ]
    assert [one.invoice.number for one in office.of()[:3]] == [f"INV-2025-00000{n}" for n in (1, 2, 3)]


def test_a_tick_cut_short_says_that_there_is_more_and_the_next_goes_on(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    for month in (8, 9):
        office.use(acme, f"2025-{month:02}-15T12:00", month)
    office.now = at("2025-11-02")
    assert office.close(deadline=0) == Closed(0, 1, 0, more=True)
    assert office.close(deadline=0) == Closed(0, 1, 0, more=True)
    while office.close(deadline=0).more:
        pass
    assert [total for _, _, total in office.said()] == ["8.00", "9.00"]


def test_a_clock_that_is_set_back_reopens_nothing(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    office.close("2025-11-01T02:00")
    assert office.close("2025-10-20") == Closed(0, 0, 0, more=False)
    assert office.closed_until(acme) == at("2025-11-01")
    assert office.close("2025-11-01T03:00") == Closed(0, 0, 0, more=False)
    assert office.said() == [("2025-10-01", "final", "5.00")]


def test_two_that_close_at_once_make_each_invoice_once(office: Office) -> None:
    plan = office.plan()
    for number in range(4):
        tenant = office.tenant(f"t{number}", plan=plan)
        for month in (8, 9, 10):
            office.use(tenant, f"2025-{month:02}-15T12:00", month)
    office.now = at("2025-11-02")
    barrier = Barrier(3)

    def close(_: int) -> Closed:
        barrier.wait()
        return office.close()

    with ThreadPoolExecutor(3) as threads:
        closed = list(threads.map(close, range(3)))
    assert sum(one.finalised for one in closed) == 12
    numbers = sorted(one.invoice.number or "" for one in office.of())
    assert numbers == [f"INV-2025-{n:06}" for n in range(1, 13)]


def test_an_old_trace_is_invoiced_for_the_months_that_it_has_usage_in(office: Office) -> None:
    """Years of a plan with a fee in between are before the tenant was there."""
    acme = office.tenant(plan=office.plan(CALLS, FEE), created="2025-09-10")
    office.use(acme, "2014-02-15T12:00", 5)
    office.use(acme, "2019-02-15T12:00", 6)
    office.close("2025-11-02")
    assert office.said() == [
        ("2014-02-01", "final", "35.00"),
        ("2019-02-01", "final", "36.00"),
        ("2025-09-01", "final", "30.00"),
        ("2025-10-01", "final", "30.00"),
    ]


def test_a_held_draft_waits_says_why_and_holds_up_nobody(office: Office) -> None:
    plan = office.plan()
    acme, other = office.tenant(plan=plan), office.tenant("other", plan=plan)
    for tenant in (acme, other):
        office.use(tenant, "2025-10-15T12:00", 5)
    office.gap(acme, "2025-10-15T12:00")
    assert office.close("2025-11-01T01:05") == Closed(0, 1, 1, more=False)
    (draft,) = office.of(acme)
    (hold,) = office.invoices.holds("acme", draft.invoice.id)
    assert (hold.reason, hold.count) == (HoldReason.METERING_GAPS, 2)
    with pytest.raises(Conflict, match="batches of a sender never arrived"):
        office.invoices.finalise("acme", draft.invoice.id, who="ann")
    final = office.invoices.finalise(
        "acme", draft.invoice.id, who="ann", override=Overriding(frozenset({hold.reason}), "they were empty")
    )
    assert [(one.who, one.why) for one in final.overrides] == [("ann", "they were empty")]
    assert office.said(acme) == [("2025-10-01", "final", "5.00")]


def test_what_was_held_before_comes_last_and_is_no_reason_to_go_on(office: Office) -> None:
    plan = office.plan()
    held, other = office.tenant("held", plan=plan), office.tenant("other", plan=plan)
    office.use(held, "2025-10-15T12:00", 5)
    office.gap(held, "2025-10-15T12:00")
    assert office.close("2025-11-01T01:05").held == 1
    office.use(other, "2025-11-15T12:00", 5)
    office.now = at("2025-12-01T01:05")
    assert office.close(deadline=0) == Closed(0, 1, 0, more=False)
    assert office.said(other) == [("2025-11-01", "final", "5.00")]


def test_what_is_resolved_holds_nothing_any_more(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    letter = HeldLetter("acme", "1-1", "usage", at("2025-10-15"), "broken")
    office.letters.replace([letter], at("2025-11-01T01:00"))
    assert office.close("2025-11-01T01:05").held == 1
    assert office.close("2025-11-01T02:05").held == 1
    office.letters.cannot_be_read(office.now, "away")
    office.letters.cannot_be_read(office.now, "still away")
    (draft,) = office.of()
    reasons = [hold.reason for hold in office.invoices.holds("acme", draft.invoice.id)]
    assert reasons == [HoldReason.DEAD_LETTERS, HoldReason.DEAD_LETTERS_UNREADABLE]
    office.letters.replace([], at("2025-10-31T23:00"))
    assert office.close("2025-11-01T03:05").held == 1
    office.letters.replace([], office.now)
    assert office.close("2025-11-01T03:06").finalised == 1


def test_invoices_of_nothing_are_for_who_asks_for_them(office: Office) -> None:
    plan = office.plan()
    acme, zero = office.tenant(plan=plan), office.tenant("zero", plan=plan)
    office.details(zero, zero_invoices=True)
    office.close("2025-12-01T01:05")
    assert office.said(acme) == []
    assert office.said(zero) == [("2025-10-01", "paid", "0.00"), ("2025-11-01", "paid", "0.00")]
    assert office.closed_until(acme) == at("2025-12-01")


def test_a_plan_that_ends_for_good_ends_the_period(office: Office) -> None:
    acme = office.tenant(plan=office.plan(CALLS, FEE))
    office.use(acme, "2025-10-15T12:00", 5)
    office.now = at("2025-10-15T12:00")
    office.subscriptions.end("acme", ends_at=at("2025-10-16"))
    assert office.close("2025-10-16T01:05").finalised == 1
    assert office.said() == [("2025-10-01", "final", "19.52")]
    assert office.of()[0].invoice.period.end == at("2025-10-16")
    assert office.close("2025-12-01T01:05").finalised == 0
    assert office.closed_until(acme) == at("2025-12-01")
    office.use(acme, "2025-10-10T12:00", 3)
    office.close("2026-01-01T01:05")
    assert office.said()[1:] == [("2025-12-01", "final", "3.00")]
