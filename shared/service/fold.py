"""Folding: what was appended becomes windows, and the tenants whose windows changed are announced."""

import logging
from datetime import timedelta
from uuid import UUID

from shared.domain.errors import Unavailable
from shared.service.ports import Clock, WindowStore

logger = logging.getLogger(__name__)

ANNOUNCE_EVERY = timedelta(seconds=10)
"""A tenant's first change is announced at once, later ones at most this often."""
RETRY_S = 0.2
"""A shard that another folder holds is looked at again: what came meanwhile may not have been taken."""


class Fold:
    """Merges the deltas of accepted usage into windows, a shard of tenants at a time."""

    def __init__(self, windows: WindowStore, clock: Clock) -> None:
        self._windows = windows
        self._clock = clock

    def run(self, *, announce_every: timedelta = ANNOUNCE_EVERY) -> float | None:
        """Fold every shard that nobody else is folding; seconds until there may be more to do.

        A delta that cannot be folded is put aside, with an error in the log, and holds up nobody.
        """
        held = False
        for shard in self._windows.shards_to_fold():
            held |= not self._fold_shard(shard, announce_every)
        waiting_since = self._windows.next_announcement()
        due_s = None
        if waiting_since is not None:
            due_s = max(RETRY_S, (waiting_since + announce_every - self._clock()).total_seconds())
        return RETRY_S if held else due_s

    def run_for(self, tenant_id: UUID) -> None:
        """Fold all that the tenant has sent so far."""
        self._fold_shard(self._windows.shard_of(tenant_id), ANNOUNCE_EVERY, wait=True)

    def _fold_shard(self, shard: int, announce_every: timedelta, *, wait: bool = False) -> bool:
        """Whether the shard was ours to fold."""
        try:
            while True:
                with self._windows.locked(shard, wait=wait) as transaction:
                    if transaction is None:
                        return False
                    are_more = transaction.fold().are_more
                    now = self._clock()
                    for fact in transaction.due_announcements(now, now - announce_every):
                        transaction.announce(fact, now)
                if not are_more:
                    return True
        except Unavailable:
            raise
        except Exception:
            logger.exception("shard %d cannot be folded at once; its deltas are folded one by one", shard)
            return self._fold_one_by_one(shard)

    def _fold_one_by_one(self, shard: int) -> bool:
        for tenant_id, event_key in self._windows.deltas_of(shard):
            try:
                with self._windows.locked(shard, wait=True) as transaction:
                    assert transaction is not None, "waited for it"
                    transaction.fold_one(tenant_id, event_key)
            except Unavailable:
                raise
            except Exception as error:
                logger.exception("delta %s of tenant %s is put aside", event_key, tenant_id)
                self._windows.put_aside(tenant_id, event_key, reason=repr(error))
        return True
