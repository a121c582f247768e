"""Explanations of bills on the wire, and what stands behind their lines."""

from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.billing import BillHead, BillLine, head, is_none
from functions.billing_api.schemas.common import (
    Answer,
    DecimalText,
    Instant,
    Money,
    Page,
    PageQuery,
    TenantRef,
    Text,
    Time,
)
from functions.billing_api.schemas.dimensions import DimensionsShare
from functions.billing_api.schemas.prices import Tier, is_empty
from functions.billing_api.schemas.questions import BillRequest
from shared.domain.meters import METERS, Meter
from shared.domain.money import CURRENCY_EXPONENTS, exact_text, round_to_currency
from shared.domain.rating.breakdown import Share, meters_of
from shared.domain.rating.line import LineItem
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.tiers import spans
from shared.domain.windows import WindowSize
from shared.service import evidence, explain
from shared.service.explain import LEVELS, RevisionRef, ServiceRef

SHARES_DEFAULT: Final = 100
SHARES_MAX: Final = 1_000
PARTS_DEFAULT: Final = 20
PARTS_MAX: Final = 100
"""Of a page: each is read from its payload, which may hold 50,000 records."""
_EQUAL_ONES: Final = "a record of several invocations without durations_ns counts as that many equal ones"


class ExplainRequest(BillRequest):
    by: Annotated[
        Literal["service", "revision", "dimensions"],
        Field(description="How far down a breakdown goes."),
    ] = "revision"
    top: Annotated[
        int,
        Field(ge=1, le=SHARES_MAX, description="The largest shares of each level; the others are merged."),
    ] = SHARES_DEFAULT

    @property
    def levels(self) -> int:
        return LEVELS.index(self.by) + 1


class RevisionShare(Answer):
    """What falls to a revision; `merged`: to so many of them together."""

    revision_id: UUID | None
    revision: str | None
    quantity: Annotated[DecimalText | None, Field(exclude_if=is_none)] = None
    amount: Money
    merged: Annotated[int, Field(exclude_if=is_empty)] = 0
    shares: Annotated[list[DimensionsShare], Field(exclude_if=is_empty)] = []

    @classmethod
    def of(cls, share: Share) -> Self:
        key = share.key if isinstance(share.key, RevisionRef) else None
        return cls(
            revision_id=key.id if key else None,
            revision=key.name if key else None,
            quantity=_quantity(share),
            amount=share.amount,
            merged=share.merged,
            shares=[DimensionsShare.of(beneath) for beneath in share.shares],
        )


class ServiceShare(Answer):
    """What of a line falls to a service, and to its revisions, whose amounts sum to its own.

    `service_id` null: to the account itself, since no usage brought it about; or with `merged`, to so many
    services together. `quantity` is absent where the line counts nothing that is used.
    """

    service_id: UUID | None
    namespace: str | None
    service_name: str | None
    quantity: Annotated[DecimalText | None, Field(exclude_if=is_none)] = None
    amount: Money
    merged: Annotated[int, Field(exclude_if=is_empty)] = 0
    revisions: Annotated[list[RevisionShare], Field(exclude_if=is_empty)] = []

    @classmethod
    def of(cls, share: Share) -> Self:
        key = share.key if isinstance(share.key, ServiceRef) else None
        return cls(
            service_id=key.id if key else None,
            namespace=key.namespace if key else None,
            service_name=key.name if key else None,
            quantity=_quantity(share),
            amount=share.amount,
            merged=share.merged,
            revisions=[RevisionShare.of(beneath) for beneath in share.shares],
        )


class ReachedTier(Tier):
    """The tier that a line is for: quantities over `over`, up to `up_to` inclusive."""

    number: int
    over: DecimalText


class ExplainedLine(BillLine):
    """A line with all that it is made of.

    Of the counting period `quantity_before` and `quantity_after` were used up to its bounds, which cost
    `amount_exact_before` and `amount_exact_after`; `rounding` says what that is rounded to, and
    `quantity_rounding` what is rounded in the quantities already. The amounts of `breakdown` sum to
    `amount`, by quantity and largest remainder; those of a line about other lines by what they charge to
    whom.
    """

    kind: str
    tier: Annotated[ReachedTier | None, Field(exclude_if=is_none)] = None
    quantity_after: DecimalText
    quantity_rounding: Annotated[str, Field(exclude_if=is_empty)] = ""
    amount_exact_after: DecimalText
    amount_before: Money
    amount_after: Money
    rounding: str
    breakdown: list[ServiceShare]

    @classmethod
    def explained(cls, explained: explain.ExplainedLine) -> Self:
        line, shown = explained.line, BillLine.of(explained.line)
        before, after = (round_to_currency(at, line.currency) for at in (line.exact_before, line.exact_after))
        return cls(
            **{name: getattr(shown, name) for name in BillLine.model_fields},
            kind=explained.price.kind,
            tier=_tier(explained),
            quantity_after=exact_text(line.quantity_after),
            quantity_rounding=_quantity_rounding(line),
            amount_exact_after=exact_text(line.exact_after),
            amount_before=before,
            amount_after=after,
            rounding=_rounding(line, before, after),
            breakdown=[ServiceShare.of(share) for share in explained.shares],
        )


class ExplainedBill(BillHead):
    """A bill, or what it would be, with what each line is made of and to whom it falls."""

    lines: list[ExplainedLine]

    @classmethod
    def of(cls, explanation: explain.Explanation, *, simulated: bool) -> Self:
        return cls(
            **head(explanation.simulation, simulated=simulated),
            lines=[ExplainedLine.explained(line) for line in explanation.lines],
        )


class EvidenceQuery(PageQuery):
    """The quantity of a meter over [start, end), as the line of a bill names them."""

    tenant_id: TenantRef
    meter: Text
    start: Instant
    end: Instant
    service_id: Annotated[UUID | None, Field(description="Only of this service.")] = None

    def wanted(self) -> evidence.Wanted:
        return evidence.Wanted(self.tenant_id, self.meter, self.start, self.end, self.service_id)


class PartEvidenceQuery(EvidenceQuery):
    limit: Annotated[int, Field(ge=1, le=PARTS_MAX)] = PARTS_DEFAULT


class EvidenceWindow(Answer):
    """A window of one revision, half-open and UTC, and how much of the meter it holds."""

    window_size: WindowSize
    window_start: Time
    window_end: Time
    service_id: UUID
    namespace: str
    service_name: str
    revision_id: UUID
    revision: str
    records: int
    invocations: int
    quantity: DecimalText

    @classmethod
    def of(cls, window: evidence.CoveringWindow, meter: Meter) -> Self:
        return cls(
            window_size=window.size,
            window_start=window.place.window_start,
            window_end=window.place.window_start + window.size.length,
            service_id=window.place.service_id,
            namespace=window.name.namespace,
            service_name=window.name.service_name,
            revision_id=window.place.revision_id,
            revision=window.name.revision,
            records=window.facts.records,
            invocations=window.facts.invocations,
            quantity=exact_text(meter.quantity(window.facts)),
        )


class EvidenceWindowList(Page[EvidenceWindow]):
    """The fewest windows that cover the span and hold any of the meter, by time, service and revision.

    Over all pages they sum to `quantity`, which is that of the span, from all usage accepted before `as_of`.
    """

    meter: str
    unit: str
    quantity: DecimalText
    as_of: Time


class EvidencePart(Answer):
    """What was accepted under one identity, and `quantity` of the meter in its `records` of the span: zero
    where they all lie beside it.

    A part that is `voided` counts nothing; shown is what it would. Its windows lie in [touches_from,
    touches_until).
    """

    source: str
    id: str
    received_at: Time
    recorded_at: Time
    touches_from: Time
    touches_until: Time
    records: int
    quantity: DecimalText
    voided: bool

    @classmethod
    def of(cls, found: evidence.PartEvidence) -> Self:
        part = found.part
        return cls(
            source=part.source,
            id=part.id,
            received_at=part.place.received_at,
            recorded_at=part.recorded_at,
            touches_from=part.place.touches_from,
            touches_until=part.place.touches_until,
            records=found.records,
            quantity=exact_text(found.quantity),
            voided=part.is_void,
        )


class EvidencePartList(Page[EvidencePart]):
    """Parts that touch the span, by the times they touch. Payloads that are no longer kept are not listed."""

    meter: str
    unit: str
    as_of: Time


def _quantity(share: Share) -> str | None:
    return None if share.quantity is None else exact_text(share.quantity)


def _tier(explained: explain.ExplainedLine) -> ReachedTier | None:
    if not isinstance(explained.price, Tiered):
        return None
    number = int(explained.line.part.rpartition("tier ")[2])
    over, tier = list(spans(explained.price.tiers))[number - 1]
    return ReachedTier(
        number=number,
        over=f"{over:f}",
        up_to=tier.up_to,
        amount=tier.amount,
        per=tier.per,
        flat=tier.flat,
    )


def _quantity_rounding(line: LineItem) -> str:
    roundings = {METERS[name].rounding for name in meters_of(line) if name in METERS} - {""}
    return "; ".join([*sorted(roundings), _EQUAL_ONES]) if roundings else ""


def _rounding(line: LineItem, before: Decimal, after: Decimal) -> str:
    was, now = exact_text(line.exact_before), exact_text(line.exact_after)
    digits = CURRENCY_EXPONENTS[line.currency]
    return (
        f"round({now}) - round({was}) = {after:f} - {before:f} = {line.amount:f} {line.currency},"
        f" half away from zero at {digits} digits after the point"
    )
