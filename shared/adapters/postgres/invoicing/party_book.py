"""Changes of parties to invoices in PostgreSQL, each in one transaction with the note of who made it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb

from shared.adapters.postgres.invoicing import party_rows as rows
from shared.adapters.postgres.pool import Connection
from shared.domain.errors import Conflict, Rejected
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.invoicing.party_change import PartyChange
from shared.service.ports import NewId

_PAYER = "organisation_payer_fkey"
_GONE = {
    "billing_details_entity_fkey": ("billing_entity_id", "the billing entity is gone"),
    "billing_details_organisation_fkey": ("organisation_id", "the organisation is gone"),
}
_OVERLAPPING = f"""
    SELECT {rows.TAX_RATE} FROM tax_rate
    WHERE tenant_id = %(tenant_id)s AND name = %(name)s AND id <> %(id)s
      AND tstzrange(valid_from, valid_until) && tstzrange(%(valid_from)s, %(valid_until)s)
    ORDER BY valid_from NULLS FIRST LIMIT 1
"""


class PostgresPartyBook:
    """PartyBook."""

    def __init__(self, connection: Connection, new_id: NewId) -> None:
        self._connection = connection
        self._new_id = new_id

    def entity(self, entity_id: UUID) -> BillingEntity | None:
        row = self._row(f"SELECT {rows.ENTITY} FROM billing_entity WHERE id = %s FOR UPDATE", entity_id)
        return None if row is None else rows.entity_of(row)

    def put_entity(self, entity: BillingEntity) -> None:
        try:
            self._put("billing_entity", "id", rows.entity_row(entity))
        except UniqueViolation as error:
            raise Conflict.because("name", f"there is a billing entity {entity.name!r} already") from error

    def delete_entity(self, entity: BillingEntity) -> None:
        try:
            self._connection.execute("DELETE FROM billing_entity WHERE id = %s", (entity.id,))
        except ForeignKeyViolation as error:
            said = f"billing entity {entity.name!r} has invoices, or is named in billing details"
            raise Conflict.because("billing_entity", said) from error

    def organisation(self, organisation_id: UUID) -> Organisation | None:
        row = self._row(
            f"SELECT {rows.ORGANISATION} FROM organisation WHERE id = %s FOR UPDATE", organisation_id
        )
        return None if row is None else rows.organisation_of(row)

    def put_organisation(self, organisation: Organisation) -> None:
        try:
            self._put("organisation", "id", rows.organisation_row(organisation))
        except UniqueViolation as error:
            said = f"there is an organisation {organisation.slug!r} already"
            raise Conflict.because("slug", said) from error
        except ForeignKeyViolation as error:
            said = "is none of its tenants: name the organisation in the tenant's billing details first"
            raise Rejected.because("payer_tenant_id", said) from error

    def delete_organisation(self, organisation: Organisation) -> None:
        try:
            self._connection.execute("DELETE FROM organisation WHERE id = %s", (organisation.id,))
        except ForeignKeyViolation as error:
            said = f"organisation {organisation.slug!r} has tenants or invoices"
            raise Conflict.because("organisation", said) from error

    def details(self, tenant_id: UUID) -> BillingDetails | None:
        row = self._row(f"SELECT {rows.DETAILS} FROM billing_details WHERE tenant_id = %s", tenant_id)
        return None if row is None else rows.details_of(row)

    def put_details(self, details: BillingDetails) -> None:
        currency = self._row("SELECT currency FROM tenant WHERE id = %s", details.tenant_id)
        assert currency is not None, "the tenant is locked"
        try:
            self._put("billing_details", "tenant_id", rows.details_row(details) | {"currency": currency[0]})
        except ForeignKeyViolation as error:
            name = error.diag.constraint_name or ""
            if name == _PAYER:
                said = "it pays for the organisation that it would leave: give that another payer first"
                raise Conflict.because("organisation_id", said) from error
            raise Rejected.because(*_GONE[name]) from error

    def tax_rate(self, tenant_id: UUID, rate_id: UUID) -> TaxRate | None:
        query = f"SELECT {rows.TAX_RATE} FROM tax_rate WHERE tenant_id = %s AND id = %s"
        row = self._row(query, tenant_id, rate_id)
        return None if row is None else rows.tax_rate_of(row)

    def put_tax_rate(self, rate: TaxRate) -> None:
        row = rows.tax_rate_row(rate)
        found = self._connection.execute(_OVERLAPPING.encode(), row).fetchone()
        if found is not None:
            other = rows.tax_rate_of(found)
            said = (
                f"{other.name!r} of {other.percent:f} % is valid at the same time,"
                f" from {other.valid_from or 'ever'} until {other.valid_until or 'ever'}: end it first"
            )
            raise Conflict.because("name", said)
        self._put("tax_rate", "tenant_id, id", row)

    def note(self, change: PartyChange) -> None:
        self._connection.execute(
            "INSERT INTO party_change (id, at, who, what, about, before, after)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                self._new_id(),
                change.at,
                change.who,
                change.what,
                change.about,
                change.before and Jsonb(change.before),
                change.after and Jsonb(change.after),
            ),
        )

    def _row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        return self._connection.execute(query.encode(), parameters).fetchone()

    def _put(self, table: str, key: str, row: Mapping[str, object]) -> None:
        """Insert the row, or have the one of that key be as it is."""
        values = ", ".join(f"%({name})s" for name in row)
        changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in row)
        self._connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"
            f" ON CONFLICT ({key}) DO UPDATE SET {changed}".encode(),
            row,
        )
