"""Rows of invoices, for the tests of what the database itself refuses."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.invoicing.numbers import issue_number, take_number
from shared.adapters.postgres.invoicing.parties import PostgresParties
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.system import new_id
from shared.domain.invoicing.numbers import Counter, Series
from shared.domain.invoicing.parties import BillingEntity
from shared.domain.period import Period
from tests.shared.adapters.postgres.rating_rows import add_tenant

AT = datetime(2025, 12, 1, 2, tzinfo=UTC)
NOVEMBER = Period(datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC))
MIDDLE = Period(NOVEMBER.start + timedelta(days=15), NOVEMBER.end + timedelta(days=15))
DECEMBER = Period(NOVEMBER.end, datetime(2026, 1, 1, tzinfo=UTC))
_INVOICE = """
    INSERT INTO invoice (tenant_id, id, status, period_start, period_end, currency, net, tax_total,
                         carried_over, total,
                         credits_applied, amount_due, rated_sequence, created_at, rated_at)
    VALUES (%s, %s, 'draft', %s, %s, 'RUB', 100, 20, 0, 120, 0, 120, 7, %s, %s)
"""
_FINALISE = """
    UPDATE invoice SET status = 'final', billing_entity_id = %s, number = %s, issued_at = %s, due_at = %s,
                       document = '{}', basis = %s
    WHERE tenant_id = %s AND id = %s
"""
_LINE = """
    INSERT INTO invoice_line (tenant_id, invoice_id, id, position, kind, usage_tenant_id, period_start,
                              period_end, price, meter, part, currency, amount)
    VALUES (%s, %s, %s, 0, 'usage', %s, %s, %s, 'calls', 'invocations', '', %s, 100)
"""


@dataclass(frozen=True, slots=True)
class Books:
    """A seller and a tenant, in roubles, with the invoices between them."""

    database: Database
    entity_id: UUID
    tenant_id: UUID

    @property
    def invoices_of_2025(self) -> Counter:
        return Counter(self.entity_id, Series.INVOICE, 2025)

    def draft(
        self, connection: Connection, period: Period = NOVEMBER, *, tenant_id: UUID | None = None
    ) -> UUID:
        invoice_id = new_id()
        connection.execute(_INVOICE.encode(), (tenant_id or self.tenant_id, invoice_id, *period, AT, AT))
        return invoice_id

    def line(self, connection: Connection, invoice_id: UUID, id: str, *, currency: str = "RUB") -> None:
        of = (self.tenant_id, invoice_id, id, self.tenant_id, *NOVEMBER, currency)
        connection.execute(_LINE.encode(), of)

    def finalise(self, connection: Connection, invoice_id: UUID) -> str:
        number = take_number(connection, self.invoices_of_2025)
        label = f"INV-2025-{number:06}"
        issue_number(
            connection,
            self.invoices_of_2025,
            number,
            label=label,
            tenant_id=self.tenant_id,
            document_id=invoice_id,
        )
        due_at = AT + timedelta(days=14)
        connection.execute(
            _FINALISE.encode(),
            (self.entity_id, label, AT, due_at, Jsonb({}), self.tenant_id, invoice_id),
        )
        return label

    def final(self, period: Period = NOVEMBER) -> UUID:
        with self.database.transaction() as connection:
            invoice_id = self.draft(connection, period)
            self.line(connection, invoice_id, "a")
            self.finalise(connection, invoice_id)
        return invoice_id

    def void(self, invoice_id: UUID) -> None:
        with self.database.statement() as connection:
            connection.execute(
                "UPDATE invoice SET status = 'void', voided_at = %s, void_reason = 'wrong'"
                " WHERE tenant_id = %s AND id = %s",
                (AT, self.tenant_id, invoice_id),
            )

    def post(self, invoice_id: UUID, *entries: tuple[str, str, Decimal], declared: int | None = None) -> UUID:
        """(account, currency, amount) each."""
        posting_id = new_id()
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO posting (tenant_id, id, at, kind, source_id, invoice_id, entries)"
                " VALUES (%s, %s, %s, 'invoice', %s, %s, %s)",
                (self.tenant_id, posting_id, AT, new_id(), invoice_id, declared or len(entries)),
            )
            for position, (account, currency, amount) in enumerate(entries):
                self.enter(connection, posting_id, position, account, currency, amount)
        return posting_id

    def enter(
        self,
        connection: Connection,
        posting_id: UUID,
        position: int,
        account: str,
        currency: str,
        amount: Decimal,
    ) -> None:
        connection.execute(
            "INSERT INTO posting_entry (tenant_id, posting_id, position, account, currency, amount)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (self.tenant_id, posting_id, position, account, currency, amount),
        )


def books_on(database: Database) -> Books:
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
        created_at=AT,
    )
    with PostgresParties(database, new_id).changing() as book:
        book.put_entity(entity)
    return Books(database, id, add_tenant(database, slug=f"t{id.hex[-12:]}").id)


def run(database: Database, query: str, *parameters: object) -> list[tuple[object, ...]]:
    with database.statement() as connection:
        cursor = connection.execute(query.encode(), parameters)
        return cursor.fetchall() if cursor.description else []
