"""A void invoice and the closing of periods: what was on it is invoiced again, and once."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.adapters.postgres.invoicing.money import PostgresMoney
from shared.adapters.postgres.pool import Database
from shared.adapters.system import new_id
from shared.domain.errors import Conflict
from shared.domain.tenant import Tenant
from shared.service.invoicing.credits import Credits
from shared.service.invoicing.payments import Payments
from tests.shared.service.invoicing.office import Office

VOLUME: dict[str, object] = {
    "kind": "volume",
    "name": "calls",
    "meter": "invocations",
    "tiers": [{"up_to": "160", "amount": "1"}, {"up_to": None, "amount": "0.25"}],
}


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    database = Database(database_url)
    office = Office(database)
    office.seller()
    yield office
    database.close()


def void(office: Office, tenant: Tenant, place: int = -1) -> None:
    payments = Payments(
        money=PostgresMoney(office.database, new_id),
        tenants=office.tenants,
        clock=office.clock,
        new_id=new_id,
    )
    standing = [one for one in office.of(tenant) if one.invoice.number and one.void_reason is None]
    payments.void(tenant.slug, standing[place].document.number, "Wrong", who="admin")


def standing(office: Office, tenant: Tenant) -> list[tuple[str, str, str]]:
    return [said for said in office.said(tenant) if said[1] != "void"]


def credit_of(office: Office, tenant: Tenant) -> list[Decimal]:
    credits = Credits(
        money=PostgresMoney(office.database, new_id),
        tenants=office.tenants,
        clock=office.clock,
        new_id=new_id,
    )
    return [one.grant.remaining for one in credits.list(tenant.slug, limit=9)]


def test_the_next_tick_invoices_the_period_again_as_its_usage_is_by_then(office: Office) -> None:
    acme = office.tenant(plan=office.plan())
    office.use(acme, "2025-10-15T12:00", 150)
    office.close("2025-11-01T01:05")
    void(office, acme)
    office.use(acme, "2025-10-16T12:00", 30)
    assert office.close("2025-11-02T01:05").finalised == 1
    assert standing(office, acme) == [("2025-10-01", "final", "180.00")]
    assert [one.invoice.number for one in office.of(acme)] == ["INV-2025-000001", "INV-2025-000002"]


def test_adjustments_on_a_void_invoice_are_made_again(office: Office) -> None:
    acme = office.tenant(plan=office.plan(VOLUME))  # type: ignore[arg-type]
    office.use(acme, "2025-10-15T12:00", 150)
    office.close("2025-11-01T01:05")
    office.use(acme, "2025-10-16T12:00", 30)
    office.use(acme, "2025-11-15T12:00", 120)
    office.close("2025-12-01T01:05")
    before = standing(office, acme)
    assert before == [("2025-10-01", "final", "150.00"), ("2025-11-01", "final", "15.00")]
    void(office, acme)
    office.close("2025-12-01T02:05")
    assert standing(office, acme) == before
    with pytest.raises(Conflict, match="is followed by INV-2025-000003"):
        void(office, acme, 0)


def test_what_a_void_invoice_carried_over_is_carried_over_once(office: Office) -> None:
    acme = office.tenant(plan=office.plan(VOLUME))  # type: ignore[arg-type]
    office.use(acme, "2025-10-15T12:00", 150)
    office.close("2025-11-01T01:05")
    office.use(acme, "2025-10-16T12:00", 30)
    office.use(acme, "2025-11-15T12:00", 10)
    office.close("2025-12-01T01:05")
    assert credit_of(office, acme) == [Decimal("95.00")]
    void(office, acme)
    assert credit_of(office, acme) == [Decimal(0)]
    office.close("2025-12-01T02:05")
    assert standing(office, acme)[1] == ("2025-11-01", "paid", "0.00")
    assert credit_of(office, acme) == [Decimal(0), Decimal("95.00")]


def test_all_of_an_organisation_are_invoiced_again(office: Office) -> None:
    plan = office.plan()
    payer, other = office.tenant(plan=plan), office.tenant("other", plan=plan)
    office.organisation(payer, other)
    office.use(payer, "2025-10-15T12:00", 10)
    office.use(other, "2025-10-15T12:00", 5)
    office.close("2025-11-01T01:05")
    void(office, payer)
    office.use(other, "2025-10-16T12:00", 7)
    office.close("2025-11-01T02:05")
    assert standing(office, payer) == [("2025-10-01", "final", "22.00")]
