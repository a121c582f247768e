"""What is wrong with the usage that came, or did not: gaps in what senders number, and reused identities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class GapPosition(NamedTuple):
    """Where a gap stands in the list: by tenant, source and first missing number."""

    tenant_id: UUID
    source_key: UUID
    first: int


@dataclass(frozen=True, slots=True)
class MeteringGap:
    """Batches `first` to `last` of a source, both included, that have not come though a later one has.

    `highest` is the last number seen of the source; `since` is when the batch behind the gap came.
    """

    tenant_id: UUID
    tenant: str
    source_key: UUID
    source: str
    highest: int
    first: int
    last: int
    since: datetime

    @property
    def position(self) -> GapPosition:
        return GapPosition(self.tenant_id, self.source_key, self.first)


class ConflictPosition(NamedTuple):
    """Where a conflict stands in the list: the newest come first."""

    first_seen_at: datetime
    tenant_id: UUID
    event_key: UUID
    refused_digest: bytes


@dataclass(frozen=True, slots=True)
class UsageConflict:
    """An identity, (source, id), that came again with other records than those accepted under it.

    The digests are SHA-256 over the records as sent: of those kept, and of those refused `count` times.
    """

    tenant_id: UUID
    tenant: str
    event_key: UUID
    source: str
    event_id: str
    kept_digest: bytes
    refused_digest: bytes
    first_seen_at: datetime
    last_seen_at: datetime
    count: int

    @property
    def position(self) -> ConflictPosition:
        return ConflictPosition(self.first_seen_at, self.tenant_id, self.event_key, self.refused_digest)


class Oversight(Protocol):
    def gaps(
        self, tenant_id: UUID | None, *, limit: int, after: GapPosition | None = None
    ) -> Sequence[MeteringGap]:
        """Open gaps, of all tenants where none is named, from the one behind `after`."""

    def conflicts(
        self, tenant_id: UUID | None, *, limit: int, after: ConflictPosition | None = None
    ) -> Sequence[UsageConflict]:
        """Conflicts, the newest first, of all tenants where none is named, from the one behind `after`."""
