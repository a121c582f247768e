"""Drafts and invoices on request."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from threading import Barrier
from uuid import UUID

import pytest

from shared.adapters.postgres.invoicing.invoices import PostgresInvoiceBook, PostgresInvoices
from shared.adapters.postgres.pool import Database
from shared.adapters.system import new_id
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.events import InvoiceFact
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.holds import HoldReason
from shared.domain.period import Period
from shared.service.invoicing.closing import Closing
from shared.service.invoicing.invoice_ports import Account
from shared.service.invoicing.invoices import Overriding
from tests.shared.service.invoicing.office import FOR_EVER, Office, at


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    database = Database(database_url, pool_size_max=16)
    office = Office(database, now="2025-11-10")
    office.seller()
    yield office
    database.close()


def test_the_draft_asked_for_is_of_the_next_period_that_is_not_closed(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    office.use(acme, "2025-11-05T12:00", 6)
    first = office.invoices.generate("acme", who="ann")
    assert (first.invoice.period.start, f"{first.document.total:f}") == (at("2025-10-01"), "5.00")
    office.invoices.finalise("acme", first.invoice.id, who="ann")
    running = office.invoices.generate("acme", who="ann")
    assert (running.invoice.period.end, f"{running.document.total:f}") == (at("2025-12-01"), "6.00")
    assert office.said() == [("2025-10-01", "final", "5.00"), ("2025-11-01", "draft", "6.00")]


def test_a_draft_that_is_rated_again_is_the_same_draft(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    first = office.invoices.generate("acme", who="ann")
    office.use(acme, "2025-10-16T12:00", 5)
    again = office.invoices.generate("acme", who="ann")
    assert again.invoice.id == first.invoice.id
    office.use(acme, "2025-10-17T12:00", 5)
    rated = office.invoices.rerate("acme", first.invoice.id)
    assert (rated.invoice.id, f"{rated.document.total:f}") == (first.invoice.id, "15.00")
    assert [line.shown.id for line in rated.lines] == [line.shown.id for line in first.lines]
    assert rated.created_at == first.created_at


def test_a_period_can_be_named_and_may_be_asked_to_end_sooner(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    office.use(acme, "2025-10-25T12:00", 6)
    short = office.invoices.generate("acme", at("2025-10-01"), at("2025-10-20"), who="ann")
    assert f"{short.document.total:f}" == "5.00"
    assert office.invoices.rerate("acme", short.invoice.id).invoice.period.end == at("2025-10-20")
    office.close("2025-11-10")
    assert office.said() == [("2025-10-01", "final", "5.00"), ("2025-10-20", "final", "6.00")]


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2025-10-02", None, "one begins at 2025-10-01T00:00:00Z"),
        ("2025-09-01", None, "nothing is invoiced before 2025-10-01T00:00:00Z"),
        ("2025-12-01", None, "has not begun"),
        ("2025-10-01", "2025-11-02", "at most 2025-11-01T00:00:00Z"),
        ("2025-10-01", "2025-10-01", "must be after"),
        ("2025-10-01T00:01", None, "5-minute"),
    ],
)
def test_a_period_that_there_is_none_of_is_refused_with_the_nearest(
    office: Office, start: str, end: str | None, said: str
) -> None:
    office.tenant(plan=office.plan())
    with pytest.raises(Rejected, match=said):
        office.invoices.generate("acme", at(start), at(end) if end else None, who="ann")
    assert office.of() == []


def test_a_closed_period_is_refused(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    office.close()
    with pytest.raises(Conflict, match="everything before 2025-11-01T00:00:00Z is closed"):
        office.invoices.generate("acme", at("2025-10-01"), who="ann")


def test_periods_become_final_in_order_and_after_their_end(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    office.use(acme, "2025-11-05T12:00", 6)
    running = office.invoices.generate("acme", at("2025-11-01"), who="ann")
    with pytest.raises(Conflict, match="it runs until 2025-12-01T00:00:00Z"):
        office.invoices.finalise("acme", running.invoice.id, who="ann")
    office.now = at("2025-12-02")
    with pytest.raises(Conflict, match="the period from 2025-10-01T00:00:00Z is not closed yet"):
        office.invoices.finalise("acme", running.invoice.id, who="ann")
    office.close()
    with pytest.raises(Conflict, match="is final"):
        office.invoices.finalise("acme", running.invoice.id, who="ann")
    assert office.said() == [("2025-10-01", "final", "5.00"), ("2025-11-01", "final", "6.00")]


def test_a_draft_in_the_way_of_another_cycle_is_discarded(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    office.invoices.generate("acme", at("2025-11-01"), who="ann")
    office.details(acme, cycle=BillingCycle("month", date(2025, 10, 15)))
    office.close("2025-12-01T01:05")
    starts = [start for start, status, _ in office.said() if status == "final"]
    assert starts == ["2025-10-15"]
    assert all(one.invoice.status != "draft" for one in office.of())


def test_a_draft_is_discarded_and_an_invoice_is_not(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    draft = office.invoices.generate("acme", who="ann")
    office.invoices.discard("acme", draft.invoice.id)
    assert office.of() == []
    with pytest.raises(NotFound):
        office.invoices.discard("acme", draft.invoice.id)
    office.close()
    (final,) = office.of()
    for refused in (office.invoices.discard, office.invoices.rerate):
        with pytest.raises(Conflict, match="credit note"):
            refused("acme", final.invoice.id)


def test_an_invoice_is_found_by_number_of_its_tenant_only(office: Office) -> None:
    plan = office.plan()
    acme, _ = office.tenant(plan=plan), office.tenant("other", plan=plan)
    office.use(acme, "2025-10-15T12:00", 5)
    office.close()
    assert office.invoices.get(None, "INV-2025-000001") == office.invoices.get("acme", "INV-2025-000001")
    for tenant, ref in (("other", "INV-2025-000001"), (None, "INV-2025-000002"), ("acme", str(new_id()))):
        with pytest.raises(NotFound):
            office.invoices.get(tenant, ref)


def test_nothing_is_sold_by_nobody_to_nobody_whoever_answers_for_it(database_url: str) -> None:
    database = Database(database_url)
    office = Office(database, now="2025-11-10")
    acme = office.tenant(plan=office.plan())
    office.rows("DELETE FROM billing_details RETURNING tenant_id")
    office.use(acme, "2025-10-15T12:00", 5)
    assert office.close().held == 1
    (draft,) = office.of()
    reasons = [hold.reason for hold in office.invoices.holds("acme", draft.invoice.id)]
    assert reasons == [HoldReason.NO_BILLING_ENTITY, HoldReason.NO_BILLING_DETAILS]
    with pytest.raises(Rejected, match="cannot be overridden: name a billing entity"):
        office.invoices.finalise(
            "acme", draft.invoice.id, who="ann", override=Overriding(frozenset(reasons), "no matter")
        )
    database.close()


def test_of_two_that_finalise_a_draft_at_once_one_does(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    draft = office.invoices.generate("acme", who="ann").invoice.id
    barrier = Barrier(4)

    def finalise(_: int) -> str:
        barrier.wait()
        try:
            return office.invoices.finalise("acme", draft, who="ann").invoice.number or ""
        except Conflict as refusal:
            return str(refusal)

    with ThreadPoolExecutor(4) as threads:
        said = sorted(threads.map(finalise, range(4)))
    assert said[0] == "INV-2025-000001"
    assert len([one for one in said if "is final" in one]) == 3
    assert office.rows("SELECT count(*) FROM issued_number") == [(1,)]


class _Breaking(PostgresInvoices):
    """Its process ends where a fact is announced, the last thing that is written."""

    @contextmanager
    def changing(self, account: Account, invoice_id: UUID, period: Period) -> Iterator[PostgresInvoiceBook]:
        with super().changing(account, invoice_id, period) as book:
            yield _BreakingBook(book._connection, new_id)


class _BreakingBook(PostgresInvoiceBook):
    def announce(self, fact: InvoiceFact) -> None:
        raise ConnectionAbortedError(type(fact).__name__)


def test_what_breaks_off_at_the_last_leaves_nothing_and_takes_no_number(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 5)
    breaking = Closing(
        store=_Breaking(office.database, new_id), fold=lambda _: None, clock=office.clock, new_id=new_id
    )
    assert breaking.run(FOR_EVER).finalised == 0
    tables = (
        "invoice",
        "invoice_line",
        "issued_number",
        "invoice_series",
        "posting",
        "closing",
        "credit_grant",
    )
    assert all(office.rows(f"SELECT count(*) FROM {table}") == [(0,)] for table in tables)
    office.close()
    assert [one.invoice.number for one in office.of()] == ["INV-2025-000001"]
