"""Rebuilding windows from the payloads they came from: equal to what folding gives."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.aggregate import WindowKey, Windows, aggregate, group, merge, names_of, roll_up
from shared.domain.errors import Unavailable
from shared.domain.windows import WindowSize, floor
from shared.service.dimension_ports import NoDimensions, UsageDimensions
from shared.service.fold import Fold
from shared.service.meter_ports import DayMeters
from shared.service.ports import RebuildTransaction, SeriesRegistry, UsageDecoder, WindowStore

_ATTEMPTS_MAX = 20
_DAY = WindowSize.D1.length


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many windows were recomputed, and the ones left alone since payloads of theirs are gone."""

    windows: int = 0
    left_alone: tuple[WindowKey, ...] = ()


class Rebuild:
    """Recomputes windows a UTC day at a time, so that no other tenant of the shard waits for long."""

    def __init__(
        self,
        windows: WindowStore,
        fold: Fold,
        series: SeriesRegistry,
        decode: UsageDecoder,
        meters: DayMeters | None = None,
        dimensions: UsageDimensions | None = None,
    ) -> None:
        self._windows = windows
        self._fold = fold
        self._series = series
        self._decode = decode
        self._meters = meters
        self._dimensions: UsageDimensions = dimensions or NoDimensions()

    def run(self, tenant_id: UUID, start: datetime, end: datetime) -> Rebuilt:
        """Recompute a tenant's windows of every UTC day that [start, end) touches.

        Raises Unavailable where folds got in the way each time; days before are done then.
        """
        self._fold.run_for(tenant_id)
        self._series.remember(tenant_id)
        complete_from = self._windows.payloads_complete_from(tenant_id)
        first, last = floor(start, WindowSize.D1), floor(end - timedelta(microseconds=1), WindowSize.D1)
        days = [
            self._rebuild_day(tenant_id, day, complete_from)
            for day in self._windows.changed_days(tenant_id, first, last + _DAY)
        ]
        return Rebuilt(sum(day.windows for day in days), tuple(key for day in days for key in day.left_alone))

    def _rebuild_day(self, tenant_id: UUID, day: datetime, complete_from: datetime | None) -> Rebuilt:
        shard = self._windows.shard_of(tenant_id)
        for attempt in range(_ATTEMPTS_MAX):
            try:
                with self._windows.locked_snapshot(shard) as transaction:
                    return self._rebuild(transaction, tenant_id, day, complete_from)
            except Unavailable:
                if attempt == _ATTEMPTS_MAX - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _rebuild(
        self, transaction: RebuildTransaction, tenant_id: UUID, day: datetime, complete_from: datetime | None
    ) -> Rebuilt:
        while transaction.fold_of(tenant_id).are_more:
            pass
        return self.rebuild_day(transaction, tenant_id, day, complete_from)

    def rebuild_day(
        self, transaction: RebuildTransaction, tenant_id: UUID, day: datetime, complete_from: datetime | None
    ) -> Rebuilt:
        """Recompute the windows of one UTC day from the payloads that count and do not wait for a fold.

        Windows that start before `complete_from` are left alone.
        """
        stored = transaction.load_between(tenant_id, day, day + _DAY)
        kept = {key for key in stored if complete_from is not None and key.start < complete_from}
        recomputed = {
            key: facts
            for key, facts in self._recompute(transaction, tenant_id, day).items()
            if complete_from is None or key.start >= complete_from
        }
        unfounded = stored.keys() - kept - recomputed.keys()
        wrong = {key for key, facts in recomputed.items() if stored.get(key) != facts}
        if changed := unfounded | wrong:
            transaction.replace(tenant_id, changed, {key: recomputed[key] for key in wrong})
        if self._meters is not None:
            self._meters.rebuild_day(transaction, tenant_id, day, complete_from)
        return Rebuilt(len(recomputed), tuple(sorted(kept, key=lambda key: (key.start, key.size.value))))

    def _recompute(self, transaction: RebuildTransaction, tenant_id: UUID, day: datetime) -> Windows:
        windows: Windows = {}
        for payload in transaction.payloads(tenant_id, day, day + _DAY):
            usage = self._decode(
                payload.body.encode(), recorded_at=payload.recorded_at, received_at=payload.received_at
            )
            dimensions = self._dimensions.of_records(tenant_id, usage.records, [payload.body])
            groups = group(usage.records, dimensions)
            series = self._series.register(tenant_id, names_of(groups), seen_at=payload.received_at)
            merge(windows, aggregate(groups, series))
        return roll_up({key: facts for key, facts in windows.items() if day <= key.start < day + _DAY})
