"""Usage as it was recorded: the validated record, in whole units, and the part it came in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

RECORDS_MAX = 1_000
DATA_BYTES_MAX = 768 * 1024
HTTP_RECORDS_MAX = 50_000
HTTP_BYTES_MAX = 16 * 1024 * 1024

INVOCATIONS_MAX = 10**9
DURATION_NS_MAX = 7 * 86_400 * 10**9
"""Per invocation: seven days."""
MEMORY_BYTES_MAX = 1_048_576 * 2**20
"""Per invocation: 1,048,576 MiB."""
CPU_NS_MAX = EGRESS_BYTES_MAX = 2**63 - 1
"""Of a record: 292 years of one core, 8 EiB."""
PROVISIONED_NS_MAX = 7 * 86_400 * 10**9
"""Of a record: seven days."""
AHEAD_S_MAX = 300
"""How far a record's timestamp may lie ahead of its arrival."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What lies before is a clock that was never set."""
LABELS_MAX = 64
TEXT_MAX = 256
"""Characters of a name, a revision, a label or a label's value."""

DEFAULT_NAMESPACE = "default"
DEFAULT_REVISION = "rev-unknown"


class UsageRecord(NamedTuple):
    """Invocations of one revision of one service that ended at one instant.

    `ended_at` is UTC, truncated to microseconds, and decides the window. `duration_ns`, `cpu_ns` and
    `egress_bytes` are totals of the record; `memory_bytes` is per invocation. `durations_ns`, where
    given, holds one entry per invocation and sums to `duration_ns`. `provisioned_ns` is capacity held
    from `started_at` on, billed whether used or not.

    A tuple, since a frozen dataclass takes 1.2 µs longer to make: a third of reading a record.
    """

    service_name: str
    ended_at: datetime
    namespace: str = DEFAULT_NAMESPACE
    revision: str = DEFAULT_REVISION
    invocations: int = 1
    duration_ns: int = 0
    durations_ns: tuple[int, ...] | None = None
    memory_bytes: int = 0
    cold_starts: int = 0
    errors: int = 0
    cpu_ns: int = 0
    egress_bytes: int = 0
    started_at: datetime | None = None
    provisioned_ns: int = 0


@dataclass(frozen=True, slots=True)
class DecodedUsage:
    """The records of one part, checked and decoded.

    `digest` is SHA-256 over the records as sent, before defaults are filled in, whatever their
    envelope and white space. `tenant_refs` are the records' own `tenant_id`s (each must resolve to the
    part's tenant). `duplicates` counts records dropped for repeating a `request_id` with equal content.
    """

    records: Sequence[UsageRecord]
    digest: bytes
    tenant_refs: frozenset[str] = frozenset()
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What a sender posted at once for one tenant: the unit of deduplication, identified by (source, id).

    `bodies` are the payload texts kept verbatim, each one record or `{"records": [...]}`, in order;
    `recorded_at` is the time of records that carry none (the event's `time`, else its arrival);
    `sequence` is the number, from 1 on, that the source gave the part, where it numbers them.
    """

    source: str
    id: str
    tenant_id: UUID
    received_at: datetime
    recorded_at: datetime
    usage: DecodedUsage
    bodies: tuple[str, ...] = field(repr=False)
    sequence: int | None = None

    @property
    def event_key(self) -> UUID:
        return event_key(self.source, self.id)


def event_key(source: str, id: str) -> UUID:
    """16 bytes of SHA-256 over the length-prefixed (source, id): ("a-b", "c") is not ("a", "b-c")."""
    s, i = source.encode(), id.encode()
    return UUID(bytes=sha256(len(s).to_bytes(4) + s + len(i).to_bytes(4) + i).digest()[:16])
