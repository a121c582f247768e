"""What stands behind the lines of bills, on the wire."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from functions.billing_api.schemas.billing import is_none
from functions.billing_api.schemas.common import (
    Answer,
    DecimalText,
    Instant,
    Page,
    PageQuery,
    TenantRef,
    Text,
    Time,
)
from functions.billing_api.schemas.dimensions import WhereQuery
from functions.billing_api.schemas.prices import is_empty
from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.money import exact_text
from shared.domain.rating.band import Band
from shared.domain.rating.breakdown import keys_of, meters_of
from shared.domain.rating.selection import ALL, EVERYWHERE, Selected, Selection, Where, write_selection
from shared.domain.windows import WindowSize
from shared.service import evidence, explain
from shared.service.evidence_counting import Shown, WindowEvidence

PARTS_DEFAULT: Final = 20
PARTS_MAX: Final = 100
"""Of a page: each is read from its payload, which may hold 50,000 records."""


def _band(value: object) -> Band:
    try:
        return Band.read(Document(json.loads(value) if isinstance(value, str) else None))
    except Rejected as refusal:
        raise ValueError(str(refusal)) from None
    except (ValueError, RecursionError):
        raise ValueError('must be a JSON object, such as {"name": "night", "from": "22:00"}') from None


BandQuery = Annotated[
    Band,
    BeforeValidator(_band),
    WithJsonSchema({"type": "string", "example": '{"name": "night", "from": "22:00", "to": "06:00"}'}),
    Field(description="Only what was used in this band, as a price has it."),
]
WithoutQuery = Annotated[WhereQuery, Field(description="No usage of these values of dimensions.")]


class EvidenceQuery(PageQuery):
    """The quantity of a meter over [start, end), or of the part of it that a price counts."""

    tenant_id: TenantRef
    meter: Text
    start: Instant
    end: Instant
    band: BandQuery | None = None
    where: WhereQuery | None = None
    without: Annotated[WithoutQuery | None, Field(alias="except")] = None
    service_id: Annotated[UUID | None, Field(description="Only of this service.")] = None

    def wanted(self) -> evidence.Wanted:
        """Raises Rejected where nothing can be left."""
        include, exclude = self.where or EVERYWHERE, self.without or EVERYWHERE
        selection = Selection(self.band, Where(include.include, exclude.include))
        return evidence.Wanted(self.tenant_id, self.meter, self.start, self.end, self.service_id, selection)


class PartEvidenceQuery(EvidenceQuery):
    limit: Annotated[int, Field(ge=1, le=PARTS_MAX)] = PARTS_DEFAULT


class LineEvidence(Answer):
    """With `tenant_id`, the parameters by which evidence is asked for what a line counts of a meter."""

    model_config = ConfigDict(serialize_by_alias=True)

    meter: str
    start: Time
    end: Time
    band: Annotated[str, Field(description="JSON.", exclude_if=is_empty)] = ""
    where: Annotated[str, Field(description="JSON.", exclude_if=is_empty)] = ""
    without: Annotated[str, Field(alias="except", description="JSON.", exclude_if=is_empty)] = ""

    @classmethod
    def all_of(cls, one: explain.ExplainedLine) -> list[Self]:
        """Of each meter that a line counts; none where it counts time, or is about other lines."""
        if getattr(one.price, "of", None) is not None:
            return []
        span = {"start": one.line.start, "end": one.line.end}
        return [
            cls.model_validate({"meter": meter, **span, **_written(selection)})
            for meter, selection in _counted(one)
        ]


def _counted(one: explain.ExplainedLine) -> Iterator[tuple[str, Selection]]:
    for key in keys_of(one.price) or meters_of(one.line):
        yield (key.meter, key.selection) if isinstance(key, Selected) else (key, ALL)


def _written(selection: Selection) -> Mapping[str, str]:
    return {
        field: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for field, value in write_selection(selection).items()
    }


class Facts(Answer):
    """How much of a meter there is: `quantity`, null where windows do not add up. Of a custom meter, also the
    facts that it is counted from."""

    quantity: DecimalText | None
    sum: Annotated[DecimalText | None, Field(exclude_if=is_none)] = None
    count: Annotated[int | None, Field(description="Of values.", exclude_if=is_none)] = None
    max: Annotated[DecimalText | None, Field(exclude_if=is_none)] = None
    latest: Annotated[DecimalText | None, Field(exclude_if=is_none)] = None
    latest_at: Annotated[Time | None, Field(exclude_if=is_none)] = None


def _facts(shown: Shown) -> dict[str, Any]:
    """The fields of Facts, and how many records and invocations there are."""
    return {
        "records": shown.records,
        "invocations": shown.invocations,
        "count": shown.count,
        "latest_at": shown.latest_at,
        **{
            name: None if value is None else exact_text(value)
            for name, value in (
                ("quantity", shown.quantity),
                ("sum", shown.sum),
                ("max", shown.max),
                ("latest", shown.latest),
            )
        },
    }


class EvidenceWindow(Facts):
    """A window of one revision, half-open and UTC, and how much of the meter it holds. `records` and
    `invocations` are those of a window of a built-in meter."""

    window_size: WindowSize
    window_start: Time
    window_end: Time
    service_id: UUID
    namespace: str
    service_name: str
    revision_id: UUID
    revision: str
    dimensions: Annotated[
        dict[str, str], Field(description="Values that are told apart.", exclude_if=is_empty)
    ] = {}
    records: Annotated[int | None, Field(exclude_if=is_none)] = None
    invocations: Annotated[int | None, Field(exclude_if=is_none)] = None

    @classmethod
    def of(cls, found: WindowEvidence) -> Self:
        window = found.window
        return cls(
            window_size=window.size,
            window_start=window.place.window_start,
            window_end=window.place.window_start + window.size.length,
            service_id=window.place.service_id,
            namespace=window.name.namespace,
            service_name=window.name.service_name,
            revision_id=window.revision_id,
            revision=window.name.revision,
            dimensions=dict(window.name.dimensions),
            **_facts(found.shown),
        )


class EvidenceWindowList(Page[EvidenceWindow]):
    """The fewest windows that cover the time and hold any of the meter, by time, service and revision.

    Over all pages they sum to `quantity`, from all usage accepted before `as_of`. Null where windows do not
    add up; `note` says then how a line counts them.
    """

    meter: str
    unit: str
    quantity: DecimalText | None
    note: Annotated[str, Field(exclude_if=is_empty)] = ""
    as_of: Time


class EvidencePart(Facts):
    """What was accepted under one identity, and `quantity` of the meter in its `records` of the time: zero
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
            voided=part.is_void,
            **_facts(found.shown),
        )


class EvidencePartList(Page[EvidencePart]):
    """Parts that touch the time, by the times they touch. Payloads that are no longer kept are not listed."""

    meter: str
    unit: str
    note: Annotated[str, Field(exclude_if=is_empty)] = ""
    as_of: Time
