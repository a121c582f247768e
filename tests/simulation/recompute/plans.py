"""Who has which version of which plan when, by the rules of docs/plans.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from tests.simulation.recompute.months import Month, first_month_from, next_on_grid


class Refused(Exception):
    """What cannot be asked for."""


Prices = Sequence[Mapping[str, Any]]
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Version(NamedTuple):
    number: int
    prices: Prices
    effective_from: datetime
    at_once: bool


@dataclass
class Plan:
    name: str
    versions: list[Version]

    def add(self, prices: Prices, effective_from: datetime | None, *, at_once: bool, now: datetime) -> None:
        since = effective_from or next_on_grid(now)
        self.versions.append(Version(len(self.versions) + 1, prices, since, at_once))

    def version_at(self, instant: datetime, month: Month, taken_at: datetime) -> Version:
        """Whoever had the plan before a version changes to it with a month, unless it applies at once."""
        settled = max(month[0], taken_at)
        return [v for v in self.versions if v.effective_from <= (instant if v.at_once else settled)][-1]


class Term(NamedTuple):
    """A part of a month with one version of a plan, or with none."""

    start: datetime
    end: datetime
    plan: str
    version: int
    prices: Prices


@dataclass
class Holding:
    """What a tenant has from when on; "" where it has no plan from then on."""

    zone: str
    rows: dict[datetime, str] = field(default_factory=dict)

    def take(self, plan: str, *, now: datetime, starts_at: datetime | None, at_once: bool) -> None:
        since = self._start(now, starts_at, at_once)
        if BEGINNING < since < now:
            if self._held_at(since):
                raise Refused("that is rated already")
            self.rows[since] = plan
            return
        self._forget_from(since)
        if self._held_at(since) != plan:
            self.rows[since] = plan

    def end(self, ends_at: datetime) -> None:
        before = [since for since in self.rows if since < ends_at]
        if not before or not self.rows[max(before)]:
            raise Refused("there is no plan until then")
        self._forget_from(ends_at)
        self.rows[ends_at] = ""

    def terms(self, month: Month, plans: Mapping[str, Plan]) -> list[Term]:
        bounds = sorted({*month, *(at for at in self._changes(plans) if month[0] < at < month[1])})
        held = [(start, end, *self._version_at(start, month, plans)) for start, end in pairwise(bounds)]
        terms: list[Term] = []
        for (plan, version), same in groupby(held, lambda one: (one[2], one[3] and one[3].number)):
            pieces = list(same)
            prices = pieces[0][3].prices if pieces[0][3] else ()
            terms.append(Term(pieces[0][0], pieces[-1][1], plan, version or 0, prices))
        return terms

    def _start(self, now: datetime, starts_at: datetime | None, at_once: bool) -> datetime:
        if starts_at is None and not any(since <= now for since, plan in self.rows.items() if plan):
            return BEGINNING
        if at_once:
            return starts_at or next_on_grid(now)
        return first_month_from(self.zone, starts_at or next_on_grid(now))

    def _changes(self, plans: Mapping[str, Plan]) -> Iterator[datetime]:
        yield from self.rows
        for plan in {*self.rows.values()} - {""}:
            yield from (version.effective_from for version in plans[plan].versions)

    def _version_at(
        self, instant: datetime, month: Month, plans: Mapping[str, Plan]
    ) -> tuple[str, Version | None]:
        plan = self._held_at(instant)
        if not plan:
            return "", None
        taken_at = max(since for since in self.rows if since <= instant)
        return plan, plans[plan].version_at(instant, month, taken_at)

    def _held_at(self, instant: datetime) -> str:
        return next((self.rows[since] for since in sorted(self.rows, reverse=True) if since <= instant), "")

    def _forget_from(self, instant: datetime) -> None:
        self.rows = {since: plan for since, plan in self.rows.items() if since < instant}
