"""Folding: what was appended becomes windows, and the tenants whose windows changed are announced."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.domain.aggregate import Windows, merge, roll_up
from shared.service.ports import Clock, FoldTransaction, WindowStore

ANNOUNCE_EVERY = timedelta(seconds=10)
"""A tenant's first change is announced at once, later ones at most this often."""
_DELTAS_MAX = 2_000


class Fold:
    """Merges the deltas of accepted usage into windows, a shard of tenants at a time."""

    def __init__(self, windows: WindowStore, clock: Clock) -> None:
        self._windows = windows
        self._clock = clock

    def run(self) -> float | None:
        """Fold every shard that nobody else is folding; seconds until an announcement falls due."""
        for shard in self._windows.shards_to_fold():
            self._fold_shard(shard, wait=False)
        waiting_since = self._windows.next_announcement()
        if waiting_since is None:
            return None
        return max(0.0, (waiting_since + ANNOUNCE_EVERY - self._clock()).total_seconds())

    def run_for(self, tenant_id: UUID) -> None:
        """Fold all that the tenant has sent so far."""
        self._fold_shard(self._windows.shard_of(tenant_id), wait=True)

    def _fold_shard(self, shard: int, *, wait: bool) -> None:
        while True:
            with self._windows.locked(shard, wait=wait) as transaction:
                if transaction is None:
                    return
                deltas = transaction.take_deltas(_DELTAS_MAX)
                fold_deltas(transaction, deltas)
                now = self._clock()
                for fact in transaction.due_announcements(now, now - ANNOUNCE_EVERY):
                    transaction.announce(fact, now)
            if len(deltas) < _DELTAS_MAX:
                return


def fold_deltas(transaction: FoldTransaction, deltas: Sequence[tuple[UUID, Windows]]) -> None:
    """Add 5-minute deltas to the windows of all sizes, and note what changed."""
    sums: dict[UUID, Windows] = {}
    for tenant_id, windows in deltas:
        merge(sums.setdefault(tenant_id, {}), windows)
    if not sums:
        return
    added = {tenant_id: roll_up(windows) for tenant_id, windows in sums.items()}
    stored = transaction.load(added)
    for tenant_id, windows in added.items():
        merge(stored.setdefault(tenant_id, {}), windows)
    transaction.save(stored)
    for tenant_id, windows in sums.items():
        transaction.record_change(
            tenant_id, min(key.start for key in windows), max(key.end for key in windows)
        )
