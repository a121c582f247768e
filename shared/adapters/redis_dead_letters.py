"""Dead letters in Redis, on disk before they count as kept; without PostgreSQL."""

import builtins
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.adapters.dead_letter_fields import (
    action,
    content,
    entry,
    failure,
    fields,
    identity,
    instant,
    padded,
    unpadded,
)
from shared.adapters.dead_letter_scripts import ALL, CLAIM, INDEX, KEEP, RELEASE, SETTLE, STREAM, TIDY, VAIN
from shared.domain.dead_letters import (
    DeadLetter,
    KeptLetter,
    LetterAction,
    LetterEntry,
    LetterFilter,
    LetterState,
)
from shared.domain.errors import Conflict, NotFound, Unavailable
from shared.service.dead_letters import Claim, LetterPage

CONNECT_TIMEOUT_S: Final = 3.0
FSYNC_TIMEOUT_S: Final = 5.0
CLAIM_S: Final = 120.0
"""Longer than it takes to send an event or to be told that it cannot be sent."""
CHUNK: Final = 500
SCANNED_MAX: Final = 20_000
"""Letters looked at for one page: one that has few of the letters wanted, or none, still leads on."""

NOTE_MAX: Final = 1_000
TIDIED_AT_ONCE: Final = 100
"""Redis does nothing else meanwhile."""

_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,10}")


class RedisDeadLetters:
    """DeadLetterStore. Connects when first used; thread-safe."""

    def __init__(self, url: str) -> None:
        if not url:
            raise Unavailable("REDIS_URL is not set: dead letters have no place to go")
        self._redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=2 * FSYNC_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        )

    def keep(self, letter: DeadLetter) -> str:
        """Keeps a letter and returns its id once it is on disk; a letter that is there is not kept twice.

        The same event again is the same letter, wherever it fails; one that was replayed waits again then.
        Nothing is kept of an event that was corrected and whose letter is gone: there is no id then.
        Raises Unavailable where Redis is away, full, or does not write to disk what it confirms.
        """
        failed = action("broker", "failed", letter.reason)
        kept = self._durably(
            KEEP, identity(letter), failed, *content(letter), failure(letter), *fields(letter)
        )
        return str(kept.decode())

    def list(self, *, limit: int, after: str | None = None) -> Sequence[KeptLetter]:
        """Letters whole, in the order of their arrival, from the first one after the id `after`."""
        with _unavailable():
            found = [self.get(id) for id in self._ids(ALL, after, newest_first=False, count=limit)]
        return [kept for kept in found if kept is not None]

    def page(
        self, wanted: LetterFilter, *, limit: int, after: str | None = None, newest_first: bool = False
    ) -> LetterPage:
        key = f"{STREAM}:{wanted.state.value}" if wanted.state is not None else ALL
        found: list[LetterEntry] = []
        scanned = 0
        with _unavailable():
            while scanned < SCANNED_MAX:
                ids = self._ids(key, after, newest_first=newest_first, count=CHUNK)
                found += filter(wanted.takes, self._entries(ids))
                if len(found) > limit:
                    return LetterPage(found[:limit], found[limit - 1].id)
                if len(ids) < CHUNK:
                    return LetterPage(found, None)
                after = ids[-1]
                scanned += len(ids)
        return LetterPage(found, after)

    def get(self, id: str) -> KeptLetter | None:
        if not _ID.fullmatch(id):
            return None
        with _unavailable():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hgetall(f"{STREAM}:letter:{id}")
            pipeline.xrange(STREAM, id, id)
            stored, events = pipeline.execute()
        if not stored or not events:
            return None
        listed, event = entry(id, stored), events[0][1]
        letter = DeadLetter(
            attributes=json.loads(event[b"attributes"]),
            data=event[b"data"],
            reason=listed.reason,
            destination=listed.destination,
            status=listed.status,
            answer=listed.answer,
        )
        return KeptLetter(listed, letter)

    def history(self, id: str) -> Sequence[LetterAction]:
        with _unavailable():
            lines: Any = self._redis.lrange(f"{STREAM}:history:{id}", 0, -1)
        return [
            LetterAction(instant(ms), **json.loads(done))
            for ms, done in (line.split(b" ", 1) for line in lines)
        ]

    @contextmanager
    def claimed(self, id: str, states: Iterable[LetterState]) -> Iterator[Claim]:
        token = uuid4().hex
        if not _ID.fullmatch(id):
            raise NotFound.because("id", f"no dead letter {id[:64]!r}")
        said, *failures = self._run(CLAIM, id, token, str(int(CLAIM_S * 1000)), *(s.value for s in states))
        if said == b"missing":
            raise NotFound.because("id", f"no dead letter {id!r}")
        if said == b"claimed":
            raise Conflict.because("id", f"somebody else is acting on dead letter {id}")
        if said != b"ok":
            raise Conflict.because("id", f"dead letter {id} is {said.decode()} already")
        try:
            yield Claim(id, token, int(failures[0]))
        finally:
            self._run(RELEASE, id, token)

    def settle(self, claim: Claim, state: LetterState, *, by: str, note: str, is_drain: bool = False) -> None:
        self._settle(claim, state, by, note, is_drain=is_drain)

    def note_vain(self, id: str, *, reason: str) -> None:
        self._durably(VAIN, id, action("drain", "not sent", reason[:NOTE_MAX]))

    def correct(self, claim: Claim, correction: DeadLetter, *, by: str, note: str) -> str:
        created = action(by, "created", f"corrects letter {claim.id}")
        event: Sequence[str | bytes] = identity(correction), *content(correction)
        shown = fields(correction)
        return self._settle(claim, LetterState.CORRECTED, by, note, *event, created, *shown)

    def tidy(self, *, settled_for: timedelta, limit: int) -> int:
        settled_ms, removed = str(settled_for // timedelta(milliseconds=1)), 0
        while removed < limit:
            count = min(TIDIED_AT_ONCE, limit - removed)
            gone: int = self._run(TIDY, settled_ms, str(count))
            removed += gone
            if gone < count:
                break
        return removed

    def close(self) -> None:
        self._redis.close()

    def _settle(
        self, claim: Claim, state: LetterState, by: str, note: str, *new: str | bytes, is_drain: bool = False
    ) -> str:
        done = action(by, state.value, note)
        settled: str = self._durably(
            SETTLE,
            claim.id,
            claim.token,
            state.value,
            str(claim.failures),
            done,
            str(int(is_drain)),
            *new,
        ).decode()
        if settled == "lost":
            raise Unavailable(f"the claim on dead letter {claim.id} is over, somebody else may act on it")
        return settled

    def _ids(self, key: str, after: str | None, *, newest_first: bool, count: int) -> builtins.list[str]:
        start, end = (f"({padded(after)}" if after else "-"), "+"
        if newest_first:
            start, end = "-", (f"({padded(after)}" if after else "+")
        members: Any = self._redis.zrange(
            key,
            end if newest_first else start,
            start if newest_first else end,
            desc=newest_first,
            bylex=True,
            offset=0,
            num=count,
        )
        return list(map(unpadded, members))

    def _entries(self, ids: Sequence[str]) -> Sequence[LetterEntry]:
        """Those that are still there."""
        pipeline = self._redis.pipeline(transaction=False)
        for id in ids:
            pipeline.hgetall(f"{STREAM}:letter:{id}")
        return [entry(id, stored) for id, stored in zip(ids, pipeline.execute(), strict=True) if stored]

    def _run(self, script: str, *arguments: str | bytes) -> Any:
        with _unavailable():
            return self._redis.eval(script, 2, STREAM, INDEX, *arguments)

    def _durably(self, script: str, *arguments: str | bytes) -> Any:
        """What the script returns, once all that it wrote is on disk."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.eval(script, 2, STREAM, INDEX, *arguments)
        pipeline.waitaof(1, 0, int(FSYNC_TIMEOUT_S * 1000))
        with _unavailable():
            returned, on_disk = pipeline.execute(raise_on_error=False)
            if isinstance(returned, Exception):
                raise returned
            self._check_on_disk(on_disk)
        return returned

    def _check_on_disk(self, answer: Any) -> None:
        if isinstance(answer, redis.ResponseError) and "unknown command" in str(answer):
            self._check_always_fsyncs()
        elif isinstance(answer, Exception):
            raise answer
        elif answer[0] < 1:
            raise Unavailable(f"Redis has not written a dead letter to disk within {FSYNC_TIMEOUT_S} s")

    def _check_always_fsyncs(self) -> None:
        """For servers before 7.2, that cannot be asked to wait."""
        settings: Any = self._redis.config_get("append*")
        if (settings.get("appendonly"), settings.get("appendfsync")) != ("yes", "always"):
            raise Unavailable("Redis before 7.2 keeps dead letters with appendonly yes, appendfsync always")


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(f"the Redis of the dead letters: {error}") from error
