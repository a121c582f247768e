"""Usage on the wire: windows, rebuilds, and what ingest answers."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import (
    Answer,
    DecimalText,
    Input,
    Instant,
    Number,
    Page,
    PageQuery,
    TenantRef,
    Time,
)
from functions.billing_api.schemas.dimensions import By, WhereQuery
from shared.domain.aggregate import WindowKey
from shared.domain.money import exact_text
from shared.domain.usage import TEXT_MAX
from shared.domain.windows import WindowSize
from shared.service.rebuild import Rebuilt
from shared.service.usage_report import UsageWindow

LEFT_ALONE_MAX = 1_000
_MS_NS = 10**6
_MIB = 2**20


class UsageAggregateQuery(PageQuery):
    """Windows that start in [start_time, end_time)."""

    tenant_id: TenantRef | None = None
    service_id: UUID | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    window_size: Annotated[
        WindowSize | None,
        Field(description="Every size counts all usage: to add windows up, ask for one size."),
    ] = None
    by: By | None = None
    where: WhereQuery | None = None


class UsageAggregate(Answer):
    """The usage of one revision of one service in one window, half-open and UTC; with `by`, that of certain
    values of dimensions only.

    `billed_1ms_ms` and `billed_100ms_ms` are durations, rounded up for each invocation; `mb_ms` is memory
    times duration, exact.
    """

    id: UUID
    window_start: Time
    window_end: Time
    window_size: WindowSize
    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    service_id: UUID
    service_name: str
    namespace: str
    revision_id: UUID
    revision: str
    records: int
    invocations: int
    total_duration_ms: Number
    avg_duration_ms: Number
    p50_duration_ms: Number
    p95_duration_ms: Number
    max_memory_mb: Number
    avg_memory_mb: Number
    cold_starts: int
    errors: int
    billed_1ms_ms: int
    billed_100ms_ms: int
    cpu_ms: Number
    egress_bytes: int
    provisioned_ms: int
    mb_ms: DecimalText
    dimensions: Annotated[
        dict[str, str],
        Field(
            description='Of the dimensions of `by`; "" where none was declared or given.',
            exclude_if=lambda values: not values,
        ),
    ] = {}

    @classmethod
    def of(cls, window: UsageWindow) -> Self:
        fields = {name: getattr(window, name) for name in cls.model_fields if hasattr(window, name)}
        return cls(
            **fields,
            cpu_ms=Decimal(window.cpu_ns).scaleb(-6),
            mb_ms=exact_text(Fraction(window.memory_byte_ns, _MIB * _MS_NS)),
        )


class UsageAggregateList(Page[UsageAggregate]):
    """Windows by tenant, size, start, service and revision; they hold all usage accepted before `as_of`."""

    as_of: Time


class Ingested(Answer):
    """How many records were accepted now, and how many had been before."""

    accepted: int
    duplicate: int


class IngestHeaders(Input, extra="ignore"):
    idempotency_key: Annotated[
        str | None,
        Field(
            alias="Idempotency-Key",
            min_length=1,
            max_length=TEXT_MAX,
            pattern=r"^[\x20-\x7e]+$",
            description="Identifies the body: the same key and records again change nothing, the same key "
            "with other records is refused. Without it a single record is identified by its request_id, "
            "anything else by its bytes.",
        ),
    ] = None


class RebuildRequest(Input):
    """Windows to rebuild: those of every UTC day that [start_time, end_time) touches."""

    tenant_id: TenantRef
    start_time: Instant
    end_time: Instant


class LeftAlone(Answer):
    """A window that was not rebuilt, since payloads of its time are no longer kept."""

    window_size: WindowSize
    window_start: Time
    service_id: UUID
    revision_id: UUID

    @classmethod
    def of(cls, key: WindowKey) -> Self:
        return cls(
            window_size=key.size,
            window_start=key.start,
            service_id=key.series.service_id,
            revision_id=key.series.revision_id,
        )


class RebuildAnswer(Answer):
    """Of many windows left alone the first 1,000 are listed and all are counted."""

    rebuilt: int
    left_alone: list[LeftAlone]
    left_alone_count: int

    @classmethod
    def of(cls, rebuilt: Rebuilt) -> Self:
        return cls(
            rebuilt=rebuilt.windows,
            left_alone=[LeftAlone.of(key) for key in rebuilt.left_alone[:LEFT_ALONE_MAX]],
            left_alone_count=len(rebuilt.left_alone),
        )
