"""Tenants and their services in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.errors import Conflict
from shared.domain.tenant import Service, Tenant

_TENANT = """
    SELECT t.id, t.slug, t.name, t.billing_email, t.currency, t.timezone, t.created_at, t.updated_at,
           ARRAY(SELECT alias FROM tenant_alias WHERE tenant_id = t.id AND alias <> t.slug ORDER BY 1)
    FROM tenant t
"""
_INSERT_TENANT = """
    INSERT INTO tenant (id, slug, name, billing_email, currency, timezone, created_at, updated_at)
    VALUES (%(id)s, %(slug)s, %(name)s, %(billing_email)s, %(currency)s, %(timezone)s,
            %(created_at)s, %(updated_at)s)
"""
_SERVICE_COLUMNS = "id, tenant_id, name, namespace, created_at, runtime, memory_limit_mb, cpu_limit_cores"
_INSERT_SERVICE = f"""
    INSERT INTO service ({_SERVICE_COLUMNS})
    VALUES (%(id)s, %(tenant_id)s, %(name)s, %(namespace)s, %(created_at)s, %(runtime)s,
            %(memory_limit_mb)s, %(cpu_limit_cores)s)
""".encode()
_CACHE_MAX = 100_000


class PostgresTenants:
    """TenantDirectory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, ref: str) -> Tenant | None:
        if not ref.isascii() or "\x00" in ref or len(ref) > 64:
            return None
        with self._database.statement() as connection:
            tenants = _fetch(
                connection,
                _TENANT + " WHERE t.id = (SELECT tenant_id FROM tenant_alias WHERE alias = %s) OR t.id = %s",
                (ref, _uuid(ref)),
            )
        return tenants[0] if tenants else None

    def add(self, tenant: Tenant) -> None:
        with self._database.transaction() as connection:
            try:
                connection.execute(_INSERT_TENANT, asdict(tenant))
                for alias in sorted({tenant.slug, *tenant.aliases}):
                    connection.execute(
                        "INSERT INTO tenant_alias (alias, tenant_id) VALUES (%s, %s)", (alias, tenant.id)
                    )
            except psycopg.errors.UniqueViolation as error:
                raise Conflict.because("slug", "the slug or an alias is taken by another tenant") from error

    def list(self, *, limit: int, after: UUID | None) -> Sequence[Tenant]:
        with self._database.statement() as connection:
            return _fetch(
                connection,
                _TENANT + " WHERE %s::uuid IS NULL OR t.id > %s ORDER BY t.id LIMIT %s",
                (after, after, limit),
            )

    def add_service(self, service: Service) -> None:
        with self._database.statement() as connection:
            try:
                connection.execute(_INSERT_SERVICE, asdict(service))
            except psycopg.errors.UniqueViolation as error:
                raise Conflict.because(
                    "name", "the tenant has a service of this namespace and name"
                ) from error

    def list_services(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Service]:
        with (
            self._database.statement() as connection,
            connection.cursor(row_factory=class_row(Service)) as cursor,
        ):
            cursor.execute(
                f"SELECT {_SERVICE_COLUMNS}"
                " FROM service WHERE (%s::uuid IS NULL OR tenant_id = %s) AND (%s::uuid IS NULL OR id > %s)"
                " ORDER BY id LIMIT %s".encode(),
                (tenant_id, tenant_id, after, after, limit),
            )
            return cursor.fetchall()


class CachedTenants(PostgresTenants):
    """Remembers the tenants it found, for the life of a function: for callers that need a tenant's
    identity and slug, which never change."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._found: dict[str, Tenant] = {}

    def find(self, ref: str) -> Tenant | None:
        tenant = self._found.get(ref) or super().find(ref)
        if tenant is not None:
            if len(self._found) >= _CACHE_MAX:
                self._found.clear()
            self._found[ref] = tenant
        return tenant


def _fetch(connection: Connection, query: str, parameters: tuple[Any, ...]) -> list[Tenant]:
    with connection.cursor() as cursor:
        cursor.execute(query.encode(), parameters)
        return [Tenant(*(*row[:8], tuple(row[8]))) for row in cursor]


def _uuid(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None
