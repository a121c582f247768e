"""Reading the windows: what tenants used, as it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.rating.selection import EVERYWHERE, Where
from shared.domain.windows import WindowSize


class WindowPosition(NamedTuple):
    """Where a window stands in the list: by tenant, size, start, service, revision and the values of
    dimensions that are told apart."""

    tenant_id: UUID
    window_size: WindowSize
    window_start: datetime
    service_id: UUID
    revision_id: UUID
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowFilter:
    """Which windows: those that start in [start, end), where given; None does not filter.

    Those of a revision are one, but for the dimensions of `by`, whose values are told apart. `where` leaves
    out what has other values.
    """

    tenant_id: UUID | None = None
    service_id: UUID | None = None
    start: datetime | None = None
    end: datetime | None = None
    window_size: WindowSize | None = None
    by: tuple[str, ...] = ()
    where: Where = EVERYWHERE


@dataclass(frozen=True, slots=True)
class UsageWindow:
    """A stored window and the names of what it belongs to. The facts are those of WindowFacts.

    `dimensions` are those that were to be told apart; "": not declared then, or not given.
    """

    id: UUID
    tenant_id: UUID
    window_size: WindowSize
    window_start: datetime
    window_end: datetime
    service_id: UUID
    revision_id: UUID
    tenant: str
    namespace: str
    service_name: str
    revision: str
    records: int
    invocations: int
    errors: int
    cold_starts: int
    cpu_ns: int
    egress_bytes: int
    provisioned_ms: int
    memory_byte_ns: int
    billed_1ms_ms: int
    billed_100ms_ms: int
    total_duration_ms: Decimal
    avg_duration_ms: Decimal
    p50_duration_ms: Decimal
    p95_duration_ms: Decimal
    max_memory_mb: Decimal
    avg_memory_mb: Decimal
    dimensions: Mapping[str, str] = field(default_factory=dict)

    @property
    def position(self) -> WindowPosition:
        return WindowPosition(
            self.tenant_id,
            self.window_size,
            self.window_start,
            self.service_id,
            self.revision_id,
            tuple(self.dimensions.values()),
        )


class WindowPage(NamedTuple):
    """Windows in order, holding everything that was accepted before `as_of`."""

    as_of: datetime
    windows: Sequence[UsageWindow]


class UsageReport(Protocol):
    def windows(self, wanted: WindowFilter, *, limit: int, after: WindowPosition | None = None) -> WindowPage:
        """Up to `limit` windows, from the one behind `after`."""
