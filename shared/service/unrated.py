"""Usage that no plan is in force for: it is in no bill until there is one, and must not be forgotten."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

_log = logging.getLogger(__name__)


class UnratedPosition(NamedTuple):
    """Where unrated usage stands in the list: by tenant and time."""

    tenant_id: UUID
    used_from: datetime


@dataclass(frozen=True, slots=True)
class UnratedUsage:
    """What a tenant used, from `used_from` up to `used_until`, while it had no plan: from `no_plan_from`
    (None: from the beginning) up to `no_plan_until` (None: there is still none)."""

    tenant_id: UUID
    tenant: str
    no_plan_from: datetime | None
    no_plan_until: datetime | None
    used_from: datetime
    used_until: datetime
    invocations: int

    @property
    def position(self) -> UnratedPosition:
        return UnratedPosition(self.tenant_id, self.used_from)


class UnratedReport(Protocol):
    def usage(
        self, tenant_id: UUID | None, *, limit: int, after: UnratedPosition | None = None
    ) -> Sequence[UnratedUsage]:
        """Each stretch of time without a plan that has usage, of all tenants where none is named, from the
        one behind `after`."""

    def tenants(self) -> int:
        """How many tenants have such usage."""


def watch(report: UnratedReport, told: Callable[[int], None]) -> None:
    """Tell how many tenants have unrated usage, and warn where there are any."""
    count = report.tenants()
    told(count)
    if count:
        _log.warning("%d tenants have usage that is unrated: no pricing plan is in force for it", count)
