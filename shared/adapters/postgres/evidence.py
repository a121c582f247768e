"""What stands behind bills in PostgreSQL: the windows of a span, and the payloads that touch it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import IsolationLevel

from shared.adapters.postgres import meter_evidence
from shared.adapters.postgres.dimensions import declarations_of, require_declared
from shared.adapters.postgres.folding import StoredPayload
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.totals import USED, WHERE, chosen, used_in
from shared.domain.aggregate import SeriesName
from shared.domain.dimensions import Declarations
from shared.domain.facts import NUMBERS, SUMS, WindowFacts
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.windows import MeterFacts, admitted
from shared.domain.period import Period
from shared.domain.usage import AHEAD_S_MAX
from shared.domain.windows import WindowSize
from shared.service.evidence_ports import CoveringWindow, PartPlace, Scope, StoredPart, WindowPlace

_USED = f"""
    WITH w AS (
        SELECT usage_window.* {USED} AND (%(service_id)s::uuid IS NULL OR service_id = %(service_id)s)
        {{where}}
    )
"""
_TOTAL = f"""
    {_USED} SELECT {", ".join(f"{'sum' if name in SUMS else 'max'}({name})" for name in NUMBERS)} FROM w
"""
_PLACE = "w.window_start, w.service_id, w.revision_id"
_WINDOWS = f"""
    {_USED}
    SELECT window_size, {_PLACE}, coalesce(revision.base_id, revision.id), service.namespace, service.name,
           revision.name, revision.dimensions, {", ".join(NUMBERS)}
    FROM w
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
        # Read once for a page: they are looked up for each payload, or each record.
        self._values = cache(self._read_values)
        self._meter_values = cache(self._read_meter_values)

    def service_name(self, tenant_id: UUID, service_id: UUID) -> tuple[str, str] | None:
        row = self._connection.execute(
            "SELECT namespace, name FROM service WHERE (tenant_id, id) = (%s, %s)", (tenant_id, service_id)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def meter(self, tenant_id: UUID, name: str) -> MeterDefinition | None:
        return meter_evidence.meter_named(self._connection, tenant_id, name)

    def require_known(self, scope: Scope, meter: MeterDefinition | None) -> None:
        if meter is not None:
            meter_evidence.require_known(self._connection, scope, meter)
        elif scope.where:
            require_declared(self._connection, scope.tenant_id, scope.where.labels, *scope.whole)

    def declarations(self, tenant_id: UUID) -> Declarations:
        rows = self._connection.execute(
            "SELECT declared_from, labels FROM tenant_dimension WHERE tenant_id = %s ORDER BY declared_from",
            (tenant_id,),
        )
        return declarations_of(rows)

    def admit(self, tenant_id: UUID, label: str, seen: Collection[str]) -> Mapping[str, str]:
        return admitted(self._values(tenant_id, label), seen)

    def admit_of(self, tenant_id: UUID, meter_id: UUID, label: str, value: str) -> str:
        return admitted(self._meter_values(tenant_id, meter_id, label), [value])[value]

    def total(self, scope: Scope) -> WindowFacts:
        query = _TOTAL.format(where=WHERE if scope.where else "").encode()
        row = self._connection.execute(query, _parameters(scope)).fetchone()
        assert row is not None, "an aggregate without GROUP BY has one row"
        return WindowFacts.of((int(value or 0) for value in row), {})

    def windows(
        self, scope: Scope, fact: str, *, limit: int, after: WindowPlace | None
    ) -> Sequence[CoveringWindow[WindowFacts]]:
        assert fact in NUMBERS
        start, service, revision, _ = after or (None, None, None, None)
        parameters = _parameters(scope) | {
            "after_start": start,
            "after_service": service,
            "after_revision": revision,
            "limit": limit,
        }
        query = _WINDOWS.format(where=WHERE if scope.where else "", fact=fact).encode()
        return [
            CoveringWindow(
                WindowSize(size),
                WindowPlace(*row[:3]),
                row[3],
                SeriesName(row[4], row[5], row[6], tuple(sorted(row[7].items()))),
                WindowFacts.of(map(int, row[8:]), {}),
            )
            for size, *row in self._connection.execute(query, parameters)
        ]

    def meter_windows(
        self, scope: Scope, meter: MeterDefinition, *, limit: int, after: WindowPlace | None
    ) -> Sequence[CoveringWindow[MeterFacts]]:
        return meter_evidence.windows(self._connection, scope, meter, limit=limit, after=after)

    def meter_sums(self, scope: Scope, meter: MeterDefinition) -> MeterFacts | None:
        return meter_evidence.sums(self._connection, scope, meter)

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

    def _read_values(self, tenant_id: UUID, label: str) -> frozenset[str]:
        rows = self._connection.execute(
            "SELECT value FROM tenant_dimension_value WHERE (tenant_id, label) = (%s, %s)", (tenant_id, label)
        )
        return frozenset(value for (value,) in rows)

    def _read_meter_values(self, tenant_id: UUID, meter_id: UUID, label: str) -> frozenset[str]:
        return meter_evidence.kept_values(self._connection, tenant_id, meter_id, label)


class PostgresEvidence:
    """EvidenceReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[ConnectionEvidence]:
        with self._database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
            yield ConnectionEvidence(connection)


def _parameters(scope: Scope) -> dict[str, Any]:
    return {
        **used_in(scope.tenant_id, scope.spans),
        **chosen(scope.where),
        "service_id": scope.service_id,
    }
