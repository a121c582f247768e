"""Folding: what was appended becomes windows, and the tenants whose windows changed are announced."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.domain.errors import Unavailable
from shared.service.ports import Clock, WindowStore

logger = logging.getLogger(__name__)

ANNOUNCE_EVERY = timedelta(seconds=10)
"""A tenant's first change is announced at once, later ones at most this often."""
SHARDS_AT_ONCE = 4
"""A transaction costs much the same for four shards as for one; others fold the rest meanwhile."""
RETRY_S = 0.2
"""A shard that another folder holds is looked at again: what came meanwhile may not have been taken."""


class Fold:
    """Merges the deltas of accepted usage into windows, some shards of tenants at a time."""

    def __init__(self, windows: WindowStore, clock: Clock) -> None:
        self._windows = windows
        self._clock = clock

    def run(self, *, announce_every: timedelta = ANNOUNCE_EVERY) -> float | None:
        """Fold every shard that nobody else is folding; seconds until there may be more to do.

        A delta that cannot be folded is put aside, with an error in the log, and holds up nobody.
        """
        waiting = self._windows.shards_to_fold()
        held = False
        for first in range(0, len(waiting), SHARDS_AT_ONCE):
            held |= not self._fold_shards(waiting[first : first + SHARDS_AT_ONCE], announce_every)
        waiting_since = self._windows.next_announcement()
        due_s = None
        if waiting_since is not None:
            due_s = max(RETRY_S, (waiting_since + announce_every - self._clock()).total_seconds())
        return RETRY_S if held else due_s

    def run_for(self, tenant_id: UUID) -> None:
        """Fold all that the tenant has sent so far."""
        self._fold_shards([self._windows.shard_of(tenant_id)], ANNOUNCE_EVERY, wait=True)

    def _fold_shards(self, shards: Sequence[int], announce_every: timedelta, *, wait: bool = False) -> bool:
        """Whether all of them were ours to fold."""
        try:
            while True:
                with self._windows.locked(shards, wait=wait) as transaction:
                    if transaction is None:
                        return False
                    is_whole = len(transaction.shards) == len(shards)
                    are_more = transaction.fold().are_more
                    now = self._clock()
                    transaction.announce_due(now, now - announce_every)
                if not are_more:
                    return is_whole
        except Unavailable:
            raise
        except Exception:
            logger.exception("shards %s cannot be folded at once; their deltas are folded one by one", shards)
            for shard in shards:
                self._fold_one_by_one(shard)
            return True

    def _fold_one_by_one(self, shard: int) -> None:
        for tenant_id, event_key in self._windows.deltas_of(shard):
            try:
                with self._windows.locked([shard], wait=True) as transaction:
                    assert transaction is not None, "waited for it"
                    transaction.fold_one(tenant_id, event_key)
            except Unavailable:
                raise
            except Exception as error:
                logger.exception("delta %s of tenant %s is put aside", event_key, tenant_id)
                self._windows.put_aside(tenant_id, event_key, reason=repr(error))
