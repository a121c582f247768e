"""Payments, credits and credit notes of one tenant on PostgreSQL, with invoices that are final already."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from shared.adapters.postgres.invoicing import closing, grants, invoice_rows, postings
from shared.adapters.postgres.invoicing.money import PostgresMoney
from shared.adapters.postgres.invoicing.numbers import issue_number, take_number
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id
from shared.domain.invoicing import postings as entries
from shared.domain.invoicing.assembly import Assembled, assemble
from shared.domain.invoicing.basis import Basis, UsageBasis
from shared.domain.invoicing.credits import Grant
from shared.domain.invoicing.invoice import Invoice
from shared.domain.invoicing.lines import LineKey
from shared.domain.invoicing.numbers import Series, counter_of, number_text
from shared.domain.invoicing.parties import BillingEntity
from shared.domain.invoicing.taxes import Rate, Rates
from shared.domain.period import Period
from shared.domain.tenant import Tenant
from shared.service.invoicing.credit_notes import CreditNotes
from shared.service.invoicing.credits import Credits
from shared.service.invoicing.invoice_ports import ClosedUntil, StoredInvoice
from shared.service.invoicing.payments import Payments
from tests.shared.adapters.postgres.rating_rows import add_tenant
from tests.shared.domain.invoicing import made

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
VAT: Rates = (Rate("VAT", Decimal(20)),)


@dataclass
class Till:
    database: Database
    tenant: Tenant
    entity: BillingEntity
    now: datetime = START + 400 * DAY
    periods: int = 0
    invoices: list[str] = field(default_factory=list)
    """Their numbers."""

    def __post_init__(self) -> None:
        store, tenants = PostgresMoney(self.database, new_id), PostgresTenants(self.database)
        self.payments = Payments(money=store, tenants=tenants, clock=self.clock, new_id=new_id)
        self.credits = Credits(money=store, tenants=tenants, clock=self.clock, new_id=new_id)
        self.notes = CreditNotes(money=store, tenants=tenants, clock=self.clock, new_id=new_id)

    def clock(self) -> datetime:
        return self.now

    @property
    def ref(self) -> str:
        return self.tenant.slug

    def final(
        self, *amounts: str, rates: Rates = VAT, of: Sequence[Tenant] = (), at: int | None = None
    ) -> str:
        """A final invoice of the next period with a line of each amount; its number. It is about the usage of
        other tenants `of`, too."""
        place = self.periods if at is None else at
        self.periods = place + 1
        period = Period(START + place * 30 * DAY, START + (place + 1) * 30 * DAY)
        with self.database.transaction() as connection:
            closing.lock(connection, [self.tenant.id, *(tenant.id for tenant in of)])
            number = self._finalise(connection, period, amounts, rates, of)
        self.invoices.append(number)
        return number

    def _finalise(
        self,
        connection: Connection,
        period: Period,
        amounts: Sequence[str],
        rates: Rates,
        of: Sequence[Tenant],
    ) -> str:
        id, currency = new_id(), self.tenant.currency
        counter = counter_of(self.entity, Series.INVOICE, self.now)
        taken = take_number(connection, counter)
        number = number_text(self.entity, counter, taken)
        issue_number(connection, counter, taken, label=number, tenant_id=self.tenant.id, document_id=id)
        lines = [
            replace(
                made.line(Decimal(amount), rates, f"p{n}", id),
                key=LineKey(self.tenant.id, period, made.PLAN, 1, f"p{n}", "", ""),
            )
            for n, amount in enumerate(amounts)
        ]
        heading = made.heading(currency=currency, number=number, invoice_id=id, issued_at=self.now)
        held = grants.remaining(connection, self.tenant.id, lock=True)
        assembled = assemble(replace(heading, period=period), lines, grants=held)
        stored = self._stored(assembled, id, period, rates, of)
        invoice_rows.put_draft(connection, stored)
        invoice = stored.invoice.finalise(assembled.document)
        invoice_rows.finalise(connection, invoice, self.now)
        self._post(connection, assembled, id)
        for tenant in (self.tenant, *of):
            closing.move(connection, tenant.id, ClosedUntil(period.end, 7))
        return number

    def _stored(
        self, assembled: Assembled, id: UUID, period: Period, rates: Rates, of: Sequence[Tenant]
    ) -> StoredInvoice:
        parts = [
            UsageBasis(
                tenant_id=tenant.id,
                section="",
                timezone="UTC",
                period=period,
                subscriptions=(),
                created_at=START,
                sequence=7,
            )
            for tenant in (self.tenant, *of)
        ]
        return StoredInvoice(
            invoice=Invoice(id, self.tenant.id, period, self.tenant.currency),
            document=assembled.document,
            lines=assembled.lines,
            basis=Basis(rates, tuple(parts)),
            billing_entity_id=self.entity.id,
            organisation_id=None,
            rated_sequence=7,
            rated_at=self.now,
            created_at=self.now,
        )

    def _post(self, connection: Connection, assembled: Assembled, id: UUID) -> None:
        about = (self.tenant.id, new_id(), self.now)
        postings.post(connection, *about, entries.issued(assembled.document), source_id=id, invoice_id=id)
        uses = assembled.uses
        ids = grants.use(connection, self.tenant.id, uses, "applied", self.now, id, new_id)
        for use, use_id in zip(uses, ids, strict=True):
            posting = entries.applied(use.amount, self.tenant.currency)
            postings.post(
                connection, self.tenant.id, new_id(), self.now, posting, source_id=use_id, invoice_id=id
            )
        if assembled.carried_over:
            grant = Grant(
                new_id(), "carried_over", "", self.tenant.currency, assembled.carried_over, 0, self.now
            )
            grants.add(connection, self.tenant.id, grant, grant.remaining, "closing", id)

    def stored(self, number: str) -> StoredInvoice:
        with self.database.statement() as connection:
            ((id,),) = connection.execute(
                "SELECT id FROM invoice WHERE tenant_id = %s AND number = %s", (self.tenant.id, number)
            )
            found = invoice_rows.load(connection, self.tenant.id, id)
        assert found is not None
        return found

    def facts(self, kind: str = "InvoicePaid") -> list[dict[str, object]]:
        """What is announced, the oldest first."""
        return [
            data
            for (data,) in self.run(
                "SELECT data::jsonb FROM outbox WHERE tenant_id = %s AND kind = %s ORDER BY id",
                self.tenant.id,
                kind,
            )
            if isinstance(data, dict)
        ]

    def run(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode(), parameters).fetchall()


def till_on(database: Database, currency: str = "RUB") -> Till:
    """Of a tenant and a seller of its own."""
    id = new_id()
    entity = BillingEntity(
        id=id,
        name=str(id)[-12:],
        legal_name="Seller",
        address=(),
        tax_ids=(),
        country="DE",
        timezone="UTC",
        invoice_prefix="INV-",
        credit_note_prefix="CN-",
        grace_s=0,
        payment_terms_days=14,
        bank_details=(),
        email="a@b",
        created_at=START,
    )
    with PostgresParties(database, new_id).changing() as book:
        book.put_entity(entity)
    return Till(database, add_tenant(database, slug=f"t{id.hex[-12:]}", currency=currency), entity)
