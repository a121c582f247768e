"""Metering gaps and usage conflicts on the wire."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Page, PageQuery, TenantRef, Time
from shared.service import oversight


class OversightQuery(PageQuery):
    tenant_id: TenantRef | None = None


class MeteringGap(Answer):
    """Batches of a source that have not come, though a later one has: `first` to `last`, both included.

    `highest` is the last number seen of the source, `since` when the batch behind the gap came.
    """

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    source: str
    first: int
    last: int
    missing: int
    highest: int
    since: Time

    @classmethod
    def of(cls, gap: oversight.MeteringGap) -> Self:
        return cls(
            tenant_id=gap.tenant_id,
            tenant=gap.tenant,
            source=gap.source,
            first=gap.first,
            last=gap.last,
            missing=gap.last - gap.first + 1,
            highest=gap.highest,
            since=gap.since,
        )


class MeteringGapList(Page[MeteringGap]):
    """Open gaps, by tenant, source and number; a gap is listed until it is filled."""


class UsageConflict(Answer):
    """An identity that came again with other records than those accepted under it, `count` times.

    The digests are SHA-256 over the records as sent, in hexadecimal: of those kept and of those refused.
    """

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    source: str
    event_id: str
    kept_digest: str
    refused_digest: str
    first_seen_at: Time
    last_seen_at: Time
    count: int

    @classmethod
    def of(cls, conflict: oversight.UsageConflict) -> Self:
        return cls(
            tenant_id=conflict.tenant_id,
            tenant=conflict.tenant,
            source=conflict.source,
            event_id=conflict.event_id,
            kept_digest=conflict.kept_digest.hex(),
            refused_digest=conflict.refused_digest.hex(),
            first_seen_at=conflict.first_seen_at,
            last_seen_at=conflict.last_seen_at,
            count=conflict.count,
        )


class UsageConflictList(Page[UsageConflict]):
    """Conflicts, the newest first."""
