"""Usage that comes after it was voided: kept as it was sent, and never counted."""

from uuid import UUID

from shared.adapters.postgres.batches import TakenBatches
from shared.adapters.postgres.pool import Connection
from shared.adapters.postgres.windows import GIVEN_UP, shard_of
from shared.domain.aggregate import Windows
from shared.domain.usage import Part

_TAKE = """
    UPDATE usage_inbox SET digest = %s, received_at = %s
    WHERE tenant_id = %s AND event_key = %s AND digest = %s RETURNING event_key
"""
_KEEP = b"""
    INSERT INTO payload (tenant_id, event_key, seq, received_at, recorded_at, source, event_id,
                         touches_from, touches_until, body)
    SELECT %s, %s, seq, %s, %s, %s, %s, %s, %s, body FROM unnest(%s::text[]) WITH ORDINALITY b (body, seq)
"""


def is_void(connection: Connection, tenant_id: UUID, event_key: UUID) -> bool:
    found = connection.execute(
        "SELECT FROM usage_void WHERE tenant_id = %s AND event_key = %s", (tenant_id, event_key)
    )
    return found.fetchone() is not None


def keep_void(connection: Connection, part: Part, windows: Windows) -> None:
    """Store a part that was voided before it came, unless it is stored; that its number came is noted.

    Nothing but the delta is missing then of what a part leaves that was voided after it came. Within the
    caller's transaction.
    """
    # As a fold would: what numbers came is changed under its lock only.
    connection.execute("SELECT FROM fold_shard WHERE shard = %s FOR UPDATE", (shard_of(part.tenant_id),))
    identity = part.tenant_id, part.event_key
    taken = connection.execute(_TAKE, (part.usage.digest, part.received_at, *identity, GIVEN_UP))
    if taken.fetchone() is None:
        return
    touches = min(key.start for key in windows), max(key.end for key in windows)
    origin = part.received_at, part.recorded_at, part.source, part.id
    connection.execute(_KEEP, (*identity, *origin, *touches, list(part.bodies)))
    connection.execute(
        "UPDATE usage_void SET received_at = %s WHERE tenant_id = %s AND event_key = %s",
        (part.received_at, *identity),
    )
    if part.sequence is not None:
        batches = TakenBatches(connection)
        batches.add(part.tenant_id, part.source, part.sequence, part.received_at)
        batches.note()
