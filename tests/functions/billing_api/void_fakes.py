"""Voids in memory, as the API sees them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from shared.domain.voids import Void, Voided, VoidPosition, VoidRequest

NOW = datetime(2025, 10, 16, tzinfo=UTC)


@dataclass
class VoidLedger:
    """Everything that is asked for is void, and nothing of it has come."""

    check: Callable[[], None] = lambda: None
    kept: list[Void] = field(default_factory=list)
    asked: list[VoidRequest] = field(default_factory=list)
    by: str = ""
    listed_of: UUID | None = None

    def void(self, requests: Sequence[VoidRequest], *, by: str) -> Sequence[Voided]:
        self.check()
        self.asked, self.by = list(requests), by
        return [
            Voided(
                Void(
                    tenant_id=UUID(int=1),
                    tenant=request.tenant_ref,
                    event_key=request.event_key,
                    source=request.source,
                    event_id=request.id,
                    reason=request.reason,
                    voided_at=NOW,
                    voided_by=by,
                    received_at=None,
                    counted=False,
                    records=0,
                    invocations=0,
                ),
                n == 0,
            )
            for n, request in enumerate(requests)
        ]

    def list(
        self, tenant_id: UUID | None, *, limit: int, after: VoidPosition | None = None
    ) -> Sequence[Void]:
        self.listed_of = tenant_id
        return [void for void in self.kept if after is None or void.position < after][:limit]
