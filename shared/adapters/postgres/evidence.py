"""What stands behind bills in PostgreSQL: the windows of a span, and the payloads that touch it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres.folding import StoredPayload
from shared.adapters.postgres.pool import Connection, Database
from shared.domain.aggregate import SeriesName
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.period import Period
from shared.domain.usage import AHEAD_S_MAX
from shared.domain.windows import WindowSize, cover
from shared.service.evidence import CoveringWindow, PartPlace, StoredPart, WindowPlace

_IN_SPAN = """
    unnest(%(sizes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        AS range (size, range_start, range_end)
    JOIN usage_window w ON w.tenant_id = %(tenant_id)s AND w.window_size = size
        AND w.window_start >= range_start AND w.window_start < range_end
        AND (%(service_id)s::uuid IS NULL OR w.service_id = %(service_id)s)
"""
_TOTAL = f"""
    SELECT {", ".join(f"{'sum' if name in SUMS else 'max'}({name})" for name in NUMBERS)} FROM {_IN_SPAN}
""".encode()
_PLACE = "w.window_start, w.service_id, w.revision_id"
_WINDOWS = f"""
    SELECT window_size, {_PLACE}, service.namespace, service.name, revision.name, {", ".join(NUMBERS)}
    FROM {_IN_SPAN}
    JOIN service ON (service.tenant_id, service.id) = (w.tenant_id, w.service_id)
    JOIN revision ON (revision.tenant_id, revision.id) = (w.tenant_id, w.revision_id)
    WHERE {{fact}} <> 0 AND (%(after_start)s::timestamptz IS NULL
        OR ({_PLACE}) > (%(after_start)s, %(after_service)s::uuid, %(after_revision)s::uuid))
    ORDER BY {_PLACE} LIMIT %(limit)s
"""
# A part has touched its windows at most AHEAD_S_MAX before it came, so older partitions are not looked at; in
# the others the index on the times that payloads touch gives a page in order.
_PARTS = b"""
    SELECT touches_from, touches_until, event_key, received_at, source, event_id, recorded_at,
           EXISTS (SELECT FROM usage_void v WHERE (v.tenant_id, v.event_key) = (p.tenant_id, p.event_key))
    FROM payload p
    WHERE tenant_id = %(tenant_id)s AND seq = 1 AND touches_from < %(end)s AND touches_until > %(start)s
        AND received_at >= %(came_from)s
        AND (%(after_from)s::timestamptz IS NULL OR (touches_from, touches_until, event_key, received_at)
            > (%(after_from)s, %(after_until)s::timestamptz, %(after_key)s::uuid, %(after_at)s::timestamptz))
    ORDER BY touches_from, touches_until, event_key, received_at LIMIT %(limit)s
"""
_BODIES = b"""
    SELECT body, recorded_at, received_at FROM payload
    WHERE tenant_id = %s AND event_key = %s AND received_at = %s ORDER BY seq
"""


class ConnectionEvidence:
    """EvidenceView, in the snapshot of a connection's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def service_name(self, tenant_id: UUID, service_id: UUID) -> tuple[str, str] | None:
        row = self._connection.execute(
            "SELECT namespace, name FROM service WHERE (tenant_id, id) = (%s, %s)", (tenant_id, service_id)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def total(self, tenant_id: UUID, span: Period, service_id: UUID | None) -> WindowFacts:
        row = self._connection.execute(_TOTAL, _covered(tenant_id, span, service_id)).fetchone()
        assert row is not None, "an aggregate without GROUP BY has one row"
        return WindowFacts.of((int(value or 0) for value in row), {})

    def windows(
        self,
        tenant_id: UUID,
        span: Period,
        service_id: UUID | None,
        fact: str,
        *,
        limit: int,
        after: WindowPlace | None,
    ) -> Sequence[CoveringWindow]:
        assert fact in NUMBERS
        start, service, revision = after or (None, None, None)
        parameters = _covered(tenant_id, span, service_id) | {
            "after_start": start,
            "after_service": service,
            "after_revision": revision,
            "limit": limit,
        }
        rows = self._connection.execute(_WINDOWS.format(fact=fact).encode(), parameters)
        return [
            CoveringWindow(
                WindowSize(size),
                WindowPlace(*row[:3]),
                SeriesName(*row[3:6]),
                WindowFacts.of(map(int, row[6:]), {}),
            )
            for size, *row in rows
        ]

    def parts(
        self, tenant_id: UUID, span: Period, *, limit: int, after: PartPlace | None
    ) -> Sequence[StoredPart]:
        touches_from, touches_until, event_key, received_at = after or (None, None, None, None)
        rows = self._connection.execute(
            _PARTS,
            {
                "tenant_id": tenant_id,
                "start": span.start,
                "end": span.end,
                "came_from": span.start - timedelta(seconds=AHEAD_S_MAX),
                "after_from": touches_from,
                "after_until": touches_until,
                "after_key": event_key,
                "after_at": received_at,
                "limit": limit,
            },
        )
        return [StoredPart(PartPlace(*row[:4]), *row[4:]) for row in rows]

    def payloads(self, tenant_id: UUID, part: StoredPart) -> Sequence[StoredPayload]:
        _, _, event_key, received_at = part.place
        rows = self._connection.execute(_BODIES, (tenant_id, event_key, received_at))
        return [StoredPayload(*row) for row in rows]


class PostgresEvidence:
    """EvidenceReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[ConnectionEvidence]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield ConnectionEvidence(connection)


def _covered(tenant_id: UUID, span: Period, service_id: UUID | None) -> dict[str, Any]:
    ranges = tuple(cover(*span))
    return {
        "tenant_id": tenant_id,
        "service_id": service_id,
        "sizes": [of.size.value for of in ranges],
        "starts": [of.start for of in ranges],
        "ends": [of.end for of in ranges],
    }
