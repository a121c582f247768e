"""Which version of which plan is in force when: a counting period, cut where that changes."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple

from shared.domain.period import Period, Term
from shared.domain.plan import Plan, PlanVersion, Subscription, in_force


class Segment(NamedTuple):
    """The part [start, end) of a counting period with one version of one plan, or with none: usage in it is
    then unrated."""

    counting: Period
    start: datetime
    end: datetime
    plan: Plan | None
    version: PlanVersion | None
    charged_from: datetime
    """When the first plan of the counting period came into force."""

    @property
    def term(self) -> Term:
        return Term(self.start, self.end, self.charged_from)


def segments(counting: Period, history: Sequence[Subscription]) -> tuple[Segment, ...]:
    """The whole counting period, in order, by the tenant's subscriptions in order of time."""
    changes = {at for at in _changes(history) if counting.start < at < counting.end}
    bounds = sorted({*counting, *changes})
    held = [(start, end, *_held(history, start, counting)) for start, end in pairwise(bounds)]
    charged_from = next((start for start, _, plan, _ in held if plan is not None), counting.start)
    pieces: list[Segment] = []
    for _, group in groupby(held, lambda one: (one[2] and one[2].id, one[3] and one[3].number)):
        same = list(group)
        start, (_, end, plan, version) = same[0][0], same[-1]
        pieces.append(Segment(counting, start, end, plan, version, charged_from))
    return tuple(pieces)


def _changes(history: Sequence[Subscription]) -> Iterator[datetime]:
    for subscription in history:
        yield from filter(None, (subscription.starts_at, subscription.ends_at))
        yield from (v.effective_from for v in subscription.plan.changes if v.effective_from is not None)


def _held(
    history: Sequence[Subscription], at: datetime, counting: Period
) -> tuple[Plan, PlanVersion] | tuple[None, None]:
    subscription = in_force(history, at)
    if subscription is None:
        return None, None
    return subscription.plan, subscription.version_at(at, counting.start)
