"""Dead letters in Redis, on disk before they count as kept; without PostgreSQL."""

import builtins
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.adapters.dead_letter_scripts import ALL, CLAIM, INDEX, KEEP, RELEASE, SETTLE, STREAM
from shared.domain.dead_letters import (
    ARRIVAL,
    FROM_BROKERS,
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

_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,10}")
_ON_THE_WAY: Final = frozenset({"time", "traceparent", "tracestate"})
"""What may differ where the same event is sent again."""
_TEXTS: Final = ("type", "tenant", "source", "event_id", "reason", "destination", "status", "answer")


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
        Raises Unavailable where Redis is away, full, or does not write to disk what it confirms.
        """
        arrival = letter.attributes.get(ARRIVAL, "")
        mark = f"{arrival} {letter.status} {letter.destination}" if arrival else ""
        failed = _action("broker", "failed", letter.reason)
        kept = self._durably(KEEP, _identity(letter), mark, failed, *_content(letter), *_fields(letter, mark))
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
            fields, events = pipeline.execute()
        if not fields or not events:
            return None
        entry, event = _entry(id, fields), events[0][1]
        letter = DeadLetter(
            attributes=json.loads(event[b"attributes"]),
            data=event[b"data"],
            reason=entry.reason,
            destination=entry.destination,
            status=entry.status,
            answer=entry.answer,
        )
        return KeptLetter(entry, letter)

    def history(self, id: str) -> Sequence[LetterAction]:
        with _unavailable():
            lines: Any = self._redis.lrange(f"{STREAM}:history:{id}", 0, -1)
        return [
            LetterAction(_instant(ms), **json.loads(action))
            for ms, action in (line.split(b" ", 1) for line in lines)
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

    def settle(self, claim: Claim, state: LetterState, *, by: str, note: str) -> None:
        self._settle(claim, state, by, note)

    def correct(self, claim: Claim, correction: DeadLetter, *, by: str, note: str) -> str:
        created = _action(by, "created", f"corrects letter {claim.id}")
        content: Sequence[str | bytes] = _content(correction)
        return self._settle(
            claim,
            LetterState.CORRECTED,
            by,
            note,
            _identity(correction),
            *content,
            created,
            *_fields(correction, ""),
        )

    def close(self) -> None:
        self._redis.close()

    def _settle(self, claim: Claim, state: LetterState, by: str, note: str, *new: str | bytes) -> str:
        action = _action(by, state.value, note)
        settled: str = self._durably(
            SETTLE, claim.id, claim.token, state.value, str(claim.failures), action, *new
        ).decode()
        if settled == "lost":
            raise Unavailable(f"the claim on dead letter {claim.id} is over, somebody else may act on it")
        return settled

    def _ids(self, key: str, after: str | None, *, newest_first: bool, count: int) -> builtins.list[str]:
        start, end = (f"({_padded(after)}" if after else "-"), "+"
        if newest_first:
            start, end = "-", (f"({_padded(after)}" if after else "+")
        members: Any = self._redis.zrange(
            key,
            end if newest_first else start,
            start if newest_first else end,
            desc=newest_first,
            bylex=True,
            offset=0,
            num=count,
        )
        return ["-".join(str(int(part)) for part in member.split(b"-")) for member in members]

    def _entries(self, ids: Sequence[str]) -> Sequence[LetterEntry]:
        pipeline = self._redis.pipeline(transaction=False)
        for id in ids:
            pipeline.hgetall(f"{STREAM}:letter:{id}")
        return [_entry(id, fields) for id, fields in zip(ids, pipeline.execute(), strict=True)]

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


def _content(letter: DeadLetter) -> tuple[str, bytes]:
    return json.dumps(dict(letter.attributes)), letter.data


def _fields(letter: DeadLetter, mark: str) -> list[str]:
    fields = {
        "mark": mark,
        "reason": letter.reason,
        "destination": letter.destination,
        "status": letter.status,
        "answer": letter.answer,
        "type": letter.type,
        "tenant": letter.attributes.get("tenantid", ""),
        "source": letter.attributes.get("source", ""),
        "event_id": letter.attributes.get("id", ""),
        "data_bytes": str(len(letter.data)),
    }
    return [part for pair in fields.items() for part in pair]


def _action(by: str, action: str, note: str) -> str:
    return json.dumps({"by": by, "action": action, "note": note})


def _identity(letter: DeadLetter) -> bytes:
    """Equal for an event that is sent again, whatever brokers added on the way."""
    own = {
        name: value
        for name, value in letter.attributes.items()
        if not name.startswith(FROM_BROKERS) and name not in _ON_THE_WAY
    }
    parts = json.dumps(own, sort_keys=True).encode(), letter.data
    return sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def _padded(id: str) -> str:
    ms, _, number = id.partition("-")
    return f"{ms:0>15}-{number:0>10}"


def _entry(id: str, fields: Mapping[bytes, bytes]) -> LetterEntry:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return LetterEntry(
        id=id,
        state=LetterState(text["state"]),
        received_at=_instant(text["received_ms"]),
        failed_at=_instant(text["failed_ms"]),
        failures=int(text["failures"]),
        replays=int(text["replays"]),
        data_bytes=int(text["data_bytes"]),
        corrects=text.get("corrects", ""),
        corrected_by=text.get("corrected_by", ""),
        **{name: text[name] for name in _TEXTS},
    )


def _instant(ms: str | bytes) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
