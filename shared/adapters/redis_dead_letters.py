"""Dead letters in a Redis stream, on disk before they count as kept; without PostgreSQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.domain.dead_letters import DeadLetter
from shared.domain.errors import Unavailable

# One hash slot for both keys, as a cluster wants it of a script.
STREAM: Final = "billing:{dead-letters}"
INDEX: Final = "billing:{dead-letters}:index"
CONNECT_TIMEOUT_S: Final = 3.0
FSYNC_TIMEOUT_S: Final = 5.0

# Writes even where the letter is there already, so that there is something to wait for on disk.
_KEEP: Final = """
local id = redis.call('HGET', KEYS[2], ARGV[1])
if not id then id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2)) end
redis.call('HSET', KEYS[2], ARGV[1], id)
return id
"""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter in the stream; `received_at` is when it was first kept, by Redis's clock."""

    id: str
    received_at: datetime
    letter: DeadLetter


class RedisDeadLetters:
    """The stream of dead letters. Connects when first used; thread-safe."""

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

        Raises Unavailable where Redis is away, full, or does not write to disk what it confirms.
        """
        fields = [part for pair in _fields(letter).items() for part in pair]
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.eval(_KEEP, 2, STREAM, INDEX, _identity(letter), *fields)
        pipeline.waitaof(1, 0, int(FSYNC_TIMEOUT_S * 1000))
        with _unavailable():
            kept, on_disk = pipeline.execute(raise_on_error=False)
            if isinstance(kept, Exception):
                raise kept
            self._check_on_disk(on_disk)
        return str(kept.decode())

    def list(self, *, limit: int, after: str | None = None) -> Sequence[KeptLetter]:
        """Letters in the order of their arrival, from the first one after the id `after`."""
        with _unavailable():
            entries: Any = self._redis.xrange(STREAM, min=f"({after}" if after else "-", count=limit)
        return [_kept(id.decode(), fields) for id, fields in entries]

    def close(self) -> None:
        self._redis.close()

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


def _fields(letter: DeadLetter) -> dict[str, str | bytes]:
    return {
        "attributes": json.dumps(dict(letter.attributes)),
        "data": letter.data,
        "reason": letter.reason,
        "destination": letter.destination,
        "status": letter.status,
        "answer": letter.answer,
    }


def _identity(letter: DeadLetter) -> bytes:
    """Equal for a letter that a broker sends again, whatever it added on the way."""
    own = {name: value for name, value in letter.attributes.items() if not name.startswith("knative")}
    parts = [json.dumps(own, sort_keys=True).encode(), letter.data]
    parts += [letter.destination.encode(), letter.status.encode()]
    return sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def _kept(id: str, fields: Mapping[bytes, bytes]) -> KeptLetter:
    text = {name.decode(): value.decode() for name, value in fields.items() if name != b"data"}
    letter = DeadLetter(
        attributes=json.loads(text["attributes"]),
        data=fields[b"data"],
        reason=text["reason"],
        destination=text["destination"],
        status=text["status"],
        answer=text["answer"],
    )
    return KeptLetter(id, datetime.fromtimestamp(int(id.partition("-")[0]) / 1000, UTC), letter)
