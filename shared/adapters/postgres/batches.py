"""Which numbered batches came, noted in the transaction that takes their deltas."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.adapters.postgres.pool import Connection
from shared.domain.batches import Hole, Progress, received, source_key

Sender = tuple[UUID, UUID]
"""A tenant and the key of a source of its."""
Noted = Callable[[int, int], None]
"""Told how many batches were found missing, and how many of the missing have come."""

# The holes do not overlap, so the last one that begins at or before a number is the only one it can be in.
_HOLES = """
    SELECT DISTINCT g.tenant_id, g.source_key, g.first, g.last, g.since
    FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[]) came (tenant_id, source_key, number)
    CROSS JOIN LATERAL (
        SELECT * FROM metering_gap
        WHERE tenant_id = came.tenant_id AND source_key = came.source_key AND first <= came.number
        ORDER BY first DESC LIMIT 1
    ) g
    WHERE g.last >= came.number
    ORDER BY g.first
"""


class TakenBatches:
    """The numbers of the deltas that one transaction took; it holds the fold lock of all their tenants."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._came: dict[Sender, dict[int, datetime]] = {}
        self._sources: dict[Sender, str] = {}

    def add(
        self, tenant_id: UUID, source: str | None, sequence: int | None, received_at: datetime | None
    ) -> None:
        """Batch number `sequence` of a source came; without a number there is nothing to note."""
        if source is None or sequence is None or received_at is None:
            return
        sender = tenant_id, source_key(source)
        self._sources[sender] = source
        self._came.setdefault(sender, {})[sequence] = received_at

    def note(self) -> tuple[int, int]:
        """Store it; how many batches were found missing, and how many of the missing have come."""
        if not self._came:
            return 0, 0
        senders = sorted(self._came)
        before = self._stored(senders)
        after = {sender: received(before[sender], self._came[sender]) for sender in senders}
        self._save(senders, before, after)
        missed = found = 0
        for sender in senders:
            highest = before[sender].highest
            beyond = sum(hole.size for hole in after[sender].holes if hole.first > highest)
            missed += beyond
            found += before[sender].missing - (after[sender].missing - beyond)
        return missed, found

    def _stored(self, senders: Iterable[Sender]) -> dict[Sender, Progress]:
        """What was there; of the holes, those that one of the numbers lies in."""
        found = {sender: Progress() for sender in senders}
        rows = self._connection.execute(
            "SELECT tenant_id, source_key, highest FROM usage_source"
            " JOIN unnest(%s::uuid[], %s::uuid[]) k (tenant_id, source_key) USING (tenant_id, source_key)",
            _columns(found),
        )
        for tenant_id, key, highest in rows:
            found[tenant_id, key] = Progress(highest)
        late = [
            (*sender, number)
            for sender, numbers in self._came.items()
            for number in numbers
            if number <= found[sender].highest
        ]
        if late:
            for tenant_id, key, *hole in self._connection.execute(_HOLES.encode(), _columns(late)):
                highest, holes = found[tenant_id, key]
                found[tenant_id, key] = Progress(highest, (*holes, Hole(*hole)))
        return found

    def _save(
        self, senders: Iterable[Sender], before: dict[Sender, Progress], after: dict[Sender, Progress]
    ) -> None:
        self._connection.execute(
            "INSERT INTO usage_source (tenant_id, source_key, source, highest)"
            " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bigint[])"
            " ON CONFLICT (tenant_id, source_key) DO UPDATE SET highest = excluded.highest",
            _columns((*sender, self._sources[sender], after[sender].highest) for sender in senders),
        )
        old = {(*sender, *hole) for sender in senders for hole in before[sender].holes}
        new = {(*sender, *hole) for sender in senders for hole in after[sender].holes}
        if gone := old - new:
            self._connection.execute(
                "DELETE FROM metering_gap WHERE (tenant_id, source_key, first) IN"
                " (SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[]))",
                _columns(row[:3] for row in gone),
            )
        if opened := sorted(new - old):
            self._connection.execute(
                "INSERT INTO metering_gap (tenant_id, source_key, first, last, since) SELECT * FROM"
                " unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::timestamptz[])",
                _columns(opened),
            )


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return list(map(list, zip(*rows, strict=True)))
