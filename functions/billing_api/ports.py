"""What the API needs of the services behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from functions.billing_api.auth import Authenticator
from shared.domain.cost import Bill
from shared.service.ingest import Outcome
from shared.service.oversight import Oversight
from shared.service.plans import Plans
from shared.service.rebuild import Rebuilt
from shared.service.tenants import Tenants
from shared.service.triage import Triage
from shared.service.usage_report import UsageReport


class AcceptUsage(Protocol):
    """Accepts the body of a request: one record or many, of one tenant or several, whole or not at all."""

    def __call__(self, body: bytes, *, idempotency_key: str | None) -> Outcome: ...


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
    triage: Callable[[], Triage]
    plans: Plans
    calculate: CalculateBill
