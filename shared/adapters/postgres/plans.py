"""Pricing plans and subscriptions in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from shared.adapters.postgres.plan_books import PostgresPlanEditor, PostgresSubscriptionBook, name_is_taken
from shared.adapters.postgres.plan_rows import COLUMNS, SELECTED, note, plan_of, row_of, subscriptions
from shared.adapters.postgres.pool import Database
from shared.adapters.system import new_id
from shared.domain.errors import NotFound
from shared.domain.plan import Plan, Subscription
from shared.domain.plan_change import PlanChange
from shared.service.ports import NewId

_INSERT = f"""
    INSERT INTO pricing_plan ({", ".join(COLUMNS)}) VALUES ({", ".join(["%s"] * len(COLUMNS))})
    ON CONFLICT (id) DO NOTHING RETURNING id
""".encode()
_GET = f"SELECT {SELECTED} FROM pricing_plan p WHERE p.id = %s".encode()
_FIND = f"""
    SELECT {SELECTED} FROM pricing_plan p
    WHERE (p.id = %(id)s OR p.name = %(name)s) AND (p.tenant_id IS NULL OR p.tenant_id = %(tenant_id)s)
    ORDER BY p.id = %(id)s DESC NULLS LAST, p.tenant_id NULLS LAST LIMIT 1
""".encode()
_LIST = f"""
    SELECT {SELECTED} FROM pricing_plan p
    WHERE (p.tenant_id IS NULL OR p.tenant_id = %(tenant_id)s)
      AND (%(after)s::uuid IS NULL OR p.id > %(after)s)
    ORDER BY p.id LIMIT %(limit)s
""".encode()
_CHANGES = b"""
    SELECT at, who, what, plan_id, tenant_id, before, after, id FROM plan_change
    WHERE plan_id = %(plan_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
    ORDER BY id DESC LIMIT %(limit)s
"""


class PostgresPlans:
    """PlanStore."""

    def __init__(self, database: Database, new_id: NewId = new_id) -> None:
        self._database = database
        self._new_id = new_id

    def add(self, plan: Plan, change: PlanChange | None = None) -> None:
        try:
            with self._database.transaction() as connection:
                is_new = connection.execute(_INSERT, row_of(plan)).fetchone() is not None
                if change is not None and is_new:
                    note(connection, self._new_id(), change)
        except UniqueViolation as error:
            raise name_is_taken(plan) from error

    def get(self, plan_id: UUID) -> Plan | None:
        with self._database.statement() as connection:
            row = connection.execute(_GET, (plan_id,)).fetchone()
        return None if row is None else plan_of(row)

    def find(self, ref: str, *, tenant_id: UUID | None) -> Plan | None:
        # No plan has an unprintable name, and not every such text can be sent.
        name = ref if ref.isprintable() else ""
        parameters = {"id": _uuid(ref), "name": name, "tenant_id": tenant_id}
        with self._database.statement() as connection:
            row = connection.execute(_FIND, parameters).fetchone()
        return None if row is None else plan_of(row)

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Plan]:
        parameters = {"tenant_id": tenant_id, "after": after, "limit": limit}
        with self._database.statement() as connection:
            return [plan_of(row) for row in connection.execute(_LIST, parameters)]

    def subscriptions(self, tenant_id: UUID) -> Sequence[Subscription]:
        with self._database.statement() as connection:
            return subscriptions(connection, tenant_id)

    @contextmanager
    def changing(self, tenant_id: UUID) -> Iterator[PostgresSubscriptionBook]:
        with self._database.transaction() as connection:
            connection.execute("SELECT FROM tenant WHERE id = %s FOR NO KEY UPDATE", (tenant_id,))
            yield PostgresSubscriptionBook(connection, tenant_id, self._new_id)

    @contextmanager
    def editing(self, plan_id: UUID) -> Iterator[PostgresPlanEditor]:
        with self._database.transaction() as connection:
            # Locked first: a statement sees what was committed when it began, not while it waited.
            connection.execute("SELECT FROM pricing_plan WHERE id = %s FOR NO KEY UPDATE", (plan_id,))
            row = connection.execute(_GET, (plan_id,)).fetchone()
            if row is None:
                raise NotFound.because("plan", f"no plan '{plan_id}'")
            yield PostgresPlanEditor(connection, plan_of(row), self._new_id)

    def changes(self, plan_id: UUID, *, limit: int, before: UUID | None) -> Sequence[PlanChange]:
        parameters = {"plan_id": plan_id, "before": before, "limit": limit}
        with (
            self._database.statement() as connection,
            connection.cursor(row_factory=class_row(PlanChange)) as cursor,
        ):
            return cursor.execute(_CHANGES, parameters).fetchall()


def _uuid(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None
