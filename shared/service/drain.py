"""Draining dead letters to the end, not only as many as one call takes."""

import logging
from collections.abc import Callable
from time import monotonic

from shared.domain.errors import Unavailable
from shared.service.sweep import SWEEP_LIMIT_S
from shared.service.triage import Replayed

_log = logging.getLogger(__name__)


def drain_all(drain: Callable[[], Replayed], *, limit_s: float = SWEEP_LIMIT_S) -> int:
    """Drain as long as that sends any dead letters; the number sent.

    Raises Unavailable where the sink took no more, or where there are more after `limit_s`.
    """
    deadline = monotonic() + limit_s
    sent = 0
    while True:
        drained = drain()
        sent += drained.replayed
        _tell(drained)
        if drained.stopped is not None:
            raise Unavailable(f"{sent} dead letters were sent again, then: {drained.stopped}")
        if drained.next is None or not drained.replayed:
            return sent
        if monotonic() > deadline:
            raise Unavailable(f"{sent} dead letters were sent again in {limit_s:g} s, and more wait")


def _tell(drained: Replayed) -> None:
    if drained.refused:
        count, first = len(drained.refused), drained.refused[0]
        _log.warning("%d dead letters were not sent again; %s: %s", count, first.id, first.reason)
    if drained.exhausted:
        _log.warning(
            "%d dead letters were drained in vain too often: they wait for people", drained.exhausted
        )
