"""Voids: a part of usage is taken back, and never counts again, whenever it comes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from shared.domain.aggregate import Series, aggregate, group, names_of
from shared.domain.errors import Fault, Rejected, Unavailable
from shared.domain.usage import TEXT_MAX
from shared.domain.voids import Void, Voided, VoidPosition, VoidRequest
from shared.domain.windows import WindowSize, floor
from shared.service.ports import (
    Clock,
    RebuildTransaction,
    SeriesRegistry,
    StoredPayload,
    TenantDirectory,
    UsageDecoder,
    WindowStore,
)
from shared.service.rebuild import Rebuild

_ANY_SERIES: Final = Series(UUID(int=0), UUID(int=0))


class VoidTransaction(RebuildTransaction, Protocol):
    """One transaction that holds the fold's lock of a tenant: what was folded by then is all that counts.

    It sees what others commit meanwhile: usage that is accepted, each part with its delta.
    """

    def mark(
        self, tenant_id: UUID, requests: Collection[VoidRequest], *, by: str, at: datetime
    ) -> Collection[UUID]:
        """Void these parts; the keys of those that were not void before. Nothing is accepted under them
        that counts."""

    def accepted(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Mapping[UUID, datetime]:
        """Of these parts those that have been accepted, with when they came."""

    def drop_deltas(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Collection[UUID]:
        """Take the deltas of these parts away; the keys of those that were still waiting for a fold. That
        numbered batches came is noted."""

    def payloads_of(
        self, tenant_id: UUID, event_key: UUID, received_at: datetime
    ) -> Sequence[StoredPayload]: ...

    def note_taken_back(
        self, tenant_id: UUID, event_key: UUID, *, received_at: datetime, records: int, invocations: int
    ) -> None: ...


class VoidStore(Protocol):
    def locked(self, tenant_id: UUID) -> AbstractContextManager[VoidTransaction]:
        """Waits for the lock."""

    def find(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Mapping[UUID, Void]:
        """Those of these parts that are void."""

    def list(
        self, tenant_id: UUID | None, *, limit: int, after: VoidPosition | None = None
    ) -> Sequence[Void]:
        """Voids, the newest first, of all tenants where none is named, from the one behind `after`."""


class _PartFacts(NamedTuple):
    records: int
    invocations: int
    days: frozenset[datetime]
    """The UTC days that it adds to."""


class _OnlyLooked(Exception):
    """Ends a transaction in which nothing was to change."""


class VoidUsage:
    """Marks parts as void and rebuilds the days that they added to, of each tenant in one transaction.

    `changed` is called when windows may have changed.
    """

    def __init__(
        self,
        *,
        tenants: TenantDirectory,
        store: VoidStore,
        windows: WindowStore,
        series: SeriesRegistry,
        rebuild: Rebuild,
        decode: UsageDecoder,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._tenants = tenants
        self._store = store
        self._windows = windows
        self._series = series
        self._rebuild = rebuild
        self._decode = decode
        self._clock = clock
        self._changed = changed

    def list(
        self, tenant_id: UUID | None, *, limit: int, after: VoidPosition | None = None
    ) -> Sequence[Void]:
        """As `VoidStore.list`."""
        return self._store.list(tenant_id, limit=limit, after=after)

    def void(self, requests: Sequence[VoidRequest], *, by: str) -> Sequence[Voided]:
        """Void these parts, whether they have come or not; what is void already stays as it is.

        Raises Rejected with every fault, and nothing is void that was not before, and Unavailable, where
        asking again goes on.
        """
        tenant_ids = self._tenants_of(requests)
        asked: dict[UUID, dict[UUID, VoidRequest]] = {}
        for tenant_id, request in zip(tenant_ids, requests, strict=True):
            asked.setdefault(tenant_id, {}).setdefault(request.event_key, request)
        opened = {
            tenant_id: of_tenant
            for tenant_id, of_tenant in sorted(asked.items())
            if self._store.find(tenant_id, of_tenant).keys() != of_tenant.keys()
        }
        if len(opened) > 1:
            self._check(opened, by)
        new: set[tuple[UUID, UUID]] = set()
        for tenant_id, of_tenant in opened.items():
            new |= {(tenant_id, key) for key in self._void(tenant_id, of_tenant, by)}
        found = {tenant_id: self._store.find(tenant_id, of_tenant) for tenant_id, of_tenant in asked.items()}
        voided: list[Voided] = []
        for tenant_id, request in zip(tenant_ids, requests, strict=True):
            identity = tenant_id, request.event_key
            voided.append(Voided(found[tenant_id][request.event_key], identity in new))
            new.discard(identity)
        return voided

    def _tenants_of(self, requests: Iterable[VoidRequest]) -> Sequence[UUID]:
        tenant_ids: list[UUID] = []
        faults: dict[Fault, None] = {}
        for request in requests:
            tenant = self._tenants.find(request.tenant_ref)
            if tenant is None:
                faults[Fault(request.tenant_field, f"no tenant {request.tenant_ref[:TEXT_MAX]!r}")] = None
            else:
                tenant_ids.append(tenant.id)
        if faults:
            raise Rejected(*faults)
        return tenant_ids

    def _check(self, asked: Mapping[UUID, Mapping[UUID, VoidRequest]], by: str) -> None:
        """Raises Rejected with the faults of all tenants, before anything of one is void."""
        faults: list[Fault] = []
        for tenant_id, of_tenant in asked.items():
            complete_from = self._windows.payloads_complete_from(tenant_id)
            try:
                with suppress(_OnlyLooked), self._store.locked(tenant_id) as transaction:
                    self._take_back(transaction, tenant_id, of_tenant, by, complete_from)
                    raise _OnlyLooked
            except Rejected as refusal:
                faults += refusal.faults
        if faults:
            raise Rejected(*faults)

    def _void(self, tenant_id: UUID, asked: Mapping[UUID, VoidRequest], by: str) -> Collection[UUID]:
        self._series.remember(tenant_id)
        complete_from = self._windows.payloads_complete_from(tenant_id)
        with self._store.locked(tenant_id) as transaction:
            new, days = self._take_back(transaction, tenant_id, asked, by, complete_from)
            for day in sorted(days):
                self._rebuild.rebuild_day(transaction, tenant_id, day, complete_from)
        self._changed()
        return new

    def _take_back(
        self,
        transaction: VoidTransaction,
        tenant_id: UUID,
        asked: Mapping[UUID, VoidRequest],
        by: str,
        complete_from: datetime | None,
    ) -> tuple[Collection[UUID], set[datetime]]:
        """Mark the parts, and note what they held; the new keys, and the days to rebuild."""
        new = transaction.mark(tenant_id, asked.values(), by=by, at=self._clock())
        accepted = transaction.accepted(tenant_id, new)
        waiting = transaction.drop_deltas(tenant_id, new)
        days: set[datetime] = set()
        faults: list[Fault] = []
        for key, received_at in accepted.items():
            part = self._facts_of(transaction.payloads_of(tenant_id, key, received_at))
            if key not in waiting:
                faults += _faults(asked[key], part, complete_from)
                days |= part.days
            transaction.note_taken_back(
                tenant_id,
                key,
                received_at=received_at,
                records=part.records,
                invocations=part.invocations,
            )
        if faults:
            raise Rejected(*faults)
        return new, days

    def _facts_of(self, payloads: Iterable[StoredPayload]) -> _PartFacts:
        records = [
            record
            for payload in payloads
            for record in self._decode(
                payload.body.encode(), recorded_at=payload.recorded_at, received_at=payload.received_at
            ).records
        ]
        groups = group(records)
        windows = aggregate(groups, dict.fromkeys(names_of(groups), _ANY_SERIES))
        return _PartFacts(
            len(records),
            sum(record.invocations for record in records),
            frozenset(floor(key.start, WindowSize.D1) for key in windows),
        )


def _faults(request: VoidRequest, part: _PartFacts, complete_from: datetime | None) -> Sequence[Fault]:
    if complete_from is None:
        if part.days:
            return []
        raise Unavailable("payloads were dropped at this moment")
    first = floor(complete_from, WindowSize.D1)
    if first < complete_from:
        first += WindowSize.D1.length
    if part.days and min(part.days) >= first:
        return []
    message = (
        f"adds to days of which not all usage is kept any more; the first that can change is {first:%Y-%m-%d}"
    )
    return [Fault(request.at("id"), message)]
