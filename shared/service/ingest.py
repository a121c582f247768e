"""Accepting usage: whole or not at all, and once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from shared.domain.aggregate import aggregate, group, names_of, with_revisions
from shared.domain.errors import Conflict, Fault, Rejected, Unavailable
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX, DecodedUsage, Part, event_key
from shared.service.dimension_ports import NoDimensions, UsageDimensions
from shared.service.meter_ports import NoMeters, UsageMeters
from shared.service.ports import Clock, SeriesRegistry, TenantDirectory, UsageDecoder, UsageLog


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many records were accepted, and how many were there already."""

    accepted: int = 0
    duplicate: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.accepted + other.accepted, self.duplicate + other.duplicate)


@dataclass(frozen=True, slots=True)
class Examination:
    """What is wrong with an event, so far as it was checked.

    `total` counts the faults where more were found than are listed. Not `is_complete`: the database was
    away, or nothing here knows events of that type. `is_counted`: these very records have been accepted.
    """

    faults: tuple[Fault, ...] = ()
    total: int = 0
    is_complete: bool = True
    is_counted: bool = False


class IngestUsage:
    """Checks a part, registers what it names and appends it.

    `accepted` is called after each new part, `conflicted` after each whose identity was used before for
    other records.
    """

    def __init__(
        self,
        *,
        decode: UsageDecoder,
        tenants: TenantDirectory,
        series: SeriesRegistry,
        log: UsageLog,
        clock: Clock,
        meters: UsageMeters | None = None,
        dimensions: UsageDimensions | None = None,
        accepted: Callable[[], None] = lambda: None,
        conflicted: Callable[[], None] = lambda: None,
    ) -> None:
        self._decode = decode
        self._tenants = tenants
        self._series = series
        self._log = log
        self._clock = clock
        self._meters: UsageMeters = meters or NoMeters()
        self._dimensions: UsageDimensions = dimensions or NoDimensions()
        self._accepted = accepted
        self._conflicted = conflicted
        # The interpreter runs one thread at a time: where several read large events in turns, each finds its
        # memory out of the caches, and takes half as long again (ADR 13).
        self._reading = Lock()

    def accept_event(
        self,
        *,
        source: str,
        id: str,
        tenant_ref: str,
        time: datetime | None,
        data: bytes,
        sequence: int | None = None,
    ) -> Outcome:
        """Accept the data of one usage event, for the tenant that the event names.

        Raises Rejected, TooLarge or Conflict for good, Unavailable for now.
        """
        received_at = self._clock()
        recorded_at = time or received_at
        with self._reading:
            usage = self._decode(data, recorded_at=recorded_at, received_at=received_at)
        tenant = self.resolve(tenant_ref, usage)
        return self.accept(
            Part(source, id, tenant.id, received_at, recorded_at, usage, (data.decode(),), sequence)
        )

    def examine_event(
        self, *, source: str, id: str, tenant_ref: str | None, time: datetime | None, data: bytes
    ) -> Examination:
        """All that `accept_event` would refuse the event for now; stores nothing, raises nothing."""
        received_at = self._clock()
        recorded_at = time or received_at
        faults: list[Fault] = []
        uncounted = 0
        usage = DecodedUsage(records=(), digest=b"")
        try:
            usage = self._decode(data, recorded_at=recorded_at, received_at=received_at)
        except Rejected as refusal:
            faults += refusal.faults
            uncounted = refusal.total - len(refusal.faults)
        is_complete, is_counted = True, False
        try:
            if tenant_ref is None:
                raise Rejected.because("tenantid", "is missing")
            tenant = self.resolve(tenant_ref, usage)
            if not faults:
                part = Part(source, id, tenant.id, received_at, recorded_at, usage, (data.decode(),))
                is_counted = self._log.is_known(part)
        except Rejected as refusal:
            faults += refusal.faults
        except Unavailable:
            is_complete = False
        return Examination(tuple(faults), len(faults) + uncounted, is_complete, is_counted)

    def give_up_event(self, *, source: str, id: str, tenant_ref: str | None) -> None:
        """See that an event, which another is sent in the place of, is not counted beside it, however late
        it comes. Raises Conflict where it was counted, Unavailable for now.

        An event of a tenant that does not exist has nowhere to be counted.
        """
        tenant = self._tenants.find(tenant_ref) if tenant_ref is not None else None
        if tenant is not None:
            self._log.give_up(tenant.id, event_key(source, id), self._clock())

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
                with self._noting_conflict(part):
                    self._log.is_known(part)
        return sum((self.accept(part) for part in parts), Outcome())

    def accept(self, part: Part) -> Outcome:
        """Accept a part whose tenant is known."""
        dimensions = self._dimensions.of_records(part.tenant_id, part.usage.records, part.bodies)
        with self._reading:
            groups = group(part.usage.records, dimensions)
        names = names_of(groups) if dimensions is None else with_revisions(names_of(groups))
        series = self._series.register(part.tenant_id, names, seen_at=part.received_at)
        with self._reading:
            windows = aggregate(groups, series)
        metered = self._meters.metered(part, series)
        with self._noting_conflict(part):
            is_new = self._log.append(part, windows, metered)
        count, repeated = len(part.usage.records), part.usage.duplicates
        if not is_new:
            return Outcome(duplicate=count + repeated)
        self._accepted()
        return Outcome(accepted=count, duplicate=repeated)

    @contextmanager
    def _noting_conflict(self, part: Part) -> Iterator[None]:
        try:
            yield
        except Conflict:
            self._conflicted()
            self._log.note_conflict(part)
            raise

    def _id_of(self, ref: str) -> UUID | None:
        tenant = self._tenants.find(ref)
        return tenant.id if tenant is not None else None
