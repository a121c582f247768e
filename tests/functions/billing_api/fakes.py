"""What stands behind the API in its tests, in memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from uuid import UUID

from eventing.usage import decode
from eventing.usage.labels import read_labels
from eventing.usage.metered import read_metered
from functions.billing_api.auth import Authenticator
from functions.billing_api.ports import ApiServices
from functions.invoicing import InvoicingServices
from shared.adapters.postgres.pool import Database
from shared.domain.errors import Conflict, Unavailable
from shared.domain.facts import WindowFacts
from shared.domain.meters import METERS
from shared.domain.period import Period
from shared.domain.rating.selection import Where
from shared.domain.tenant import Service, Tenant
from shared.service.billing import CalculateBill
from shared.service.dimensions import DeclareDimensions
from shared.service.evidence import Evidence
from shared.service.explain import Explain
from shared.service.ingest import Outcome
from shared.service.invoicing.parties import Parties
from shared.service.invoicing.tax_rates import TaxRates
from shared.service.meters import Meters
from shared.service.oversight import ConflictPosition, GapPosition, MeteringGap, UsageConflict
from shared.service.plan_authoring import PlanAuthoring
from shared.service.plans import Plans
from shared.service.question import Questions
from shared.service.rebuild import Rebuilt
from shared.service.simulate import Simulate
from shared.service.tenants import Tenants
from shared.service.triage import Triage
from shared.service.unrated import UnratedPosition, UnratedUsage
from shared.service.usage_report import UsageWindow, WindowFilter, WindowPage, WindowPosition
from tests.functions.billing_api.dimension_fakes import DeclaredInMemory
from tests.functions.billing_api.explain_fakes import SeriesUsage, Shelf
from tests.functions.billing_api.meter_fakes import MeterShelf
from tests.functions.billing_api.party_fakes import PartyShelf
from tests.functions.billing_api.void_fakes import VoidLedger
from tests.shared.service.letter_fakes import USAGE, Examiner, MemoryLetters, Sink
from tests.shared.service.plan_fakes import FakeBook, FakePlans

KEY = "the-admin-key"
NOW = datetime(2025, 10, 16, tzinfo=UTC)
NOWHERE = Database("postgresql:///?host=/nowhere&connect_timeout=1")
"""Invoices are tested on PostgreSQL only."""


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


class PlanShelf(FakePlans):
    """PlanStore with a book for each tenant."""

    def __init__(self) -> None:
        super().__init__()
        self._books: dict[UUID, FakeBook] = {}

    def books(self) -> Sequence[FakeBook]:
        return list(self._books.values())

    def book_of(self, tenant_id: UUID) -> FakeBook:
        return self._books.setdefault(tenant_id, FakeBook(self))


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

    def custom(
        self, tenant_id: UUID, names: Collection[str], start: datetime, end: datetime
    ) -> Mapping[str, Fraction]:
        return {f"custom.{name}": Fraction(0) for name in names}

    def ordered(self, tenant_id: UUID, name: str, start: datetime, end: datetime) -> Sequence[Fraction]:
        return ()

    def select(
        self,
        tenant_id: UUID,
        spans: Sequence[Period],
        meter: str,
        where: Where,
        *,
        in_parts: bool = False,
    ) -> Fraction:
        if meter not in METERS or not where.holds({}):
            return Fraction(0)
        totals = (self.total(tenant_id, *span) for span in spans)
        return sum((METERS[meter].quantity(total) for total in totals), Fraction(0))


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
class Unrated:
    """Unrated usage, of which the last asked-for tenant is kept."""

    found: list[UnratedUsage] = field(default_factory=list)
    asked: UUID | None = None

    def usage(
        self, tenant_id: UUID | None, *, limit: int, after: UnratedPosition | None = None
    ) -> Sequence[UnratedUsage]:
        self.asked = tenant_id
        return [u for u in self.found if after is None or u.position > after][:limit]

    def tenants(self) -> int:
        return len(self.found)


@dataclass
class Backend:
    """The services of the API over fakes; `failure`, once set, is what every one of them raises."""

    directory: Directory = field(default_factory=Directory)
    plans: PlanShelf = field(default_factory=PlanShelf)
    meters: MeterShelf = field(default_factory=MeterShelf)
    declared: DeclaredInMemory = field(default_factory=DeclaredInMemory)
    parties: PartyShelf = field(default_factory=PartyShelf)
    report: Report = field(default_factory=Report)
    totals: Totals = field(default_factory=Totals)
    series: SeriesUsage = field(default_factory=SeriesUsage)
    shelf: Shelf = field(default_factory=Shelf)
    oversight: Watched = field(default_factory=Watched)
    voids: VoidLedger = field(default_factory=VoidLedger)
    unrated: Unrated = field(default_factory=Unrated)
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
        questions = Questions(
            tenants=self.directory, plans=self.plans, fold=lambda _: self.check(), clock=lambda: NOW
        )
        return ApiServices(
            authenticator=Authenticator(KEY),
            check=self.check,
            tenants=Tenants(self.directory, lambda: NOW, self.new_id),
            ingest=self.ingest,
            usage=self.report,
            rebuild=self.rebuild,
            plans=Plans(plans=self.plans, tenants=self.directory, clock=lambda: NOW),
            authoring=PlanAuthoring(
                plans=self.plans, tenants=self.directory, clock=lambda: NOW, new_id=self.new_plan_id
            ),
            meters=Meters(
                meters=self.meters,
                tenants=self.directory,
                payloads_complete_from=lambda _: None,
                clock=lambda: NOW,
                new_id=lambda: UUID(int=2_000 + len(self.meters.meters)),
            ),
            dimensions=DeclareDimensions(self.declared, lambda: NOW),
            parties=Parties(
                parties=self.parties, tenants=self.directory, clock=lambda: NOW, new_id=self.new_party_id
            ),
            tax_rates=TaxRates(parties=self.parties, clock=lambda: NOW, new_id=self.new_party_id),
            invoicing=InvoicingServices(NOWHERE, lambda _: self.check(), clock=lambda: NOW),
            unrated=self.unrated,
            calculate=calculate,
            simulate=Simulate(questions, self.totals),
            explain=Explain(questions, self.series),
            evidence=Evidence(
                tenants=self.directory,
                reader=self.shelf,
                fold=lambda _: self.check(),
                decode=decode,
                read_labels=read_labels,
                read_metered=read_metered,
                clock=lambda: NOW,
            ),
            oversight=self.oversight,
            voids=self.voids,
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
            counted_type=USAGE,
            drained_types=(USAGE,),
            new_id=lambda: UUID(int=7),
        )

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def new_id(self) -> UUID:
        return UUID(int=len(self.directory.tenants) + len(self.directory.services) + 1)

    def new_plan_id(self) -> UUID:
        return UUID(int=1_000 + len(self.plans.plans))

    def new_party_id(self) -> UUID:
        return UUID(int=3_000 + len(self.parties.noted))

    def ingest(self, body: bytes, *, idempotency_key: str | None) -> Outcome:
        self.check()
        self.ingested.append((body, idempotency_key))
        return self.outcome

    def rebuild(self, tenant_id: UUID, start: datetime, end: datetime) -> Rebuilt:
        self.check()
        return self.rebuilt
