"""Plans, versions and subscriptions as rows."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.pool import Connection
from shared.domain.money import exact_text
from shared.domain.plan import Plan, PlanVersion, Subscription, history_of
from shared.domain.plan_change import PlanChange
from shared.domain.plan_document import FLAT_COLUMNS, plan_from_dict, short_form
from shared.domain.rating.kinds import read_price

COLUMNS = ("id", "name", "tenant_id", "currency", *FLAT_COLUMNS, "prices", "created_at", "active")
_VERSIONS = """
    (SELECT json_agg(json_build_array(v.number, v.prices, v.created_at, v.effective_from, v.immediate)
                     ORDER BY v.number)
     FROM plan_version v WHERE v.plan_id = p.id)
"""
SELECTED = f"{', '.join(f'p.{name}' for name in COLUMNS)}, {_VERSIONS}"
"""Of `pricing_plan p`, as `plan_of` reads it."""
_SUBSCRIPTIONS = f"""
    SELECT nullif(s.starts_at, '-infinity'), {SELECTED}
    FROM subscription s LEFT JOIN pricing_plan p ON p.id = s.plan_id
    WHERE s.tenant_id = %s ORDER BY s.starts_at
""".encode()


def subscriptions(connection: Connection, tenant_id: UUID) -> Sequence[Subscription]:
    """A tenant's subscriptions in order of time."""
    rows = connection.execute(_SUBSCRIPTIONS, (tenant_id,))
    return history_of((starts_at, plan_of(row) if row[0] else None) for starts_at, *row in rows)


def row_of(plan: Plan) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    flat, rest = short_form(plan.prices)
    return (
        plan.id,
        plan.name,
        plan.tenant_id,
        plan.currency,
        *flat.values(),
        Jsonb([price.to_dict() for price in rest]),
        plan.created_at,
        plan.active,
    )


def plan_of(row: Sequence[Any]) -> Plan:
    *first, versions = row
    columns = dict(zip(COLUMNS, first, strict=True))
    for name in FLAT_COLUMNS:
        if columns[name] is not None:
            columns[name] = exact_text(Fraction(columns[name]))
    for name in ("id", "tenant_id"):
        columns[name] = columns[name] and str(columns[name])
    plan = plan_from_dict(columns | {"created_at": columns["created_at"].isoformat()})
    for version in versions or ():
        plan = plan.with_version(_version_of(*version))
    return plan


def add_version(connection: Connection, plan_id: UUID, version: PlanVersion) -> None:
    connection.execute(
        "INSERT INTO plan_version (plan_id, number, effective_from, immediate, prices, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            plan_id,
            version.number,
            version.effective_from,
            version.immediate,
            Jsonb([price.to_dict() for price in version.prices]),
            version.created_at,
        ),
    )


def note(connection: Connection, id: UUID, change: PlanChange) -> None:
    connection.execute(
        "INSERT INTO plan_change (id, at, who, what, plan_id, tenant_id, before, after)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            id,
            change.at,
            change.who,
            change.what,
            change.plan_id,
            change.tenant_id,
            change.before and Jsonb(change.before),
            change.after and Jsonb(change.after),
        ),
    )


def _version_of(
    number: int, prices: Sequence[object], created_at: str, effective_from: str, immediate: bool
) -> PlanVersion:
    return PlanVersion(
        number,
        tuple(read_price(price, f"prices[{index}]") for index, price in enumerate(prices)),
        datetime.fromisoformat(created_at),
        datetime.fromisoformat(effective_from),
        immediate,
    )
