"""Draining dead letters to the end, not only as many as one call takes."""

import logging
from time import monotonic
from typing import Final, Protocol

from shared.domain.errors import Unavailable
from shared.service.replays import Refusal, Replayed, is_late
from shared.service.sweep import SWEEP_LIMIT_S

_log = logging.getLogger(__name__)

LETTERS_AT_ONCE: Final = 100
"""The clock is read after each letter, and the list anew after so many: others may have acted on it."""


class Drain(Protocol):
    """Drains up to `limit` letters behind `after` until `until`, a time of the monotonic clock."""

    def __call__(self, *, limit: int, after: str | None, until: float | None) -> Replayed: ...


def drain_all(drain: Drain, *, limit_s: float = SWEEP_LIMIT_S) -> int:
    """Drain all dead letters that there are, past those that are refused; the number sent.

    Raises Unavailable where the sink took no more, or where there are more after `limit_s`: then the next
    call begins in front again, where nothing that was sent is left, and what cannot be sent soon is
    exhausted.
    """
    deadline = monotonic() + limit_s
    sent, exhausted = 0, 0
    refused: list[Refusal] = []
    after: str | None = None
    try:
        while True:
            drained = drain(limit=LETTERS_AT_ONCE, after=after, until=deadline)
            sent += drained.replayed
            exhausted += drained.exhausted
            refused += drained.refused
            after = drained.next
            if drained.stopped is not None:
                raise Unavailable(f"{sent} dead letters were sent again, then: {drained.stopped}")
            if after is None:
                return sent
            if is_late(deadline):
                raise Unavailable(f"{sent} dead letters were sent again in {limit_s:g} s, and more wait")
    finally:
        _tell(refused, exhausted)


def _tell(refused: list[Refusal], exhausted: int) -> None:
    if refused:
        first = refused[0]
        _log.warning("%d dead letters were not sent again; %s: %s", len(refused), first.id, first.reason)
    if exhausted:
        _log.warning("%d dead letters were drained in vain too often: they wait for people", exhausted)
