"""Plans as sellers write them, their versions and their history, on the wire."""

from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Input, Page, PageQuery, TenantRef, Text, Time
from functions.billing_api.schemas.plans import APPLIES, Applies, Prices, PricingPlan
from functions.billing_api.schemas.prices import price_of
from shared.domain import plan as domain
from shared.domain import plan_change
from shared.domain.new_plan import APPLIES as WAYS_TO_APPLY
from shared.domain.plan_document import FLAT_COLUMNS, short_form
from shared.domain.rating.kinds import PRICE_KINDS

_DECIMAL: Final = {
    "anyOf": [{"type": "string", "pattern": r"^-?\d{1,20}(\.\d{1,18})?$"}, {"type": "integer"}]
}
_TEXT_OR_NULL: Final = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_PRICES: Final = {
    **{column: {"anyOf": [_DECIMAL, {"type": "null"}]} for column in FLAT_COLUMNS},
    "prices": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"kind": {"enum": list(PRICE_KINDS)}},
            "required": ["kind"],
        },
        "description": "As they are answered; what has a usual value may be left out. Numbers are decimal "
        "strings or integers. The flat prices are a short form of the commonest ones, and come first.",
    },
}
_EXAMPLE: Final = {
    "prices": [
        {"kind": "per_unit", "meter": "invocations", "amount": "0.20", "per": "1000000"},
        {"kind": "per_unit", "meter": "gb_seconds_1ms", "amount": "0.0000166667", "included": "400000"},
    ]
}


def _body(properties: dict[str, Any], required: list[str], example: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties | _PRICES,
        "required": required,
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": schema, "example": example | _EXAMPLE}}
    return {"requestBody": {"required": True, "content": content}}


NEW_PLAN: Final = _body(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 256},
        "currency": {"type": "string", "description": "ISO 4217 code; it never changes."},
        "tenant_id": {
            **_TEXT_OR_NULL,
            "description": "UUID, slug or alias of the only tenant that may have it.",
        },
        "active": {"type": "boolean", "default": True},
    },
    ["name", "currency"],
    {"name": "basic", "currency": "USD"},
)
NEW_VERSION: Final = _body(
    {
        "effective_from": {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
            "description": "A 5-minute instant, not in the past; the next one where left out.",
        },
        "applies": {
            "enum": [*WAYS_TO_APPLY, None],
            "description": "To who has the plan then: from their first month that begins at effective_from "
            "or later, or from effective_from on. Who takes the plan later has the version at once.",
        },
        "currency": {**_TEXT_OR_NULL, "description": "That of the plan, if anything."},
    },
    [],
    {"effective_from": "2026-02-01T00:00:00Z"},
)
"""What the routes say of the bodies that `shared.domain.new_plan` reads."""


class PlanVersion(Prices):
    """The prices of a plan from `effective_from` (null: the beginning) until its next version."""

    version: int
    effective_from: Time | None
    applies: Applies
    created_at: Time

    @classmethod
    def of(cls, version: domain.PlanVersion) -> Self:
        flat, _ = short_form(version.prices)
        return cls(
            version=version.number,
            effective_from=version.effective_from,
            applies=APPLIES[version.immediate],
            prices=[price_of(price) for price in version.prices],
            created_at=version.created_at,
            **flat,
        )


class VersionedPlan(PricingPlan):
    """A plan with all its versions, in order of time."""

    versions: list[PlanVersion]

    @classmethod
    def of(cls, plan: domain.Plan, version: domain.PlanVersion) -> Self:
        shown = PricingPlan.of(plan, version)
        versions = [PlanVersion.of(one) for one in plan.versions]
        return cls(**{name: getattr(shown, name) for name in PricingPlan.model_fields}, versions=versions)


class PlanPath(Input):
    plan: Annotated[str, Field(description="The plan's UUID, or its name among the shared ones.")]


class PlanOfQuery(Input):
    tenant_id: Annotated[TenantRef | None, Field(description="Whose own plans, too, are found by name.")] = (
        None
    )


class PlanPatch(Input):
    """What to change of a plan beside its prices; an inactive one is given to no further tenant."""

    name: Text | None = None
    active: bool | None = None


class PlanHistoryQuery(PageQuery, PlanOfQuery):
    pass


class PlanHistoryEntry(Answer):
    """Who changed what: the plan itself, a version of it, or a subscription of a tenant to it.

    `before` and `after` are what was and what is, null where there was or is nothing.
    """

    id: UUID
    at: Time
    who: str
    what: str
    plan_id: UUID
    tenant_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, change: plan_change.PlanChange) -> Self:
        return cls.model_validate(change, from_attributes=True)


class PlanHistoryList(Page[PlanHistoryEntry]):
    """The newest first; nothing of it is ever changed or removed."""
