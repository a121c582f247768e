"""Pricing plans and subscriptions in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.errors import Conflict
from shared.domain.money import exact_text
from shared.domain.plan import Plan, Subscription
from shared.domain.plan_document import FLAT_COLUMNS, plan_from_dict, short_form

_COLUMNS = ("id", "name", "tenant_id", "currency", *FLAT_COLUMNS, "prices", "created_at", "active")
_SELECTED = ", ".join(f"p.{name}" for name in _COLUMNS)
_INSERT = f"""
    INSERT INTO pricing_plan ({", ".join(_COLUMNS)}) VALUES ({", ".join(["%s"] * len(_COLUMNS))})
    ON CONFLICT (id) DO NOTHING
""".encode()
_FIND = f"""
    SELECT {_SELECTED} FROM pricing_plan p
    WHERE (p.id = %(id)s OR p.name = %(name)s) AND (p.tenant_id IS NULL OR p.tenant_id = %(tenant_id)s)
    ORDER BY p.id = %(id)s DESC NULLS LAST, p.tenant_id NULLS LAST LIMIT 1
""".encode()
_LIST = f"""
    SELECT {_SELECTED} FROM pricing_plan p
    WHERE (p.tenant_id IS NULL OR p.tenant_id = %(tenant_id)s)
      AND (%(after)s::uuid IS NULL OR p.id > %(after)s)
    ORDER BY p.id LIMIT %(limit)s
""".encode()
_SUBSCRIPTIONS = f"""
    SELECT nullif(s.starts_at, '-infinity'), {_SELECTED}
    FROM subscription s JOIN pricing_plan p ON p.id = s.plan_id
    WHERE s.tenant_id = %s ORDER BY s.starts_at
""".encode()


class PostgresPlans:
    """PlanStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, plan: Plan) -> None:
        try:
            with self._database.statement() as connection:
                connection.execute(_INSERT, _row(plan))
        except UniqueViolation as error:
            raise Conflict.because("name", f"there is a plan {plan.name!r} already") from error

    def find(self, ref: str, *, tenant_id: UUID | None) -> Plan | None:
        # No plan has an unprintable name, and not every such text can be sent.
        name = ref if ref.isprintable() else ""
        parameters = {"id": _uuid(ref), "name": name, "tenant_id": tenant_id}
        with self._database.statement() as connection:
            row = connection.execute(_FIND, parameters).fetchone()
        return None if row is None else _plan(row)

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Plan]:
        parameters = {"tenant_id": tenant_id, "after": after, "limit": limit}
        with self._database.statement() as connection:
            return [_plan(row) for row in connection.execute(_LIST, parameters)]

    def subscriptions(self, tenant_id: UUID) -> Sequence[Subscription]:
        with self._database.statement() as connection:
            return subscriptions(connection, tenant_id)

    @contextmanager
    def changing(self, tenant_id: UUID) -> Iterator["PostgresSubscriptionBook"]:
        with self._database.transaction() as connection:
            connection.execute("SELECT FROM tenant WHERE id = %s FOR NO KEY UPDATE", (tenant_id,))
            yield PostgresSubscriptionBook(connection, tenant_id)


class PostgresSubscriptionBook:
    """SubscriptionBook."""

    def __init__(self, connection: Connection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def history(self) -> Sequence[Subscription]:
        return subscriptions(self._connection, self._tenant_id)

    def cancel_after(self, instant: datetime) -> None:
        self._connection.execute(
            "DELETE FROM subscription WHERE tenant_id = %s AND starts_at > %s", (self._tenant_id, instant)
        )

    def add(self, subscription: Subscription) -> None:
        self._connection.execute(
            "INSERT INTO subscription (tenant_id, starts_at, plan_id)"
            " VALUES (%s, coalesce(%s, '-infinity'::timestamptz), %s)",
            (self._tenant_id, subscription.starts_at, subscription.plan.id),
        )


def subscriptions(connection: Connection, tenant_id: UUID) -> Sequence[Subscription]:
    """A tenant's subscriptions in order of time."""
    rows = connection.execute(_SUBSCRIPTIONS, (tenant_id,))
    return [Subscription(starts_at, _plan(plan)) for starts_at, *plan in rows]


def _row(plan: Plan) -> tuple[Any, ...]:
    flat, rest = short_form(plan.prices)
    prices = Jsonb([price.to_dict() for price in rest])
    return (
        plan.id,
        plan.name,
        plan.tenant_id,
        plan.currency,
        *flat.values(),
        prices,
        plan.created_at,
        plan.active,
    )


def _plan(row: Sequence[Any]) -> Plan:
    columns = dict(zip(_COLUMNS, row, strict=True))
    for name in FLAT_COLUMNS:
        if columns[name] is not None:
            columns[name] = exact_text(Fraction(columns[name]))
    for name in ("id", "tenant_id"):
        columns[name] = columns[name] and str(columns[name])
    return plan_from_dict(columns | {"created_at": columns["created_at"].isoformat()})


def _uuid(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None
