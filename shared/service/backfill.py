"""Computing what custom meters count in usage of before: a tenant and a UTC day at a time, restartable."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from shared.domain.errors import Unavailable
from shared.domain.windows import WindowSize
from shared.service.metering import Metering
from shared.service.meters import first_whole_day
from shared.service.ports import RebuildTransaction, WindowStore

_log = logging.getLogger(__name__)
_DAY = WindowSize.D1.length

SLICE_S: Final = 2.0
"""How long the days of one slice may take, the last one but begun."""


class BackfillTask(NamedTuple):
    """A version of a meter whose days before `day` are computed; None where all are."""

    meter_id: UUID
    version: int
    day: datetime | None


class BackfillTransaction(RebuildTransaction, Protocol):
    """One transaction that holds the fold lock of a tenant."""

    def stale_day(self) -> datetime | None:
        """The first UTC day to be computed anew."""

    def next_task(self) -> BackfillTask | None: ...

    def advance(self, task: BackfillTask, next_day: datetime | None) -> None:
        """The days before `next_day` are computed; all, where None is given."""

    def give_up(self, task: BackfillTask, computable_from: datetime) -> None:
        """Payloads went before they were computed."""


class BackfillStore(Protocol):
    def tenants(self) -> Sequence[UUID]:
        """Those with something to compute."""

    def is_stale(self, tenant_id: UUID) -> bool:
        """Whether the tenant has a day to be computed anew."""

    def locked(self, tenant_id: UUID) -> AbstractContextManager[BackfillTransaction]:
        """Waits for the lock."""


class Backfill:
    """What is done is kept with each day, in its transaction: whoever dies in between loses no more than a
    day's work, and nothing is counted twice, since a day is replaced and not added to.

    `changed` is called when windows may have changed.
    """

    def __init__(
        self,
        store: BackfillStore,
        windows: WindowStore,
        metering: Metering,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._windows = windows
        self._metering = metering
        self._changed = changed

    def run(self, *, limit_s: float = SLICE_S) -> bool:
        """Compute for up to `limit_s`; whether there is more to do.

        A tenant whose usage cannot be computed holds up nobody. Raises Unavailable.
        """
        deadline = monotonic() + limit_s
        for tenant_id in self._store.tenants():
            try:
                if not self._run_for(tenant_id, deadline):
                    return True
            except Unavailable:
                raise
            except Exception:
                _log.exception("the meters of tenant %s cannot be computed", tenant_id)
        return False

    def freshen(self, tenant_id: UUID) -> None:
        """Compute the days anew that hold usage accepted by who did not know all meters."""
        if self._store.is_stale(tenant_id):
            complete_from = self._windows.payloads_complete_from(tenant_id)
            while self._freshen_day(tenant_id, complete_from):
                self._changed()

    def _run_for(self, tenant_id: UUID, deadline: float) -> bool:
        """Whether all is done."""
        complete_from = self._windows.payloads_complete_from(tenant_id)
        while self._freshen_day(tenant_id, complete_from) or self._backfill_day(tenant_id, complete_from):
            self._changed()
            if monotonic() > deadline:
                return False
        return True

    def _freshen_day(self, tenant_id: UUID, complete_from: datetime | None) -> bool:
        """Whether there was one."""
        with self._store.locked(tenant_id) as transaction:
            day = transaction.stale_day()
            if day is None:
                return False
            self._metering.rebuild_day(transaction, tenant_id, day, complete_from)
            return True

    def _backfill_day(self, tenant_id: UUID, complete_from: datetime | None) -> bool:
        with self._store.locked(tenant_id) as transaction:
            task = transaction.next_task()
            if task is None:
                return False
            meters = [m for m in transaction.meters.definitions(tenant_id) if m.id == task.meter_id]
            end = meters[0].end_of(meters[0].versions[task.version - 1])
            if task.day is None or (end is not None and task.day >= end):
                transaction.advance(task, None)
            elif complete_from is not None and task.day < complete_from:
                transaction.give_up(task, first_whole_day(complete_from))
            else:
                self._metering.recompute(transaction, tenant_id, task.day, None, meters)
                transaction.advance(task, task.day + _DAY)
            return True
