"""What the API needs of the services behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from functions.billing_api.auth import Authenticator
from functions.invoicing import InvoicingServices
from shared.domain.cost import Bill
from shared.domain.voids import Void, Voided, VoidPosition, VoidRequest
from shared.service.dimensions import DeclareDimensions
from shared.service.evidence import Evidence
from shared.service.explain import Explain
from shared.service.ingest import Outcome
from shared.service.invoicing.parties import Parties
from shared.service.invoicing.tax_rates import TaxRates
from shared.service.meters import Meters
from shared.service.oversight import Oversight
from shared.service.plan_authoring import PlanAuthoring
from shared.service.plans import Plans
from shared.service.rebuild import Rebuilt
from shared.service.simulate import Simulate
from shared.service.tenants import Tenants
from shared.service.triage import Triage
from shared.service.unrated import UnratedReport
from shared.service.usage_report import UsageReport


class AcceptUsage(Protocol):
    """Accepts the body of a request: one record or many, of one tenant or several, whole or not at all."""

    def __call__(self, body: bytes, *, idempotency_key: str | None) -> Outcome: ...


class Voids(Protocol):
    """As `VoidUsage`."""

    def void(self, requests: Sequence[VoidRequest], *, by: str) -> Sequence[Voided]: ...

    def list(
        self, tenant_id: UUID | None, *, limit: int, after: VoidPosition | None = None
    ) -> Sequence[Void]: ...


RebuildWindows = Callable[[UUID, datetime, datetime], Rebuilt]
"""As `Rebuild.run`."""

CalculateBill = Callable[[str, datetime, datetime], Bill]
"""As `CalculateBill.calculate`."""


@dataclass(frozen=True, slots=True)
class ApiServices:
    """`check` raises Unavailable while the database is away, `triage` where there are no dead letters."""

    authenticator: Authenticator
    check: Callable[[], None]
    tenants: Tenants
    ingest: AcceptUsage
    usage: UsageReport
    rebuild: RebuildWindows
    oversight: Oversight
    voids: Voids
    triage: Callable[[], Triage]
    plans: Plans
    authoring: PlanAuthoring
    meters: Meters
    dimensions: DeclareDimensions
    parties: Parties
    tax_rates: TaxRates
    invoicing: InvoicingServices
    unrated: UnratedReport
    calculate: CalculateBill
    simulate: Simulate
    explain: Explain
    evidence: Evidence
