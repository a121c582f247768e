"""What stands behind the API in its tests, in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from functions.billing_api.auth import Authenticator
from functions.billing_api.ports import ApiServices
from shared.domain.errors import Conflict, Unavailable
from shared.domain.facts import WindowFacts
from shared.domain.plan import Plan, Subscription
from shared.domain.tenant import Service, Tenant
from shared.service.billing import CalculateBill
from shared.service.ingest import Outcome
from shared.service.oversight import ConflictPosition, GapPosition, MeteringGap, UsageConflict
from shared.service.plans import Plans
from shared.service.rebuild import Rebuilt
from shared.service.tenants import Tenants
from shared.service.triage import Triage
from shared.service.usage_report import UsageWindow, WindowFilter, WindowPage, WindowPosition
from tests.shared.service.letter_fakes import USAGE, Examiner, MemoryLetters, Sink

KEY = "the-admin-key"
NOW = datetime(2025, 10, 16, tzinfo=UTC)


@dataclass
class Directory:
    tenants: dict[UUID, Tenant] = field(default_factory=dict)
    services: dict[UUID, Service] = field(default_factory=dict)

    def find(self, ref: str) -> Tenant | None:
        return next((t for t in self.tenants.values() if ref in {str(t.id), t.slug, *t.aliases}), None)

    def add(self, tenant: Tenant) -> None:
        if any(self.find(name) for name in (tenant.slug, *tenant.aliases)):
            raise Conflict.because("slug", "the slug or an alias is taken by another tenant")
        self.tenants[tenant.id] = tenant

    def list(self, *, limit: int, after: UUID | None) -> Sequence[Tenant]:
        return [t for id, t in sorted(self.tenants.items()) if after is None or id > after][:limit]

    def add_service(self, service: Service) -> None:
        key = (service.tenant_id, service.namespace, service.name)
        if any((s.tenant_id, s.namespace, s.name) == key for s in self.services.values()):
            raise Conflict.because("name", "the tenant has a service of this namespace and name")
        self.services[service.id] = service

    def list_services(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Service]:
        return [
            s
            for id, s in sorted(self.services.items())
            if (after is None or id > after) and tenant_id in {None, s.tenant_id}
        ][:limit]


@dataclass
class PlanShelf:
    plans: dict[UUID, Plan] = field(default_factory=dict)
    history: dict[UUID, list[Subscription]] = field(default_factory=dict)

    def add(self, plan: Plan) -> None:
        self.plans.setdefault(plan.id, plan)

    def find(self, ref: str, *, tenant_id: UUID | None) -> Plan | None:
        return next((p for p in self._of(tenant_id) if ref in {str(p.id), p.name}), None)

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Plan]:
        return [p for p in self._of(tenant_id) if after is None or p.id > after][:limit]

    def subscriptions(self, tenant_id: UUID) -> Sequence[Subscription]:
        return self.history.get(tenant_id, [])

    @contextmanager
    def changing(self, tenant_id: UUID) -> Iterator["Book"]:
        yield Book(self.history.setdefault(tenant_id, []))

    def _of(self, tenant_id: UUID | None) -> Sequence[Plan]:
        return [p for _, p in sorted(self.plans.items()) if p.tenant_id in {None, tenant_id}]


@dataclass
class Book:
    subscriptions: list[Subscription]

    def history(self) -> Sequence[Subscription]:
        return self.subscriptions

    def cancel_after(self, instant: datetime) -> None:
        self.subscriptions[:] = [s for s in self.subscriptions if s.has_started(instant)]

    def add(self, subscription: Subscription) -> None:
        self.subscriptions.append(subscription)


@dataclass
class Report:
    stored: list[UsageWindow] = field(default_factory=list)
    asked: list[WindowFilter] = field(default_factory=list)

    def windows(self, wanted: WindowFilter, *, limit: int, after: WindowPosition | None = None) -> WindowPage:
        self.asked.append(wanted)
        return WindowPage(NOW, [w for w in self.stored if after is None or w.position > after][:limit])


@dataclass
class Totals:
    """The same usage in every period."""

    facts: WindowFacts = field(default_factory=WindowFacts)

    @contextmanager
    def snapshot(self) -> Iterator["Totals"]:
        yield self

    def total(self, tenant_id: UUID, start: datetime, end: datetime) -> WindowFacts:
        return self.facts


@dataclass
class Watched:
    """Gaps and conflicts, of which the last asked-for tenant is kept."""

    open: list[MeteringGap] = field(default_factory=list)
    found: list[UsageConflict] = field(default_factory=list)
    asked: UUID | None = None

    def gaps(
        self, tenant_id: UUID | None, *, limit: int, after: GapPosition | None = None
    ) -> Sequence[MeteringGap]:
        self.asked = tenant_id
        return [gap for gap in self.open if after is None or gap.position > after][:limit]

    def conflicts(
        self, tenant_id: UUID | None, *, limit: int, after: ConflictPosition | None = None
    ) -> Sequence[UsageConflict]:
        self.asked = tenant_id
        return [c for c in self.found if after is None or c.position < after][:limit]


@dataclass
class Backend:
    """The services of the API over fakes; `failure`, once set, is what every one of them raises."""

    directory: Directory = field(default_factory=Directory)
    plans: PlanShelf = field(default_factory=PlanShelf)
    report: Report = field(default_factory=Report)
    totals: Totals = field(default_factory=Totals)
    oversight: Watched = field(default_factory=Watched)
    letters: MemoryLetters | None = field(default_factory=MemoryLetters)
    sink: Sink = field(default_factory=Sink)
    examiner: Examiner = field(default_factory=Examiner)
    outcome: Outcome = field(default_factory=lambda: Outcome(accepted=1))
    rebuilt: Rebuilt = field(default_factory=lambda: Rebuilt(0, ()))
    failure: Exception | None = None
    ingested: list[tuple[bytes, str | None]] = field(default_factory=list)

    def services(self) -> ApiServices:
        calculate = CalculateBill(
            tenants=self.directory,
            plans=self.plans,
            usage=self.totals,
            fold=lambda _: self.check(),
            clock=lambda: NOW,
        ).calculate
        return ApiServices(
            authenticator=Authenticator(KEY),
            check=self.check,
            tenants=Tenants(self.directory, lambda: NOW, self.new_id),
            ingest=self.ingest,
            usage=self.report,
            rebuild=self.rebuild,
            plans=Plans(plans=self.plans, tenants=self.directory, clock=lambda: NOW),
            calculate=calculate,
            oversight=self.oversight,
            triage=self.triage,
        )

    def triage(self) -> Triage:
        if self.letters is None:
            raise Unavailable("REDIS_URL is not set")
        return Triage(
            store=self.letters,
            send=self.sink,
            examine=self.examiner,
            give_up=lambda _event: None,
            check_database=self.check,
            drained_type=USAGE,
            new_id=lambda: UUID(int=7),
        )

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def new_id(self) -> UUID:
        return UUID(int=len(self.directory.tenants) + len(self.directory.services) + 1)

    def ingest(self, body: bytes, *, idempotency_key: str | None) -> Outcome:
        self.check()
        self.ingested.append((body, idempotency_key))
        return self.outcome

    def rebuild(self, tenant_id: UUID, start: datetime, end: datetime) -> Rebuilt:
        self.check()
        return self.rebuilt
