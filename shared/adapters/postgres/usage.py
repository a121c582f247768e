"""Accepted usage in PostgreSQL: inbox key, payload and delta, in one commit."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg

from shared.adapters.postgres.appending import Entry, append
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.windows import GIVEN_UP
from shared.domain.aggregate import Windows
from shared.domain.errors import Conflict
from shared.domain.usage import Part

_NOTE_CONFLICT = b"""
    INSERT INTO usage_conflict AS c (tenant_id, event_key, refused_digest, kept_digest, source, event_id,
                                     first_seen_at, last_seen_at, count)
    SELECT tenant_id, event_key, %(digest)s, digest, %(source)s, %(id)s, %(seen_at)s, %(seen_at)s, 1
    FROM usage_inbox WHERE tenant_id = %(tenant_id)s AND event_key = %(event_key)s
    ON CONFLICT (tenant_id, event_key, refused_digest) DO UPDATE
    SET count = c.count + 1, last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at)
"""
_SHARED_SIZE_MAX = 16_000
"""Characters of a payload; larger ones are worth a commit, and a core, of their own."""
_GROUP_MAX = 64
_PARTITION_LOCK = 0x7061_796C
_PARTITIONS_AHEAD = 2


class PostgresUsageLog:
    """UsageLog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = GroupCommit(self._write, group_max=_GROUP_MAX)

    def append(self, part: Part, windows: Windows) -> bool:
        entry = Entry(part, part.event_key, windows)
        if entry.size > _SHARED_SIZE_MAX:
            (is_new,) = self._write([entry])
        else:
            is_new = self._together.submit((part.tenant_id, entry.event_key), entry)
        return is_new or not self.is_known(part)

    def is_known(self, part: Part) -> bool:
        with self._database.statement() as connection:
            return _is_known(connection, part)

    def give_up(self, tenant_id: UUID, event_key: UUID, at: datetime) -> None:
        with self._database.statement() as connection:
            connection.execute(
                "INSERT INTO usage_inbox (tenant_id, event_key, digest, received_at) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (tenant_id, event_key, GIVEN_UP, at),
            )
            kept = _digest(connection, tenant_id, event_key)
        if kept != GIVEN_UP:
            raise Conflict.because("id", "the event was counted: void it, or it counts beside its correction")

    def note_conflict(self, part: Part) -> None:
        with self._database.statement() as connection:
            connection.execute(
                _NOTE_CONFLICT,
                {
                    "tenant_id": part.tenant_id,
                    "event_key": part.event_key,
                    "digest": part.usage.digest,
                    "source": part.source,
                    "id": part.id,
                    "seen_at": part.received_at,
                },
            )

    def _write(self, entries: Sequence[Entry]) -> Sequence[bool]:
        try:
            return self._append(entries)
        except psycopg.errors.CheckViolation:
            for day in {entry.part.received_at.astimezone(UTC).date() for entry in entries}:
                self.create_partitions(day)
            return self._append(entries)

    def _append(self, entries: Sequence[Entry]) -> Sequence[bool]:
        with self._database.statement() as connection:
            return append(connection, entries)

    def create_partitions(self, day: date) -> None:
        """Make sure that payloads that arrive on `day` and the next days have a partition."""
        with self._database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_PARTITION_LOCK,))
            for n in range(_PARTITIONS_AHEAD + 1):
                start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=n)
                name = f"payload_{start:%Y%m%d}"
                exists = connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()
                if exists is not None and exists[0] is not None:
                    continue
                # Attaching lets inserts into other partitions go on; CREATE … PARTITION OF would not.
                connection.execute(f"CREATE TABLE {name} (LIKE payload INCLUDING ALL)".encode())
                connection.execute(
                    f"ALTER TABLE payload ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ('{start.isoformat()}')"
                    f" TO ('{(start + timedelta(days=1)).isoformat()}')".encode()
                )


def _is_known(connection: Connection, part: Part) -> bool:
    kept = _digest(connection, part.tenant_id, part.event_key)
    if kept == GIVEN_UP:
        raise Conflict.because("id", f"{part.id!r} of {part.source!r} was given up for its correction")
    if kept is not None and kept != part.usage.digest:
        raise Conflict.because("id", f"{part.id!r} of {part.source!r} was used before for other records")
    return kept is not None


def _digest(connection: Connection, tenant_id: UUID, event_key: UUID) -> bytes | None:
    row = connection.execute(
        "SELECT digest FROM usage_inbox WHERE tenant_id = %s AND event_key = %s", (tenant_id, event_key)
    ).fetchone()
    return bytes(row[0]) if row is not None else None
