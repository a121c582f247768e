"""Sending many dead letters again, one after the other, so that none holds up the others."""

import logging
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from random import randrange
from time import monotonic
from typing import Final

from shared.domain.dead_letters import LetterEntry
from shared.domain.errors import Conflict, NotFound, Rejected, Unavailable

_log = logging.getLogger(__name__)

AWAY_AFTER: Final = 3
"""Letters that could not be sent for now, none sent between them, after which the sink is held to be away."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A letter that was not replayed, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many letters were sent, which could not be, and where to go on; None where there are no more.

    `stopped` says why the sink did not take more, where it did not. `exhausted` counts the letters that the
    drain came across and leaves to people, since draining them was in vain too often.
    """

    replayed: int
    refused: tuple[Refusal, ...] = ()
    next: str | None = None
    stopped: str | None = None
    exhausted: int = 0


def replay_each(
    entries: Sequence[LetterEntry],
    replay: Callable[[str], None],
    *,
    after: str | None,
    more: str | None,
    limit: int | None = None,
    until: float | None = None,
    note_vain: Callable[[Refusal], None] | None = None,
) -> Replayed:
    """Replay these letters, which lie behind `after` and up to `more`, or `limit` of them, until the sink is
    away or it is late.

    A letter that is refused, or not taken for now though others are, is put aside and told to `note_vain`;
    not so one that somebody else has acted on. After one that was not taken the next is any of those left,
    so that some that are never taken, side by side, do not pass for a sink that is away. `until` is a time
    of the monotonic clock; one letter is tried in any case, and whether the sink is away is found out first,
    since else one letter that hangs could use up every drain.
    """
    left = list(entries)
    tried = _Tried(replay, note_vain)
    for _ in entries[:limit]:
        tried.one(left.pop(randrange(len(left)) if tried.untaken else 0).id)
        if tried.is_away or (not tried.untaken and is_late(until)):
            break
    if tried.sent and not tried.is_away:
        tried.put_untaken_aside()
    undone = {entry.id for entry in left} | {letter.id for letter in tried.untaken}
    return Replayed(
        tried.sent,
        tuple(tried.refused),
        next=_before(undone, entries, after) if undone else more,
        stopped=tried.untaken[-1].reason if tried.untaken else None,
    )


class _Tried:
    """What became of the letters so far; `untaken` are those since the last that the sink took."""

    def __init__(self, replay: Callable[[str], None], note_vain: Callable[[Refusal], None] | None) -> None:
        self._replay = replay
        self._note_vain = note_vain
        self.sent = 0
        self.refused: list[Refusal] = []
        self.untaken: list[Refusal] = []

    @property
    def is_away(self) -> bool:
        return len(self.untaken) >= AWAY_AFTER

    def one(self, id: str) -> None:
        try:
            self._replay(id)
        except (Conflict, NotFound) as refusal:
            self.refused.append(Refusal(id, str(refusal)))
        except Rejected as refusal:
            self._put_aside(Refusal(id, str(refusal)))
        except Unavailable as error:
            self.untaken.append(Refusal(id, str(error)))
        except Exception as error:
            _log.exception("could not replay dead letter %s", id)
            self._put_aside(Refusal(id, f"{type(error).__name__}: {error}"))
        else:
            self.sent += 1
            self.put_untaken_aside()

    def put_untaken_aside(self) -> None:
        while self.untaken:
            self._put_aside(self.untaken.pop(0))

    def _put_aside(self, refusal: Refusal) -> None:
        self.refused.append(refusal)
        if self._note_vain is not None:
            self._note_vain(refusal)


def is_late(until: float | None) -> bool:
    return until is not None and monotonic() > until


def _before(undone: Container[str], entries: Sequence[LetterEntry], after: str | None) -> str | None:
    """The last letter in front of the first that is undone."""
    for entry in entries:
        if entry.id in undone:
            break
        after = entry.id
    return after
