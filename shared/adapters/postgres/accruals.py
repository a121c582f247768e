"""Accrued cost in PostgreSQL: one tenant at a time, in one snapshot."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from psycopg import IsolationLevel, Rollback
from psycopg.errors import SerializationFailure
from psycopg.types.json import Jsonb

from shared.adapters.postgres import outbox, plan_rows
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.totals import ConnectionTotals
from shared.domain.cost import AccruedCost
from shared.domain.errors import Unavailable
from shared.domain.events import Fact
from shared.domain.plan import Subscription
from shared.service.ports import NewId

_ATTEMPTS_MAX = 20
# Of one row a tenant in each table: how many windows there are does not matter.
_BEHIND = """
    SELECT u.tenant_id FROM tenant_usage u LEFT JOIN accrual_cursor c USING (tenant_id)
    WHERE u.sequence > coalesce(c.usage_sequence, 0)
        AND EXISTS (SELECT FROM subscription s WHERE s.tenant_id = u.tenant_id AND s.plan_id IS NOT NULL)
    ORDER BY random()
"""
"""In no order: tenants that take long and fail must not come first in every sweep."""
_LOCK_TIMEOUT = b"SET LOCAL lock_timeout = '3s'"
"""A holder that is lost or asleep must not take a function's threads one by one."""


class PostgresAccruals:
    """AccrualStore. Raises Unavailable where other accruals of the tenant keep getting in first."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    def behind(self) -> Sequence[UUID]:
        with self._database.statement() as connection:
            return [tenant_id for (tenant_id,) in connection.execute(_BEHIND)]

    @contextmanager
    def locked(self, tenant_id: UUID) -> Iterator["PostgresAccrual"]:
        with ExitStack() as stack:
            connection, cursor = self._lock(stack, tenant_id)
            yield PostgresAccrual(connection, tenant_id, cursor, self._new_id)

    def _lock(self, stack: ExitStack, tenant_id: UUID) -> tuple[Connection, int]:
        """A transaction that holds the tenant's cursor, entered into `stack`; and where the cursor is.

        The snapshot is taken before the lock is waited for: where another accrual moved the cursor
        meanwhile, PostgreSQL refuses, and the next attempt sees what it left.
        """
        for _ in range(_ATTEMPTS_MAX):
            with ExitStack() as attempt:
                connection = attempt.enter_context(self._database.transaction(IsolationLevel.REPEATABLE_READ))
                try:
                    cursor = _lock_cursor(connection, tenant_id)
                except SerializationFailure:
                    raise Rollback from None
                stack.push(attempt.pop_all())
                return connection, cursor
        raise Unavailable(f"the accrual of tenant {tenant_id} was overtaken {_ATTEMPTS_MAX} times")


class PostgresAccrual(ConnectionTotals):
    """Accrual."""

    def __init__(self, connection: Connection, tenant_id: UUID, cursor: int, new_id: NewId) -> None:
        super().__init__(connection)
        self._tenant_id = tenant_id
        self._cursor = cursor
        self._new_id = new_id

    def changed_days(self) -> Sequence[tuple[date, int]]:
        rows = self._connection.execute(
            "SELECT day, sequence FROM usage_change WHERE tenant_id = %s AND sequence > %s ORDER BY day",
            (self._tenant_id, self._cursor),
        )
        return [(day, sequence) for day, sequence in rows]

    def subscriptions(self) -> Sequence[Subscription]:
        return plan_rows.subscriptions(self._connection, self._tenant_id)

    def accrued_amount(self, period_start: datetime) -> Decimal | None:
        row = self._connection.execute(
            "SELECT amount FROM accrued_cost WHERE tenant_id = %s AND period_start = %s",
            (self._tenant_id, period_start),
        ).fetchone()
        return None if row is None else row[0]

    def save(self, cost: AccruedCost) -> None:
        self._connection.execute(
            "INSERT INTO accrued_cost (tenant_id, period_start, period_end, currency, plan_id, amount, lines,"
            " usage_sequence, as_of) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (tenant_id, period_start) DO UPDATE SET period_end = excluded.period_end,"
            " currency = excluded.currency, plan_id = excluded.plan_id, amount = excluded.amount,"
            " lines = excluded.lines, usage_sequence = excluded.usage_sequence, as_of = excluded.as_of",
            (
                cost.tenant_id,
                *cost.period,
                cost.currency,
                cost.plan.id,
                cost.amount,
                Jsonb([line.to_dict() for line in cost.lines]),
                cost.usage_sequence,
                cost.as_of,
            ),
        )

    def announce(self, fact: Fact, now: datetime) -> None:
        outbox.add(self._connection, [(self._new_id(), fact)], now)

    def move_cursor(self, sequence: int) -> None:
        self._connection.execute(
            "UPDATE accrual_cursor SET usage_sequence = %s WHERE tenant_id = %s", (sequence, self._tenant_id)
        )


def _lock_cursor(connection: Connection, tenant_id: UUID) -> int:
    """Where the tenant's accrual is, 0 at first; locked until the transaction ends."""
    connection.execute(_LOCK_TIMEOUT)
    row = connection.execute(
        "SELECT usage_sequence FROM accrual_cursor WHERE tenant_id = %s FOR UPDATE", (tenant_id,)
    ).fetchone()
    if row is not None:
        return int(row[0])
    connection.execute(
        "INSERT INTO accrual_cursor (tenant_id, usage_sequence) VALUES (%s, 0) ON CONFLICT DO NOTHING",
        (tenant_id,),
    )
    return 0
