"""Who changed what about plans and subscriptions: values that are kept for ever."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.domain.plan import Plan, PlanVersion, Subscription
from shared.domain.plan_document import instant_text, plan_to_dict, prices_to_dict

SYSTEM: Final = "system"
"""Who changed it, where nobody asked for it over the API."""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What was before and what is after, as JSON objects; None where there was or is nothing.

    `id` grows with time; None until it is kept.
    """

    at: datetime
    who: str
    what: str
    plan_id: UUID
    tenant_id: UUID | None
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    id: UUID | None = None


def plan_created(plan: Plan, at: datetime, who: str) -> PlanChange:
    return PlanChange(at, who, "plan.created", plan.id, plan.tenant_id, None, plan_to_dict(plan))


def plan_deleted(plan: Plan, at: datetime, who: str) -> PlanChange:
    return PlanChange(at, who, "plan.deleted", plan.id, plan.tenant_id, plan_to_dict(plan), None)


def plan_changed(before: Plan, after: Plan, at: datetime, who: str) -> PlanChange:
    was, now = ({"name": plan.name, "active": plan.active} for plan in (before, after))
    return PlanChange(at, who, "plan.changed", before.id, before.tenant_id, was, now)


def version_added(plan: Plan, version: PlanVersion, at: datetime, who: str) -> PlanChange:
    """With the version that was the last one so far as what was before."""
    before, after = version_to_dict(plan.versions[-1]), version_to_dict(version)
    return PlanChange(at, who, "version.added", plan.id, plan.tenant_id, before, after)


def subscription_changes(
    tenant_id: UUID, before: Sequence[Subscription], after: Sequence[Subscription], at: datetime, who: str
) -> Iterator[PlanChange]:
    """What became of a tenant's subscriptions, one change for each that is another now."""
    was = {(s.starts_at, s.plan.id): s for s in before}
    now = {(s.starts_at, s.plan.id): s for s in after}
    for key in (*was, *(key for key in now if key not in was)):
        earlier, later = was.get(key), now.get(key)
        if earlier == later:
            continue
        if earlier is None:
            what = "subscription.added"
        elif later is None:
            what = "subscription.cancelled"
        else:
            what = "subscription.ended" if later.ends_at else "subscription.continued"
        yield PlanChange(at, who, what, key[1], tenant_id, _subscription(earlier), _subscription(later))


def version_to_dict(version: PlanVersion) -> dict[str, object]:
    return {
        "version": version.number,
        "effective_from": _instant(version.effective_from),
        "immediate": version.immediate,
        **prices_to_dict(version.prices),
    }


def _subscription(subscription: Subscription | None) -> dict[str, object] | None:
    if subscription is None:
        return None
    return {
        "plan": subscription.plan.name,
        "starts_at": _instant(subscription.starts_at),
        "ends_at": _instant(subscription.ends_at),
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)
