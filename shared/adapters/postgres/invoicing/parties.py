"""Parties to invoices in PostgreSQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from psycopg.rows import class_row

from shared.adapters.postgres.invoicing import party_rows as rows
from shared.adapters.postgres.invoicing.party_book import PostgresPartyBook
from shared.adapters.postgres.pool import Database
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.invoicing.party_change import PartyChange
from shared.service.invoicing.ports import Member
from shared.service.ports import NewId

_T = TypeVar("_T")
_PAGE = "(%(after)s::uuid IS NULL OR {0} > %(after)s) ORDER BY {0} LIMIT %(limit)s"
_ENTITY_OF = f"""
    SELECT {rows.ENTITY} FROM billing_entity WHERE id = coalesce(
        (SELECT billing_entity_id FROM billing_details WHERE tenant_id = %(tenant_id)s),
        (SELECT (array_agg(id))[1] FROM billing_entity HAVING count(*) = 1))
"""
_MEMBERS = f"""
    SELECT t.id, t.slug, t.name FROM billing_details d JOIN tenant t ON t.id = d.tenant_id
    WHERE d.organisation_id = %(organisation_id)s AND {_PAGE.format("t.id")}
"""
_CHANGES = b"""
    SELECT at, who, what, about, before, after, id FROM party_change
    WHERE about = %(about)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
    ORDER BY id DESC LIMIT %(limit)s
"""


class PostgresParties:
    """PartyStore."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    @contextmanager
    def changing(self, tenant_id: UUID | None = None) -> Iterator[PostgresPartyBook]:
        with self._database.transaction() as connection:
            if tenant_id is not None:
                connection.execute("SELECT FROM tenant WHERE id = %s FOR NO KEY UPDATE", (tenant_id,))
            yield PostgresPartyBook(connection, self._new_id)

    def find_entity(self, ref: str) -> BillingEntity | None:
        query = f"SELECT {rows.ENTITY} FROM billing_entity WHERE id = %(id)s OR name = %(name)s"
        return _first(self._rows(rows.entity_of, query, _named(ref)))

    def entity_of(self, tenant_id: UUID) -> BillingEntity | None:
        return _first(self._rows(rows.entity_of, _ENTITY_OF, {"tenant_id": tenant_id}))

    def entities(self, *, limit: int, after: UUID | None) -> Sequence[BillingEntity]:
        query = f"SELECT {rows.ENTITY} FROM billing_entity WHERE {_PAGE.format('id')}"
        return self._rows(rows.entity_of, query, {"after": after, "limit": limit})

    def find_organisation(self, ref: str) -> Organisation | None:
        query = f"SELECT {rows.ORGANISATION} FROM organisation WHERE id = %(id)s OR slug = %(name)s"
        return _first(self._rows(rows.organisation_of, query, _named(ref)))

    def organisations(self, *, limit: int, after: UUID | None) -> Sequence[Organisation]:
        query = f"SELECT {rows.ORGANISATION} FROM organisation WHERE {_PAGE.format('id')}"
        return self._rows(rows.organisation_of, query, {"after": after, "limit": limit})

    def tenants_of(self, organisation_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Member]:
        parameters = {"organisation_id": organisation_id, "after": after, "limit": limit}
        return self._rows(Member._make, _MEMBERS, parameters)

    def details(self, tenant_id: UUID) -> BillingDetails | None:
        query = f"SELECT {rows.DETAILS} FROM billing_details WHERE tenant_id = %(tenant_id)s"
        return _first(self._rows(rows.details_of, query, {"tenant_id": tenant_id}))

    def tax_rates(self, tenant_id: UUID, *, limit: int, after: UUID | None) -> Sequence[TaxRate]:
        query = (
            f"SELECT {rows.TAX_RATE} FROM tax_rate WHERE tenant_id = %(tenant_id)s AND {_PAGE.format('id')}"
        )
        return self._rows(rows.tax_rate_of, query, {"tenant_id": tenant_id, "after": after, "limit": limit})

    def changes(self, about: UUID, *, limit: int, before: UUID | None) -> Sequence[PartyChange]:
        with (
            self._database.statement() as connection,
            connection.cursor(row_factory=class_row(PartyChange)) as cursor,
        ):
            parameters = {"about": about, "before": before, "limit": limit}
            return cursor.execute(_CHANGES, parameters).fetchall()

    def _rows(
        self, read: Callable[[Sequence[Any]], _T], query: str, parameters: Mapping[str, object]
    ) -> list[_T]:
        with self._database.statement() as connection:
            return [read(row) for row in connection.execute(query.encode(), parameters)]


def _first(found: Sequence[_T]) -> _T | None:
    return found[0] if found else None


def _named(ref: str) -> Mapping[str, object]:
    """Nothing has an unprintable name, and not every such text can be sent."""
    try:
        id = UUID(ref)
    except ValueError:
        id = None
    return {"id": id, "name": ref if ref.isprintable() else ""}
