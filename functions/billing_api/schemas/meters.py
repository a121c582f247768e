"""Custom meters on the wire."""

from datetime import date
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Exact, Input, Page, PageQuery, TenantRef, Time
from shared.domain import meter_definition as domain
from shared.domain.meter_definition import (
    AGGREGATIONS,
    DIMENSION_VALUES_MAX,
    DIMENSIONS_MAX,
    DIRECTIONS,
    FIELDS_MAX,
    ROUNDINGS,
)
from shared.service.meters import MeterProgress

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_FIELD: Final = {**_TEXT, "description": "A field of a record, or `quantities.<name>`."}
_DECIMAL: Final = {"anyOf": [{"type": "string", "pattern": r"^\d{1,20}(\.\d{1,18})?$"}, {"type": "integer"}]}
_FROM: Final = {"type": "string", "format": "date-time", "description": "The start of a UTC day."}
_VERSION: Final = {
    "aggregation": {"enum": list(AGGREGATIONS)},
    "value": {
        "anyOf": [_FIELD, {"type": "array", "items": _FIELD, "minItems": 1, "maxItems": FIELDS_MAX}],
        "description": "What a record counts for: a field, or the product of two.",
    },
    "of": {
        **_TEXT,
        "description": "What a unique count tells apart: `request_id` or `labels.<name>`. A percentile of "
        "`window` is one of the sums of windows of 5 minutes, else of the values of records.",
    },
    "percentile": {**_DECIMAL, "description": "Which one, from 0 to 100."},
    "less": {
        "anyOf": [_FIELD, {"type": "array", "items": _FIELD, "minItems": 1, "maxItems": FIELDS_MAX}],
        "description": "By how much a record lowers the level of a weighted sum, which `value` raises.",
    },
    "ledger": {
        "type": "boolean",
        "default": False,
        "description": "Whether the values of records are kept one by one, for prices per event.",
    },
    "rounding": {"enum": list(ROUNDINGS), "default": "record"},
    "step": {**_DECIMAL, "description": "Values are rounded to a multiple of it."},
    "towards": {"enum": list(DIRECTIONS), "default": "up", "description": "Which multiple of the step."},
    "minimum": {**_DECIMAL, "description": "The least that a value counts for."},
    "where": {
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
        "description": "Only records count of which all of these are so: `service_name`, `cold_start`, "
        "`labels.<name>`.",
    },
    "dimensions": {
        "type": "array",
        "items": _TEXT,
        "maxItems": DIMENSIONS_MAX,
        "description": f"Labels whose values are kept apart, up to {DIMENSION_VALUES_MAX:,} of each.",
    },
}


def _body(properties: dict[str, Any], required: list[str], example: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties | _VERSION,
        "required": [*required, "aggregation"],
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


NEW_METER: Final = _body(
    {
        "name": {**_TEXT, "description": "Prices call the meter `custom.<name>`."},
        "unit": _TEXT,
        "units": {**_TEXT, "description": "The plural; `unit` and an s where left out."},
        "tenant_id": {
            "anyOf": [_TEXT, {"type": "null"}],
            "description": "UUID, slug or alias of the only tenant that is metered.",
        },
        "effective_from": {
            "anyOf": [_FROM, {"type": "null"}],
            "description": "The start of a UTC day; all usage there is counts where left out.",
        },
    },
    ["name", "unit"],
    {"name": "llm_tokens", "unit": "token", "aggregation": "sum", "value": "quantities.tokens"},
)
NEW_METER_VERSION: Final = _body(
    {"effective_from": _FROM},
    ["effective_from"],
    {
        "effective_from": "2026-02-01T00:00:00Z",
        "aggregation": "sum",
        "value": "quantities.tokens",
        "step": "1000",
    },
)
"""What the routes say of the bodies that `shared.domain.metering.document` reads."""


class MeterVersion(Answer):
    """How a meter counts from `effective_from` (null: the beginning) until its next version.

    Of usage accepted before the version was made, what comes before the UTC day `computed_until` is counted,
    and all of it where that is null. `computable_from` is the first day that can be where usage is gone.
    """

    version: int
    effective_from: Time | None
    created_at: Time
    aggregation: Literal["sum", "count", "max", "latest", "unique", "percentile", "weighted_sum"]
    value: list[str]
    of: str | None
    percentile: Exact | None
    less: list[str]
    ledger: bool
    rounding: Literal["invocation", "record", "total"]
    step: Exact | None
    towards: Literal["up", "nearest"]
    minimum: Exact | None
    where: dict[str, str]
    dimensions: list[str]
    computed_until: date | None
    computable_from: date | None
    tenants: Annotated[int, Field(description="How many have usage from before the version was made.")]
    tenants_computed: Annotated[int, Field(description="For how many of them all of it is counted.")]

    @classmethod
    def of_version(cls, version: domain.MeterVersion, progress: MeterProgress | None) -> Self:
        return cls(
            version=version.number,
            effective_from=version.effective_from,
            created_at=version.created_at,
            aggregation=version.aggregation,  # type: ignore[arg-type]  # checked by the domain
            value=list(version.fields),
            of=version.of or None,
            percentile=version.percentile,
            less=list(version.less),
            ledger=version.ledger,
            rounding=version.rounding,  # type: ignore[arg-type]  # checked by the domain
            step=version.step,
            towards=version.towards,  # type: ignore[arg-type]  # checked by the domain
            minimum=version.minimum,
            where=dict(version.where),
            dimensions=list(version.dimensions),
            computed_until=progress.next_day if progress else None,
            computable_from=progress.computable_from if progress else None,
            tenants=progress.tenants if progress else 0,
            tenants_computed=progress.done if progress else 0,
        )


class Meter(Answer):
    """A meter beside the built-in ones, of all tenants or of one."""

    id: UUID
    name: str
    price_name: Annotated[str, Field(description="What prices call it.")]
    unit: str
    units: str
    tenant_id: UUID | None
    created_at: Time
    versions: list[MeterVersion]

    @classmethod
    def of(cls, meter: domain.MeterDefinition, progress: dict[int, MeterProgress]) -> Self:
        return cls(
            id=meter.id,
            name=meter.name,
            price_name=meter.price_name,
            unit=meter.unit,
            units=meter.units,
            tenant_id=meter.tenant_id,
            created_at=meter.created_at,
            versions=[
                MeterVersion.of_version(version, progress.get(version.number)) for version in meter.versions
            ],
        )


class MeterList(Page[Meter]):
    """Meters in order of id."""


class MeterPath(Input):
    name: Annotated[str, Field(description="The meter's name, with `custom.` before it or not.")]


class MeterOfQuery(Input):
    tenant_id: Annotated[TenantRef | None, Field(description="Whose own meters are found, too.")] = None


class MeterQuery(PageQuery, MeterOfQuery):
    """Meters of all tenants, with the tenant's own where one is named."""
