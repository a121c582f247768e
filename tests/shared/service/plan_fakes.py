"""Plans and subscriptions in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from shared.domain.errors import Conflict, NotFound
from shared.domain.plan import Plan, PlanVersion, Subscription, history_of
from shared.domain.plan_change import PlanChange

Rows = dict[datetime | None, UUID | None]


class FakeBook:
    """SubscriptionBook of one tenant: what it has from when on, by id, None for no plan."""

    def __init__(self, plans: "FakePlans", history: Sequence[Subscription] = ()) -> None:
        self._plans = plans
        self.rows: Rows = {}
        self.restated: list[datetime | None] = []
        for subscription in history:
            self.add(subscription)
            if subscription.ends_at is not None:
                self.end(subscription.ends_at)

    def history(self) -> Sequence[Subscription]:
        ordered = sorted(self.rows.items(), key=lambda row: (row[0] is not None, row[0]))
        return history_of((at, None if id is None else self._plans.plans[id]) for at, id in ordered)

    def cancel_from(self, instant: datetime | None) -> None:
        self.rows = {
            at: id for at, id in self.rows.items() if instant is not None and (at is None or at < instant)
        }

    def cancel_at(self, instant: datetime) -> None:
        self.rows.pop(instant, None)

    def add(self, subscription: Subscription) -> None:
        self._plans.plans.setdefault(subscription.plan.id, subscription.plan)
        assert subscription.starts_at not in self.rows
        self.rows[subscription.starts_at] = subscription.plan.id

    def end(self, instant: datetime) -> None:
        self.rows[instant] = None

    def restate(self, since: datetime | None) -> None:
        self.restated.append(since)

    def note(self, change: PlanChange) -> None:
        self._plans.note(change)


@dataclass
class FakeEditor:
    """PlanEditor."""

    plans: "FakePlans"
    plan: Plan

    def save(self, plan: Plan) -> None:
        self.plans.check_name(plan)
        self.plans.plans[plan.id] = plan

    def add_version(self, version: PlanVersion) -> None:
        self.plans.plans[self.plan.id] = self.plan.with_version(version)

    def delete(self) -> None:
        if any(self.plan.id in book.rows.values() for book in self.plans.books()):
            raise Conflict.because("plan", "has subscribers")
        del self.plans.plans[self.plan.id]

    def restate(self, since: datetime) -> None:
        self.plans.restated.append(since)

    def note(self, change: PlanChange) -> None:
        self.plans.note(change)


class FakePlans:
    """PlanStore, where all tenants share one book."""

    def __init__(self, *plans: Plan, history: Sequence[Subscription] = ()) -> None:
        self.plans = {plan.id: plan for plan in plans}
        self.noted: list[PlanChange] = []
        self.restated: list[datetime] = []
        self.book = FakeBook(self, history)

    def books(self) -> Sequence[FakeBook]:
        return [self.book]

    def book_of(self, tenant_id: UUID) -> FakeBook:
        return self.book

    def add(self, plan: Plan, change: PlanChange | None = None) -> None:
        if plan.id not in self.plans:
            self.check_name(plan)
            self.plans[plan.id] = plan
            if change is not None:
                self.note(change)

    def get(self, plan_id: UUID) -> Plan | None:
        return self.plans.get(plan_id)

    def find(self, ref: str, *, tenant_id: UUID | None) -> Plan | None:
        return next((p for p in self._visible(tenant_id) if ref in (str(p.id), p.name)), None)

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Plan]:
        plans = sorted(self._visible(tenant_id), key=lambda plan: plan.id)
        return [plan for plan in plans if after is None or plan.id > after][:limit]

    def subscriptions(self, tenant_id: UUID) -> Sequence[Subscription]:
        return self.book_of(tenant_id).history()

    @contextmanager
    def changing(self, tenant_id: UUID) -> Iterator[FakeBook]:
        book = self.book_of(tenant_id)
        rows = dict(book.rows)
        try:
            yield book
        except BaseException:
            book.rows = rows
            raise

    @contextmanager
    def editing(self, plan_id: UUID) -> Iterator[FakeEditor]:
        if plan_id not in self.plans:
            raise NotFound.because("plan", "there is none")
        yield FakeEditor(self, self.plans[plan_id])

    def changes(self, plan_id: UUID, *, limit: int, before: UUID | None) -> Sequence[PlanChange]:
        newest = [one for one in reversed(self.noted) if one.plan_id == plan_id]
        return [one for one in newest if before is None or (one.id and one.id < before)][:limit]

    def note(self, change: PlanChange) -> None:
        self.noted.append(replace(change, id=UUID(int=len(self.noted) + 1)))

    def check_name(self, plan: Plan) -> None:
        others = [known for known in self.plans.values() if known.id != plan.id]
        if any((plan.tenant_id, plan.name) == (known.tenant_id, known.name) for known in others):
            raise Conflict.because("name", f"there is a plan {plan.name!r} already")

    def _visible(self, tenant_id: UUID | None) -> Sequence[Plan]:
        return [plan for plan in self.plans.values() if plan.tenant_id in (None, tenant_id)]
