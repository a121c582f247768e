"""Requests for bills as questions, each part under the name that the request gives it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from functions.billing_api.schemas.questions import ComparedPlanOf, PlanOf, UsageOf
from shared.domain.errors import Fault, Rejected
from shared.service.question import PlanChoice, Question

_BOUNDS = (("period_start", "start_time"), ("period_end", "end_time"))


class Called(NamedTuple):
    """What the request calls each bound of its period."""

    period_start: str
    period_end: str


def one_plan(body: PlanOf) -> tuple[PlanChoice]:
    """The tenant's own plans, where none is named."""
    return (_choice(body) or PlanChoice(),)


def compared(plans: Sequence[ComparedPlanOf]) -> Iterator[PlanChoice]:
    """Raises Rejected with the faults of all of them."""
    faults: list[Fault] = []
    for index, plan in enumerate(plans):
        place = f"plans[{index}]"
        try:
            choice = _choice(plan, f"{place}.")
            if (choice is None) != plan.own:
                raise Rejected.because(place, "name one plan: plan_id, plan, pricing_plan or own")
            yield choice or PlanChoice(field=f"{place}.own")
        except Rejected as refusal:
            faults += refusal.faults
    if faults:
        raise Rejected(*faults)


def question(body: UsageOf, plans: Iterator[PlanChoice] | Sequence[PlanChoice]) -> tuple[Called, Question]:
    """Raises Rejected where a bound is missing or said twice, or a plan is."""
    faults: list[Fault] = []
    bounds: dict[str, datetime] = {}
    for names in _BOUNDS:
        given = {name: at for name in names if (at := getattr(body, name)) is not None}
        if len(set(given.values())) != 1:
            faults.append(Fault(names[0], f"differs from {names[1]}" if given else "Field required"))
        bounds |= dict(list(given.items())[:1])
    try:
        choices = tuple(plans)
    except Rejected as refusal:
        faults += refusal.faults
    if faults:
        raise Rejected(*faults)
    (start_name, start), (end_name, end) = bounds.items()
    asked = Question(
        tenant_ref=body.tenant_id,
        start=start,
        end=end,
        plans=choices,
        quantities=body.quantities,
        factor=body.usage_factor,
        timezone=body.timezone,
    )
    return Called(start_name, end_name), asked


def _choice(body: PlanOf, place: str = "") -> PlanChoice | None:
    given = [(name, ref) for name in ("plan_id", "plan") if (ref := getattr(body, name)) is not None]
    if len({ref for _, ref in given}) > 1 or (given and body.pricing_plan is not None):
        raise Rejected.because(f"{place}plan_id", "name one plan, by plan_id, by plan or by pricing_plan")
    if given:
        name, ref = given[0]
        return PlanChoice(ref=ref, field=f"{place}{name}")
    if body.pricing_plan is not None:
        return PlanChoice(document=body.pricing_plan, field=f"{place}pricing_plan")
    return None
