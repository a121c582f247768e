"""Published answers about when an invoice is due, over real usage."""

from collections.abc import Iterator
from datetime import date

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict
from shared.domain.invoicing.cycle import BillingCycle
from tests.shared.service.invoicing.office import CALLS, FEE, Office


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    database = Database(database_url, pool_size_max=4)
    office = Office(database, "2026-05-23T00:00")
    office.seller()
    yield office
    database.close()


def test_c27_a_week_in_paris_is_invoiced_once_though_its_day_has_begun_there(office: Office) -> None:
    acme = office.tenant(created="2026-05-23", plan=office.plan(FEE), zone="Europe/Paris")
    office.details(acme, cycle=BillingCycle("week", date(2026, 5, 23)))
    office.use(acme, "2026-05-25T12:00", 7)
    assert office.close("2026-05-30T20:00").finalised == 1
    assert office.close("2026-05-30T23:00").finalised == 0
    assert [start for start, status, _ in office.said(acme) if status == "final"] == ["2026-05-22"]


def test_c33_thirty_days_of_a_million_calls_are_one_invoice_of_the_month(office: Office) -> None:
    million = {**CALLS, "amount": "17.28", "per": "1000000", "included": "1000000"}
    acme = office.tenant(created="2026-05-31T21:00", plan=office.plan(million), zone="Europe/Moscow")
    for day in range(1, 31):
        office.use(acme, f"2026-06-{day:02}T12:00", 1_000_000)
    assert office.close("2026-07-01T01:05").finalised == 1
    assert office.said(acme) == [("2026-05-31", "final", "501.12")]


def test_dead_letters_that_nobody_has_looked_at_hold_an_invoice(office: Office) -> None:
    acme = office.tenant(created="2026-05-01", plan=office.plan())
    office.use(acme, "2026-05-15T12:00", 5)
    office.execute("DELETE FROM dead_letter_held")
    assert office.close("2026-06-01T01:05").held == 1
    (draft,) = office.of(acme)
    with pytest.raises(Conflict, match="the dead letters cannot be read"):
        office.invoices.finalise("acme", draft.invoice.id, who="ann")
    office.letters.replace([], office.now)
    assert office.close("2026-06-01T02:05").finalised == 1
