"""Explanations of bills on the wire."""

from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.billing import BillHead, BillLine, head, is_none
from functions.billing_api.schemas.common import (
    Answer,
    DecimalText,
    Input,
    Money,
)
from functions.billing_api.schemas.dimensions import DimensionsShare
from functions.billing_api.schemas.evidence import LineEvidence
from functions.billing_api.schemas.prices import Tier, is_empty
from functions.billing_api.schemas.questions import BillRequest
from shared.domain.meters import METERS
from shared.domain.money import CURRENCY_EXPONENTS, exact_text, round_to_currency
from shared.domain.rating.breakdown import Share, meters_of
from shared.domain.rating.line import LineItem
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.tiers import spans
from shared.service import explain
from shared.service.explain import LEVELS, RevisionRef, ServiceRef

SHARES_DEFAULT: Final = 100
SHARES_MAX: Final = 1_000
_EQUAL_ONES: Final = "a record of several invocations without durations_ns counts as that many equal ones"


class ExplainDepth(Input):
    """How far down an explanation goes, and how much of it is shown."""

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


class ExplainRequest(ExplainDepth, BillRequest):
    """A bill, and how far down it is explained."""


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
    whom. `evidence` says, for each meter, how to ask for the windows and the parts behind the quantity.
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
    evidence: Annotated[list[LineEvidence], Field(exclude_if=is_empty)] = []

    @classmethod
    def explained(cls, explained: explain.ExplainedLine, *, is_supposed: bool = False) -> Self:
        """There is no evidence of usage that is but supposed."""
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
            evidence=[] if is_supposed else LineEvidence.all_of(explained),
        )


class ExplainedBill(BillHead):
    """A bill, or what it would be, with what each line is made of and to whom it falls."""

    lines: list[ExplainedLine]

    @classmethod
    def of(cls, explanation: explain.Explanation, *, simulated: bool) -> Self:
        asked = explanation.simulation.asked
        is_supposed = asked.what_if is not None or asked.factor is not None
        return cls(
            **head(explanation.simulation, simulated=simulated),
            lines=[ExplainedLine.explained(line, is_supposed=is_supposed) for line in explanation.lines],
        )


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
