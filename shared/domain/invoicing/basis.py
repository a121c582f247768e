"""By what an invoice was rated: frozen with it, so that its period can be rated again by the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.domain.invoicing.taxes import Rate, Rates
from shared.domain.period import Period
from shared.domain.plan import Plan, PlanVersion, Subscription
from shared.domain.plan_document import instant_text, plan_from_dict, plan_to_dict
from shared.domain.rating.kinds import read_price
from shared.domain.windows import EPOCH


@dataclass(frozen=True, slots=True)
class UsageBasis:
    """One tenant's part of an invoice: its usage of `period`, rated by the calendar of `timezone` and the
    plans that `subscriptions` gave it, with all their versions.

    Before the tenant was there, at `created_at`, time without usage costs nothing. `sequence` is that of the
    tenant's usage by then. In `unrated` there is usage that is not charged, since no plan was in force then;
    some of it may be of closed periods. `section` is "" where the invoice has one tenant only.
    """

    tenant_id: UUID
    section: str
    timezone: str
    period: Period
    subscriptions: tuple[Subscription, ...]
    sequence: int
    unrated: tuple[Period, ...] = ()
    created_at: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Basis:
    """Of an invoice: the taxes that are on all of its lines but adjustments, and each tenant's part."""

    rates: Rates
    parts: tuple[UsageBasis, ...]
    exempt_reason: str | None = None

    def of(self, tenant_id: UUID) -> UsageBasis | None:
        return next((part for part in self.parts if part.tenant_id == tenant_id), None)

    def to_dict(self) -> dict[str, object]:
        """As a JSON object that `from_dict` reads as an equal basis; each plan stands in it once."""
        plans = {held.plan.id: held.plan for part in self.parts for held in part.subscriptions}
        return {
            "rates": [[rate.name, f"{rate.percent:f}", rate.inclusive] for rate in self.rates],
            "exempt_reason": self.exempt_reason,
            "plans": [_plan_to_dict(plan) for plan in plans.values()],
            "parts": [_part_to_dict(part) for part in self.parts],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Basis":
        plans = {plan.id: plan for plan in map(_plan_from_dict, value["plans"])}
        return cls(
            tuple(Rate(name, Decimal(percent), inclusive) for name, percent, inclusive in value["rates"]),
            tuple(_part_from_dict(part, plans) for part in value["parts"]),
            value["exempt_reason"],
        )


def filled(
    frozen: Sequence[Subscription], history: Sequence[Subscription], months: Period
) -> tuple[Subscription, ...]:
    """What a part is rated again by: what it was rated by, and where that has no plan in its counting
    periods, what `history` has by now."""
    added = [
        replace(held, starts_at=max(held.starts_at or hole.start, hole.start), ends_at=min(end, hole.end))
        for hole in _holes(frozen, months)
        for held, end in _until(history, hole.end)
        if end > hole.start and (held.starts_at is None or held.starts_at < hole.end)
    ]
    return tuple(sorted((*frozen, *added), key=lambda held: held.starts_at or EPOCH))


def _holes(history: Sequence[Subscription], within: Period) -> Iterator[Period]:
    start = within.start
    for held, end in _until(history, within.end):
        begin = held.starts_at or within.start
        if start < begin:
            yield Period(start, min(begin, within.end))
        start = max(start, end)
    if start < within.end:
        yield Period(start, within.end)


def in_period(history: Sequence[Subscription], counting: Period) -> tuple[Subscription, ...]:
    """What of a history in order of time says anything about these counting periods."""
    return tuple(
        held
        for held, end in _until(history, counting.end)
        if end > counting.start and (held.starts_at is None or held.starts_at < counting.end)
    )


def _until(history: Sequence[Subscription], latest: datetime) -> Iterator[tuple[Subscription, datetime]]:
    """Each with its end, `latest` where it has none before."""
    followers = [later.starts_at for later in history[1:]]
    for held, follower in zip(history, [*followers, None], strict=False):
        yield held, min(latest, held.ends_at or latest, follower or latest)


def _part_to_dict(part: UsageBasis) -> dict[str, object]:
    return {
        "tenant_id": str(part.tenant_id),
        "section": part.section,
        "timezone": part.timezone,
        "period": _span(part.period),
        "created_at": instant_text(part.created_at),
        "sequence": part.sequence,
        "unrated": [_span(span) for span in part.unrated],
        "subscriptions": [
            [_text(held.starts_at), str(held.plan.id), _text(held.ends_at)] for held in part.subscriptions
        ],
    }


def _part_from_dict(value: Mapping[str, Any], plans: Mapping[UUID, Plan]) -> UsageBasis:
    return UsageBasis(
        UUID(value["tenant_id"]),
        value["section"],
        value["timezone"],
        _period(value["period"]),
        tuple(
            Subscription(_instant(starts_at), plans[UUID(plan_id)], _instant(ends_at))
            for starts_at, plan_id, ends_at in value["subscriptions"]
        ),
        value["sequence"],
        tuple(_period(span) for span in value["unrated"]),
        datetime.fromisoformat(value["created_at"]),
    )


def _plan_to_dict(plan: Plan) -> dict[str, object]:
    return plan_to_dict(plan) | {"changes": [_version_to_dict(version) for version in plan.changes]}


def _plan_from_dict(value: Mapping[str, Any]) -> Plan:
    plan = plan_from_dict({name: of for name, of in value.items() if name != "changes"})
    for version in value["changes"]:
        plan = plan.with_version(_version_from_dict(version))
    return plan


def _version_to_dict(version: PlanVersion) -> dict[str, object]:
    return {
        "number": version.number,
        "prices": [price.to_dict() for price in version.prices],
        "created_at": instant_text(version.created_at),
        "effective_from": _text(version.effective_from),
        "immediate": version.immediate,
    }


def _version_from_dict(value: Mapping[str, Any]) -> PlanVersion:
    return PlanVersion(
        value["number"],
        tuple(read_price(price, f"prices[{index}]") for index, price in enumerate(value["prices"])),
        datetime.fromisoformat(value["created_at"]),
        _instant(value["effective_from"]),
        value["immediate"],
    )


def _span(period: Period) -> list[str]:
    return [instant_text(bound) for bound in period]


def _period(value: Sequence[str]) -> Period:
    start, end = map(datetime.fromisoformat, value)
    return Period(start, end)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
