"""Changes of plans and subscriptions in PostgreSQL, each in one transaction with the note of who made it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from shared.adapters.postgres.plan_rows import add_version, note, subscriptions
from shared.adapters.postgres.pool import Connection
from shared.domain.errors import Conflict, Fault, NotFound
from shared.domain.plan import Plan, PlanVersion, Subscription
from shared.domain.plan_change import PlanChange
from shared.domain.windows import EPOCH
from shared.service.ports import NewId

_INSERT = (
    "INSERT INTO subscription (tenant_id, starts_at, plan_id)"
    " VALUES (%s, coalesce(%s, '-infinity'::timestamptz), %s)"
)
# The cursor goes back to where these days had not changed yet: they are accrued again. Where there is none,
# an accrual may be about to leave one: it is waited for. In order, so as not to deadlock.
_RESTATE = """
    INSERT INTO accrual_cursor AS c (tenant_id, usage_sequence)
    SELECT DISTINCT tenant_id, 0 FROM usage_change
    WHERE tenant_id IN ({}) AND day >= %(since)s::timestamptz::date ORDER BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET usage_sequence = least(c.usage_sequence, (
        SELECT min(u.sequence) - 1 FROM usage_change u
        WHERE u.tenant_id = c.tenant_id AND u.day >= %(since)s::timestamptz::date))
"""
_RESTATE_TENANT = _RESTATE.format("%(tenant_id)s").encode()
_RESTATE_HOLDERS = _RESTATE.format("SELECT tenant_id FROM subscription WHERE plan_id = %(plan_id)s").encode()


class PostgresSubscriptionBook:
    """SubscriptionBook."""

    def __init__(self, connection: Connection, tenant_id: UUID, new_id: NewId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._new_id = new_id

    def history(self) -> Sequence[Subscription]:
        return subscriptions(self._connection, self._tenant_id)

    def cancel_from(self, instant: datetime | None) -> None:
        self._connection.execute(
            "DELETE FROM subscription"
            " WHERE tenant_id = %s AND starts_at >= coalesce(%s, '-infinity'::timestamptz)",
            (self._tenant_id, instant),
        )

    def cancel_at(self, instant: datetime) -> None:
        self._connection.execute(
            "DELETE FROM subscription WHERE tenant_id = %s AND starts_at = %s", (self._tenant_id, instant)
        )

    def add(self, subscription: Subscription) -> None:
        plan = subscription.plan
        try:
            self._connection.execute(_INSERT, (self._tenant_id, subscription.starts_at, plan.id))
        except ForeignKeyViolation as error:
            raise NotFound.because("plan_id", f"no plan {plan.name!r}") from error

    def end(self, instant: datetime) -> None:
        self._connection.execute(_INSERT, (self._tenant_id, instant, None))

    def restate(self, since: datetime | None) -> None:
        self._connection.execute(_RESTATE_TENANT, {"tenant_id": self._tenant_id, "since": since or EPOCH})

    def note(self, change: PlanChange) -> None:
        note(self._connection, self._new_id(), change)


class PostgresPlanEditor:
    """PlanEditor."""

    def __init__(self, connection: Connection, plan: Plan, new_id: NewId) -> None:
        self._connection = connection
        self._plan = plan
        self._new_id = new_id

    @property
    def plan(self) -> Plan:
        return self._plan

    def save(self, plan: Plan) -> None:
        try:
            self._connection.execute(
                "UPDATE pricing_plan SET name = %s, active = %s WHERE id = %s",
                (plan.name, plan.active, plan.id),
            )
        except UniqueViolation as error:
            raise name_is_taken(plan) from error

    def add_version(self, version: PlanVersion) -> None:
        add_version(self._connection, self._plan.id, version)

    def delete(self) -> None:
        try:
            self._connection.execute("DELETE FROM pricing_plan WHERE id = %s", (self._plan.id,))
        except ForeignKeyViolation as error:
            raise Conflict.because(
                "plan", f"plan {self._plan.name!r} has or had subscribers: deactivate it"
            ) from error

    def restate(self, since: datetime) -> None:
        self._connection.execute(_RESTATE_HOLDERS, {"plan_id": self._plan.id, "since": since})

    def note(self, change: PlanChange) -> None:
        note(self._connection, self._new_id(), change)


def name_is_taken(plan: Plan) -> Conflict:
    return Conflict(Fault("name", f"there is a plan {plan.name!r} already"))
