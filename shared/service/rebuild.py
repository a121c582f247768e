"""Rebuilding windows from the payloads they came from: equal to what folding gives."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.aggregate import WindowKey, Windows, aggregate, merge, roll_up, series_name
from shared.domain.errors import Unavailable
from shared.domain.windows import WindowSize, floor
from shared.service.fold import fold_deltas
from shared.service.ports import RebuildTransaction, SeriesRegistry, UsageDecoder, WindowStore

_ATTEMPTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many windows were recomputed, and the ones left alone since payloads of theirs are gone."""

    windows: int
    left_alone: tuple[WindowKey, ...]


class Rebuild:
    def __init__(self, windows: WindowStore, series: SeriesRegistry, decode: UsageDecoder) -> None:
        self._windows = windows
        self._series = series
        self._decode = decode

    def run(self, tenant_id: UUID, start: datetime, end: datetime) -> Rebuilt:
        """Recompute a tenant's windows of every UTC day that [start, end) touches.

        Raises Unavailable where folds got in the way each time.
        """
        start = floor(start, WindowSize.D1)
        end = floor(end - timedelta(microseconds=1), WindowSize.D1) + WindowSize.D1.length
        shard = self._windows.shard_of(tenant_id)
        for attempt in range(_ATTEMPTS_MAX):
            try:
                with self._windows.locked_snapshot(shard) as transaction:
                    return self._rebuild(transaction, tenant_id, start, end)
            except Unavailable:
                if attempt == _ATTEMPTS_MAX - 1:
                    raise
        raise AssertionError("the loop returns or raises")

    def _rebuild(
        self, transaction: RebuildTransaction, tenant_id: UUID, start: datetime, end: datetime
    ) -> Rebuilt:
        fold_deltas(transaction, [(tenant_id, delta) for delta in transaction.take_deltas_of(tenant_id)])
        complete_from = transaction.payloads_complete_from(tenant_id)
        stored = transaction.load_between(tenant_id, start, end)
        kept = {key for key in stored if complete_from is not None and key.start < complete_from}
        recomputed = {
            key: facts
            for key, facts in self._recompute(transaction, tenant_id, start, end).items()
            if complete_from is None or key.start >= complete_from
        }
        unfounded = stored.keys() - kept - recomputed.keys()
        transaction.delete(tenant_id, unfounded)
        transaction.save({tenant_id: recomputed})
        if unfounded or any(stored.get(key) != facts for key, facts in recomputed.items()):
            transaction.record_change(tenant_id, start, end)
        return Rebuilt(len(recomputed), tuple(sorted(kept, key=lambda key: (key.start, key.size.value))))

    def _recompute(
        self, transaction: RebuildTransaction, tenant_id: UUID, start: datetime, end: datetime
    ) -> Windows:
        windows: Windows = {}
        for payload in transaction.payloads(tenant_id, start, end):
            usage = self._decode(
                payload.body.encode(), recorded_at=payload.recorded_at, received_at=payload.received_at
            )
            series = self._series.register(
                tenant_id, {series_name(record) for record in usage.records}, seen_at=payload.received_at
            )
            merge(windows, aggregate(usage.records, series))
        return roll_up({key: facts for key, facts in windows.items() if start <= key.start < end})
