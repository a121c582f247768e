"""What is asked of bills: whose usage or which, over what time, by which plans."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from functions.billing_api.schemas.common import Input, Instant, TenantRef, Text
from functions.billing_api.schemas.plan_authoring import NEW_PLAN
from shared.service.simulate import PLANS_MAX

_DECIMAL: Final = {"type": "string", "pattern": r"^\d{1,20}(\.\d{1,18})?$", "example": "1.5"}
_DECIMAL_TEXT: Final = re.compile(str(_DECIMAL["pattern"]), re.ASCII)
_QUANTITIES: Final = {
    "type": "object",
    "additionalProperties": _DECIMAL,
    "example": {"invocations": "3000000", "gb_seconds_1ms": "540000"},
}
_A_PLAN: Final = {
    "anyOf": [NEW_PLAN["requestBody"]["content"]["application/json"]["schema"], {"type": "null"}],
    "description": "As for POST /pricing-plans; it is not stored.",
}


def _digits(value: object) -> object:
    if isinstance(value, str) and not _DECIMAL_TEXT.fullmatch(value):
        raise ValueError("must be a decimal string of at most 20 digits before the point and 18 after it")
    if not isinstance(value, str):
        raise ValueError("must be a decimal string")
    return value


Factor = Annotated[Decimal, BeforeValidator(_digits), WithJsonSchema(_DECIMAL)]


class PlanOf(Input):
    """A plan to rate by, as if it had been held from the beginning: by its UUID or name (of the catalogue, a
    shared one or the tenant's own), or written out as for POST /pricing-plans; it is not stored."""

    plan_id: Annotated[Text | None, Field(description="A plan's UUID or name.")] = None
    plan: Annotated[Text | None, Field(description="The same as plan_id.")] = None
    pricing_plan: Annotated[dict[str, Any] | None, WithJsonSchema(_A_PLAN)] = None


class UsageOf(Input):
    """The usage to rate, and the period, half-open, on 5-minute instants.

    An end in the last second before one, such as 23:59:59, means that instant. `start_time` and `end_time`
    are other names of `period_start` and `period_end`.
    """

    tenant_id: Annotated[TenantRef | None, Field(description="Required unless quantities are given.")] = None
    period_start: Instant | None = None
    period_end: Instant | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    quantities: Annotated[
        dict[str, Any] | None,
        WithJsonSchema({"anyOf": [_QUANTITIES, {"type": "null"}]}),
        Field(
            description="Quantities by meter instead of the tenant's usage: evenly over the period, nothing "
            "before it, and nothing of meters that are not named."
        ),
    ] = None
    usage_factor: Annotated[
        Factor | None, Field(description="All of the tenant's usage, also before the period, times this.")
    ] = None
    timezone: Annotated[
        Text | None, Field(description="Without a tenant: whose months to count by; UTC where left out.")
    ] = None


class BillRequest(UsageOf, PlanOf):
    """What to rate. With a plan, quantities, a factor or a time zone it is a simulation."""

    @property
    def is_simulation(self) -> bool:
        supposed = (
            self.plan_id,
            self.plan,
            self.pricing_plan,
            self.quantities,
            self.usage_factor,
            self.timezone,
        )
        return any(value is not None for value in supposed)


class ComparedPlanOf(PlanOf):
    own: Annotated[bool, Field(description="Instead of a plan: those that the tenant has had.")] = False


class ComparisonRequest(UsageOf):
    """Two to five plans for the same usage."""

    plans: Annotated[list[ComparedPlanOf], Field(min_length=2, max_length=PLANS_MAX)]
