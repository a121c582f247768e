"""Plans and versions of plans as clients enter them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.period import grid_instant
from shared.domain.plan import Plan, PlanVersion
from shared.domain.plan_document import finish_with_prices, plan_from_dict
from shared.domain.rating.kinds import Price
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX

NEXT_PERIOD: Final = "next_period"
IMMEDIATELY: Final = "immediately"
APPLIES: Final = (NEXT_PERIOD, IMMEDIATELY)
"""When what is new applies to who has a plan: from their next counting period on, or at once."""

_OF_THE_SERVICE: Final = ("id", "created_at")
_YEARS: Final = range(2000, 9000)


def read_plan(
    value: Mapping[str, object],
    *,
    id: UUID,
    created_at: datetime,
    find_tenant: Callable[[str], Tenant | None],
) -> Plan:
    """The plan that a client describes, shared, or personal to the tenant that `tenant_id` names by UUID,
    slug or alias. Raises Rejected with the path of every fault."""
    entered = dict(value)
    faults = [
        Fault(name, "is given by the service")
        for name in _OF_THE_SERVICE
        if entered.pop(name, None) is not None
    ]
    name, ref = entered.get("name"), entered.get("tenant_id")
    if isinstance(name, str):
        faults += name_faults(name)
    if ref is not None:
        tenant = find_tenant(ref) if isinstance(ref, str) else None
        entered["tenant_id"] = str(tenant.id) if tenant else None
        if tenant is None:
            faults.append(Fault("tenant_id", f"no tenant {str(ref)[:TEXT_MAX]!r}"))
        elif entered.get("currency") not in (None, tenant.currency):
            faults.append(Fault("currency", f"must be {tenant.currency}, which the tenant is billed in"))
    try:
        plan = plan_from_dict(entered, id=id, created_at=created_at)
    except Rejected as refusal:
        known = {fault.field for fault in refusal.faults}
        raise Rejected(*refusal.faults, *(f for f in faults if f.field not in known)) from None
    if faults:
        raise Rejected(*faults)
    return plan


def name_faults(name: str) -> list[Fault]:
    """What else a name must not be, since plans are found by name or UUID."""
    try:
        UUID(name)
    except ValueError:
        return []
    return [Fault("name", "must not look like a UUID")]


def read_version(
    value: Mapping[str, object], plan: Plan, *, created_at: datetime, earliest: datetime
) -> PlanVersion:
    """The next version of `plan` that a client describes, which takes effect at `earliest` where it does not
    say when. Raises Rejected with the path of every fault."""
    document = Document(value)
    effective_from = _effective_from(document, earliest)
    applies = NEXT_PERIOD if document.value("applies") is None else document.text("applies")
    if applies not in APPLIES:
        document.fault("applies", f"must be one of {', '.join(APPLIES)}")
    if document.value("currency") not in (None, plan.currency):
        document.fault("currency", f"never changes: the plan is in {plan.currency}")

    def make(prices: tuple[Price, ...]) -> PlanVersion:
        version = PlanVersion(
            number=len(plan.versions) + 1,
            prices=prices,
            created_at=created_at,
            effective_from=effective_from,
            immediate=applies == IMMEDIATELY,
        )
        plan.with_version(version)
        return version

    return finish_with_prices(document, make)


def _effective_from(document: Document, earliest: datetime) -> datetime:
    given = document.instant("effective_from")
    if given is None or given.tzinfo is None:
        return earliest
    try:
        instant = grid_instant("effective_from", given.astimezone(UTC))
    except Rejected as refusal:
        document.fault(*refusal.faults[0])
        return earliest
    except OverflowError:
        instant = given
    if instant.year not in _YEARS:
        document.fault("effective_from", f"must lie between the years {_YEARS.start} and {_YEARS.stop}")
    elif instant < earliest:
        said = f"{earliest:%Y-%m-%dT%H:%M:%SZ}"
        document.fault("effective_from", f"must not change the past; the earliest is {said}")
    return instant
