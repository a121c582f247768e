"""Accepted parts into inbox, payload and delta: any number of them by one statement, which is a transaction.

It is prepared once per connection and sent as it is: for each call psycopg's own way looks at every parameter
anew, which for events of one record was the largest part of our own time (ADR 13).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from struct import Struct
from typing import NamedTuple
from uuid import UUID
from weakref import WeakSet

from psycopg import OperationalError
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from shared.adapters.postgres import delta
from shared.adapters.postgres.pool import Connection
from shared.adapters.postgres.window_rows import array
from shared.adapters.postgres.windows import shard_of
from shared.domain.aggregate import Windows
from shared.domain.usage import Part

_APPEND = """
    WITH part AS MATERIALIZED (
        SELECT * FROM unnest(
            $1::uuid[], $2::uuid[], $3::bytea[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
            $8::timestamptz[], $9::timestamptz[], $10::smallint[], $11::text[], $12::bigint[]{0}
        ) WITH ORDINALITY p (
            tenant_id, event_key, digest, received_at, recorded_at, source, event_id,
            touches_from, touches_until, shard, delta, batch_number{1}, n)
    ), inbox AS (
        -- In the order of the key, so that two processes that write the same keys wait, and do not deadlock.
        INSERT INTO usage_inbox (tenant_id, event_key, digest, received_at)
        SELECT tenant_id, event_key, digest, received_at FROM part ORDER BY tenant_id, event_key
        ON CONFLICT DO NOTHING RETURNING tenant_id, event_key
    ), new AS MATERIALIZED (
        SELECT part.* FROM part JOIN inbox USING (tenant_id, event_key)
    ), payloads AS (
        INSERT INTO payload (tenant_id, event_key, seq, received_at, recorded_at, source, event_id,
                             touches_from, touches_until, body)
        SELECT tenant_id, event_key, seq, received_at, recorded_at, source, event_id,
               touches_from, touches_until, body
        FROM new JOIN unnest($13::int[], $14::int[], $15::text[]) b (n, seq, body) USING (n)
    ), deltas AS (
        INSERT INTO usage_delta (tenant_id, event_key, shard, delta, batch_source, batch_number, batch_at{1})
        SELECT tenant_id, event_key, shard, delta, CASE WHEN batch_number > 0 THEN source END, batch_number,
               CASE WHEN batch_number > 0 THEN received_at END{2}
        FROM new
    )
    SELECT n FROM new
"""
_STATEMENTS = {
    b"append": _APPEND.format("", "", "").encode(),
    b"append_metered": _APPEND.format(
        ", $16::text[], $17::bigint[]", ", meters, meters_known", ", nullif(meters, ''), meters_known"
    ).encode(),
}
"""Without custom meters, which most have none of, there is nothing to send for them."""
_TEXT, _BINARY = 0, 1
_TEXT_OID = 25
_ARRAY_HEAD = Struct("!5i").pack
_LENGTH = Struct("!i").pack


class Entry(NamedTuple):
    """A part, its key, and the windows it adds to; those of custom meters as lines, by the meters that were
    known."""

    part: Part
    event_key: UUID
    windows: Windows
    meters: str = ""
    meters_known: int = 0

    @property
    def size(self) -> int:
        """Characters of the payload."""
        return sum(map(len, self.part.bodies))


_prepared: dict[bytes, WeakSet[Connection]] = {name: WeakSet() for name in _STATEMENTS}


def append(connection: Connection, entries: Sequence[Entry]) -> list[bool]:
    """Which of them are new, all committed; raises psycopg's errors, and nothing is stored then.

    No two of them may have the same identity.
    """
    are_metered = any(entry.meters_known for entry in entries)
    name = b"append_metered" if are_metered else b"append"
    parameters = _parameters(entries, are_metered=are_metered)
    if connection not in _prepared[name]:
        _prepare(connection, name)
    try:
        result = _checked(connection, connection.pgconn.exec_prepared(name, *parameters))
    except InvalidSqlStatementName:  # psycopg lets go of all that is prepared when a table is altered
        _prepare(connection, name)
        result = _checked(connection, connection.pgconn.exec_prepared(name, *parameters))
    new = {int(result.get_value(row, 0) or b"") for row in range(result.ntuples)}
    return [n in new for n in range(1, len(entries) + 1)]


def _prepare(connection: Connection, name: bytes) -> None:
    _checked(connection, connection.pgconn.prepare(name, _STATEMENTS[name]))
    _prepared[name].add(connection)


def _parameters(entries: Sequence[Entry], *, are_metered: bool) -> tuple[list[bytes], list[int]]:
    parts = [entry.part for entry in entries]
    bodies = [(n, seq, body) for n, part in enumerate(parts, 1) for seq, body in enumerate(part.bodies, 1)]
    columns: list[str | bytes] = [
        array(part.tenant_id.hex for part in parts),
        array(entry.event_key.hex for entry in entries),
        array(f'"\\\\x{part.usage.digest.hex()}"' for part in parts),
        _instants(part.received_at for part in parts),
        _instants(part.recorded_at for part in parts),
        _text_array([part.source for part in parts]),
        _text_array([part.id for part in parts]),
        _instants(min(key.start for key in entry.windows) for entry in entries),
        _instants(max(key.end for key in entry.windows) for entry in entries),
        array(str(shard_of(part.tenant_id)) for part in parts),
        _text_array([delta.encode(entry.windows) for entry in entries]),
        array("NULL" if part.sequence is None else str(part.sequence) for part in parts),
        array(str(n) for n, _, _ in bodies),
        array(str(seq) for _, seq, _ in bodies),
        _text_array([body for _, _, body in bodies]),
    ]
    if are_metered:
        columns.append(_text_array([entry.meters for entry in entries]))
        columns.append(array(str(entry.meters_known) for entry in entries))
    return (
        [column if isinstance(column, bytes) else column.encode() for column in columns],
        [_BINARY if isinstance(column, bytes) else _TEXT for column in columns],
    )


def _instants(instants: Iterable[datetime]) -> str:
    return array(f'"{instant}"' for instant in instants)


def _text_array(texts: Sequence[str]) -> bytes:
    """As PostgreSQL writes arrays itself: what senders choose needs no quotes there."""
    pieces = [_ARRAY_HEAD(1, 0, _TEXT_OID, len(texts), 1)]
    for text in texts:
        raw = text.encode()
        pieces += _LENGTH(len(raw)), raw
    return b"".join(pieces)


def _checked(connection: Connection, result: PGresult) -> PGresult:
    """Raises what psycopg would have raised."""
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return result
    if connection.pgconn.status == ConnStatus.BAD:
        raise OperationalError(result.get_error_message())
    raise error_from_result(result)
