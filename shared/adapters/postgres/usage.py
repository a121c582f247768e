"""Accepted usage in PostgreSQL: inbox key, payload and delta, in one commit."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import psycopg

from shared.adapters.postgres.appending import Entry, append
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.pool import Connection, Database
from shared.adapters.postgres.void_arrivals import is_void, keep_void
from shared.adapters.postgres.windows import GIVEN_UP
from shared.domain.aggregate import Windows
from shared.domain.errors import Conflict
from shared.domain.usage import Part
from shared.service.meter_ports import Metered

T = TypeVar("T")
_NOTE_CONFLICT = b"""
    INSERT INTO usage_conflict AS c (tenant_id, event_key, refused_digest, kept_digest, source, event_id,
                                     first_seen_at, last_seen_at, count)
    SELECT tenant_id, event_key, %(digest)s, digest, %(source)s, %(id)s, %(seen_at)s, %(seen_at)s, 1
    FROM usage_inbox WHERE tenant_id = %(tenant_id)s AND event_key = %(event_key)s
    ON CONFLICT (tenant_id, event_key, refused_digest) DO UPDATE
    SET count = c.count + 1, last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at)
"""
_SHARED_SIZE_MAX = 64_000
"""Characters of a payload; larger ones are worth a commit, and a core, of their own."""
_GROUP_MAX = 64
_PARTITION_LOCK = 0x7061_796C
_PARTITIONS_AHEAD = 2
_UNMETERED = Metered()


class PostgresUsageLog:
    """UsageLog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = GroupCommit(self._write, group_max=_GROUP_MAX)

    def append(self, part: Part, windows: Windows, metered: Metered = _UNMETERED) -> bool:
        entry = Entry(part, part.event_key, windows, _meter_lines(metered), metered.known)
        if entry.size > _SHARED_SIZE_MAX:
            (is_new,) = self._write([entry])
        else:
            is_new = self._together.submit((part.tenant_id, entry.event_key), entry)
        if is_new:
            return True
        kept = self._kept(part)
        if kept == GIVEN_UP:
            self._in_partition([part], lambda: self._keep_void(part, windows))
            self._kept(part)  # another may have come at the same time, with other records
        return kept is None

    def is_known(self, part: Part) -> bool:
        if self._kept(part) is None:
            return False
        with self._database.statement() as connection:
            return not is_void(connection, part.tenant_id, part.event_key)

    def give_up(self, tenant_id: UUID, event_key: UUID, at: datetime) -> None:
        with self._database.statement() as connection:
            connection.execute(
                "INSERT INTO usage_inbox (tenant_id, event_key, digest, received_at) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (tenant_id, event_key, GIVEN_UP, at),
            )
            kept = _digest(connection, tenant_id, event_key)
            if kept != GIVEN_UP and not is_void(connection, tenant_id, event_key):
                no = "the event was counted: void it, or it counts beside its correction"
                raise Conflict.because("id", no)

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
        return self._in_partition([entry.part for entry in entries], lambda: self._append(entries))

    def _in_partition(self, parts: Sequence[Part], store: Callable[[], T]) -> T:
        """`store` of the parts' payloads, once more where there was no partition for them."""
        try:
            return store()
        except psycopg.errors.CheckViolation:
            for day in {part.received_at.astimezone(UTC).date() for part in parts}:
                self.create_partitions(day)
            return store()

    def _append(self, entries: Sequence[Entry]) -> Sequence[bool]:
        with self._database.statement() as connection:
            return append(connection, entries)

    def _kept(self, part: Part) -> bytes | None:
        """The digest under the part's identity; raises Conflict where it is not the part's, nor that of a
        void which has not come."""
        with self._database.statement() as connection:
            kept = _digest(connection, part.tenant_id, part.event_key)
            given_up = kept == GIVEN_UP and not is_void(connection, part.tenant_id, part.event_key)
        if given_up:
            raise Conflict.because("id", f"{part.id!r} of {part.source!r} was given up for its correction")
        if kept not in (None, GIVEN_UP, part.usage.digest):
            raise Conflict.because("id", f"{part.id!r} of {part.source!r} was used before for other records")
        return kept

    def _keep_void(self, part: Part, windows: Windows) -> None:
        with self._database.transaction() as connection:
            keep_void(connection, part, windows)

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


def _meter_lines(metered: Metered) -> str:
    if not metered.windows:
        return ""
    from shared.adapters.postgres.meter_windows import encode

    return encode(metered.windows)


def _digest(connection: Connection, tenant_id: UUID, event_key: UUID) -> bytes | None:
    row = connection.execute(
        "SELECT digest FROM usage_inbox WHERE tenant_id = %s AND event_key = %s", (tenant_id, event_key)
    ).fetchone()
    return bytes(row[0]) if row is not None else None
