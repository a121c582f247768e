"""Which numbered batches came, noted in the transaction that takes their deltas."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from shared.adapters.postgres.pool import Connection
from shared.domain.batches import Hole, Progress, received, source_key

logger = logging.getLogger(__name__)

T = TypeVar("T")
Sender = tuple[UUID, UUID]
"""A tenant and the key of a source of its."""
Noted = Callable[[int, int], None]
"""Told how many batches were found missing, and how many of the missing have come."""

_MAY_PASS = psycopg.OperationalError, psycopg.InterfaceError
_NUMBERS_LOGGED_MAX = 100

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
        """Store it; how many batches were found missing, and how many of the missing have come.

        What is billed does not wait for this. Where something cannot be stored, the transaction goes on
        without it: the rest is stored row by row, and errors in the log name the numbers that are not. A gap
        that cannot be stored is never listed; what came is listed as missing only where the row of its
        source cannot be written, or that of the gap it was in not be deleted. Raises what may pass, such as
        a lost connection: the deltas are taken again then.
        """
        if not self._came:
            return 0, 0
        senders = sorted(self._came)
        try:
            with self._connection.transaction():
                return self._note(senders)
        except _MAY_PASS:
            raise
        except Exception:
            logger.exception("the batches of %d sources cannot be noted at once", len(senders))
        noted = [self._note_by_row(sender) for sender in senders]
        return sum(missed for missed, _ in noted), sum(found for _, found in noted)

    def _note(self, senders: Sequence[Sender]) -> tuple[int, int]:
        before = self._stored(senders)
        after = {sender: received(before[sender], self._came[sender]) for sender in senders}
        self._set_highest((sender, after[sender].highest) for sender in senders)
        closed = self._close([(sender, hole) for sender in senders for hole in before[sender].holes])
        split = self._open(
            [(s, hole) for s in senders for hole in after[s].holes if hole.first <= before[s].highest]
        )
        missed = self._open(
            [(s, hole) for s in senders for hole in after[s].holes if hole.first > before[s].highest]
        )
        return missed, closed - split

    def _note_by_row(self, sender: Sender) -> tuple[int, int]:
        """What can be stored of one source."""
        came = sorted(self._came[sender])
        progress = self._tried(
            sender, came, "came but will be listed as missing", partial(self._advance, sender)
        )
        if progress is None:
            return 0, 0
        before, after = progress
        found = 0
        for hole in before.holes:
            inside = [number for number in came if hole.first <= number <= hole.last]
            close = partial(self._close, [(sender, hole)])
            closed = self._tried(sender, inside, "came but stay listed as missing", close)
            if closed is not None:
                parts = [part for part in after.holes if hole.first <= part.first <= hole.last]
                found += closed - sum(self._list(sender, part) for part in parts)
        missed = sum(self._list(sender, hole) for hole in after.holes if hole.first > before.highest)
        return missed, found

    def _advance(self, sender: Sender) -> tuple[Progress, Progress]:
        """The progress of a source before and after, of which the highest number is stored."""
        before = self._stored([sender])[sender]
        after = received(before, self._came[sender])
        self._set_highest([(sender, after.highest)])
        return before, after

    def _list(self, sender: Sender, hole: Hole) -> int:
        """How many batches are listed as missing that were not."""
        open = partial(self._open, [(sender, hole)])
        ends = [hole.first, hole.last]
        return self._tried(sender, ends, "are the ends of a gap that cannot be listed", open) or 0

    def _tried(
        self, sender: Sender, numbers: Sequence[int], otherwise: str, store: Callable[[], T]
    ) -> T | None:
        """None where it cannot be stored, and nothing of it is; then the log says what becomes of it."""
        try:
            with self._connection.transaction():
                return store()
        except _MAY_PASS:
            raise
        except Exception as error:
            shown = [*numbers[:_NUMBERS_LOGGED_MAX], *(["…"] if len(numbers) > _NUMBERS_LOGGED_MAX else [])]
            named = ", ".join(map(str, shown)), self._sources[sender], sender[0]
            logger.error("batches %s of source %r of tenant %s %s: %r", *named, otherwise, error)
            return None

    def _stored(self, senders: Sequence[Sender]) -> dict[Sender, Progress]:
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
            for sender in senders
            for number in self._came[sender]
            if number <= found[sender].highest
        ]
        if late:
            for tenant_id, key, *hole in self._connection.execute(_HOLES.encode(), _columns(late)):
                highest, holes = found[tenant_id, key]
                found[tenant_id, key] = Progress(highest, (*holes, Hole(*hole)))
        return found

    def _set_highest(self, highest: Iterable[tuple[Sender, int]]) -> None:
        self._connection.execute(
            "INSERT INTO usage_source (tenant_id, source_key, source, highest)"
            " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bigint[])"
            " ON CONFLICT (tenant_id, source_key) DO UPDATE SET highest = excluded.highest",
            _columns((*sender, self._sources[sender], number) for sender, number in highest),
        )

    def _close(self, holes: Sequence[tuple[Sender, Hole]]) -> int:
        """The holes are no more; how many batches were missing in them."""
        if holes:
            self._connection.execute(
                "DELETE FROM metering_gap WHERE (tenant_id, source_key, first) IN"
                " (SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[]))",
                _columns((*sender, hole.first) for sender, hole in holes),
            )
        return sum(hole.size for _, hole in holes)

    def _open(self, holes: Sequence[tuple[Sender, Hole]]) -> int:
        """The holes are there; how many batches are missing in them."""
        if holes:
            self._connection.execute(
                "INSERT INTO metering_gap (tenant_id, source_key, first, last, since) SELECT * FROM"
                " unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::timestamptz[])",
                _columns((*sender, *hole) for sender, hole in holes),
            )
        return sum(hole.size for _, hole in holes)


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return list(map(list, zip(*rows, strict=True)))
