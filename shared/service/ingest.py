"""Accepting usage: whole or not at all, and once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.aggregate import aggregate, series_name
from shared.domain.errors import Fault, Rejected
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX, DecodedUsage, Part
from shared.service.ports import Clock, SeriesRegistry, TenantDirectory, UsageDecoder, UsageLog


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many records were accepted, and how many were there already."""

    accepted: int = 0
    duplicate: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.accepted + other.accepted, self.duplicate + other.duplicate)


class IngestUsage:
    """Checks a part, registers what it names and appends it; `accepted` is called after each new part."""

    def __init__(
        self,
        *,
        decode: UsageDecoder,
        tenants: TenantDirectory,
        series: SeriesRegistry,
        log: UsageLog,
        clock: Clock,
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self._decode = decode
        self._tenants = tenants
        self._series = series
        self._log = log
        self._clock = clock
        self._accepted = accepted

    def accept_event(
        self, *, source: str, id: str, tenant_ref: str, time: datetime | None, data: bytes
    ) -> Outcome:
        """Accept the data of one usage event, for the tenant that the event names.

        Raises Rejected, TooLarge or Conflict for good, Unavailable for now.
        """
        received_at = self._clock()
        recorded_at = time or received_at
        usage = self._decode(data, recorded_at=recorded_at, received_at=received_at)
        tenant = self.resolve(tenant_ref, usage)
        return self.accept(
            Part(source, id, tenant.id, received_at, recorded_at, usage, bodies=(data.decode(),))
        )

    def resolve(self, tenant_ref: str, usage: DecodedUsage, *, field: str = "tenantid") -> Tenant:
        """The tenant named, where the records' own `tenant_id`s name the same one."""
        tenant = self._tenants.find(tenant_ref)
        if tenant is None:
            raise Rejected.because(field, f"no tenant {tenant_ref[:TEXT_MAX]!r}")
        faults = [
            Fault("tenant_id", f"{ref[:TEXT_MAX]!r} is not tenant {tenant.slug!r}")
            for ref in sorted(usage.tenant_refs)
            if ref != tenant_ref and self._id_of(ref) != tenant.id
        ]
        if faults:
            raise Rejected(*faults)
        return tenant

    def accept_all(self, parts: Sequence[Part]) -> Outcome:
        """Accept what a sender posted at once for several tenants, each part in a transaction of its own.

        A part in conflict is found before any is accepted.
        """
        if len(parts) > 1:
            for part in parts:
                self._log.is_known(part)
        return sum((self.accept(part) for part in parts), Outcome())

    def accept(self, part: Part) -> Outcome:
        """Accept a part whose tenant is known."""
        names = {series_name(record) for record in part.usage.records}
        series = self._series.register(part.tenant_id, names, seen_at=part.received_at)
        is_new = self._log.append(part, aggregate(part.usage.records, series))
        count, repeated = len(part.usage.records), part.usage.duplicates
        if not is_new:
            return Outcome(duplicate=count + repeated)
        self._accepted()
        return Outcome(accepted=count, duplicate=repeated)

    def _id_of(self, ref: str) -> UUID | None:
        tenant = self._tenants.find(ref)
        return tenant.id if tenant is not None else None
