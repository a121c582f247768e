"""What may be wrong with a period's usage, in PostgreSQL; and the dead letters that are copied there."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.invoicing.holds import Hold, HoldReason
from shared.domain.period import Period
from shared.service.invoicing.held_letters import HeldLetter

_STORE: Final = UUID(int=0)
"""No tenant's: its rows say when the letters were last read, and that they cannot be."""
_HELD: Final = {
    HoldReason.DEAD_LETTERS: """
        SELECT count(*) FROM dead_letter_held
        WHERE tenant_id = ANY(%(tenant_ids)s) AND time >= %(start)s AND time < %(until)s
    """,
    # Those of the period are known where they were read after its end, and could be the last time.
    HoldReason.DEAD_LETTERS_UNREADABLE: """
        SELECT (count(*) FILTER (WHERE id = 'read' AND time >= %(end)s) <> count(*) OR count(*) = 0)::integer
        FROM dead_letter_held WHERE tenant_id = %(store)s
    """,
    # Of those kept and not taken back since; what was refused says nothing of its time.
    HoldReason.USAGE_CONFLICTS: """
        SELECT count(*) FROM usage_conflict c
        WHERE c.tenant_id = ANY(%(tenant_ids)s)
          AND NOT EXISTS (
            SELECT FROM usage_void v WHERE (v.tenant_id, v.event_key) = (c.tenant_id, c.event_key))
          AND EXISTS (
            SELECT FROM payload p WHERE (p.tenant_id, p.event_key) = (c.tenant_id, c.event_key)
              AND p.touches_from < %(end)s AND p.touches_until > %(start)s)
    """,
    HoldReason.METERING_GAPS: """
        SELECT coalesce(sum(last - first + 1), 0) FROM metering_gap
        WHERE tenant_id = ANY(%(tenant_ids)s) AND since >= %(start)s AND since < %(until)s
    """,
    HoldReason.DELTAS_PUT_ASIDE: """
        SELECT count(*) FROM usage_delta_aside d
        WHERE d.tenant_id = ANY(%(tenant_ids)s) AND (
            EXISTS (SELECT FROM payload p WHERE (p.tenant_id, p.event_key) = (d.tenant_id, d.event_key)
                      AND p.touches_from < %(end)s AND p.touches_until > %(start)s)
            OR NOT EXISTS (
                SELECT FROM payload p WHERE (p.tenant_id, p.event_key) = (d.tenant_id, d.event_key)))
    """,
}
_FIND = f"SELECT {', '.join(f'({query})' for query in _HELD.values())}".encode()
_COPY = b"""
    INSERT INTO dead_letter_held (tenant_id, id, type, time, reason)
    SELECT a.tenant_id, l.id, l.type, l.time, l.reason
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
        l (tenant, id, type, time, reason)
    JOIN tenant_alias a ON a.alias = l.tenant
    UNION
    SELECT t.id, l.id, l.type, l.time, l.reason
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
        l (tenant, id, type, time, reason)
    JOIN tenant t ON t.id::text = l.tenant
    ON CONFLICT DO NOTHING
"""
_NOTE = b"""
    INSERT INTO dead_letter_held (tenant_id, id, type, time, reason) VALUES (%s, %s, '', %s, %s)
    ON CONFLICT (tenant_id, id) DO UPDATE SET (time, reason) = (EXCLUDED.time, EXCLUDED.reason)
"""


def find(
    connection: Connection, tenant_ids: Iterable[UUID], period: Period, until: datetime
) -> Sequence[Hold]:
    """What is wrong with usage of the period, and with what came from its start until then."""
    of = {
        "tenant_ids": list(tenant_ids),
        "start": period.start,
        "end": period.end,
        "until": until,
        "store": _STORE,
    }
    row = connection.execute(_FIND, of).fetchone()
    assert row is not None
    return [Hold(reason, int(count)) for reason, count in zip(_HELD, row, strict=True) if count]


class PostgresHeldLetters:
    """HeldLetters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, letters: Sequence[HeldLetter], at: datetime) -> None:
        columns = [list(map(_storable, column)) for column in zip(*letters, strict=True)]
        columns = columns or [[] for _ in HeldLetter._fields]
        with self._database.transaction() as connection:
            ids = columns[HeldLetter._fields.index("id")]
            connection.execute("DELETE FROM dead_letter_held WHERE NOT id = ANY(%s)", (ids,))
            connection.execute(_COPY, (*columns, *columns))
            connection.execute(_NOTE, (_STORE, "read", at, ""))

    def cannot_be_read(self, at: datetime, reason: str) -> None:
        with self._database.statement() as connection:
            connection.execute(_NOTE, (_STORE, "unreadable", at, reason))


def _storable(value: object) -> object:
    return value.replace("\0", "") if isinstance(value, str) else value
