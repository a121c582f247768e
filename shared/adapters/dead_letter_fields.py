"""A letter as fields of Redis, and back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from shared.domain.dead_letters import (
    ARRIVAL,
    FROM_BROKERS,
    DeadLetter,
    Failure,
    LetterEntry,
    LetterState,
    is_transient,
)

_ON_THE_WAY: Final = frozenset({"time", "traceparent", "tracestate"})
"""What may differ where the same event is sent again."""
_TEXTS: Final = ("type", "tenant", "source", "event_id", "reason", "destination", "status", "answer")
_TEXT_MAX, _DESTINATION_MAX, _STATUS_MAX = 1_000, 500, 50


def content(letter: DeadLetter) -> tuple[str, bytes]:
    return json.dumps(dict(letter.attributes)), letter.data


def identity(letter: DeadLetter) -> bytes:
    """Equal for an event that is sent again, whatever brokers added on the way."""
    own = {
        name: value
        for name, value in letter.attributes.items()
        if not name.startswith(FROM_BROKERS) and name not in _ON_THE_WAY
    }
    parts = json.dumps(own, sort_keys=True).encode(), letter.data
    return sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


def fields(letter: DeadLetter) -> list[str]:
    """Names and values of what a list shows."""
    shown = {
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
    return [part for pair in shown.items() for part in pair]


def failure(letter: DeadLetter) -> str:
    """What became of the delivery, to be noted as the destination's last failure.

    `mark` tells a failure from the same one told twice; it is empty where nothing does.
    """
    arrival = letter.attributes.get(ARRIVAL, "")
    return json.dumps(
        {
            "destination": _destination(letter.destination),
            "status": letter.status[:_STATUS_MAX],
            "answer": letter.answer[:_TEXT_MAX],
            "reason": letter.reason[:_TEXT_MAX],
            "is_transient": is_transient(letter.status),
            "mark": _hash(f"{arrival} {letter.status}") if arrival else "",
            "count": 0,
        }
    )


def action(by: str, action: str, note: str) -> str:
    return json.dumps({"by": by, "action": action, "note": note})


def padded(id: str) -> str:
    ms, _, number = id.partition("-")
    return f"{ms:0>15}-{number:0>10}"


def unpadded(member: bytes) -> str:
    return "-".join(str(int(part)) for part in member.split(b"-"))


def instant(ms: str | bytes) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def entry(id: str, stored: Mapping[bytes, bytes]) -> LetterEntry:
    def text(name: str, default: bytes = b"") -> str:
        return stored.get(name.encode(), default).decode()

    return LetterEntry(
        id=id,
        state=LetterState(text("state")),
        received_at=instant(text("received_ms")),
        failed_at=instant(text("failed_ms")),
        failures=int(text("failures")),
        replays=int(text("replays")),
        data_bytes=int(text("data_bytes")),
        corrects=text("corrects"),
        corrected_by=text("corrected_by"),
        drains=int(text("drains", b"0")),
        destinations=_failures(text("failed", b"[]")),
        left_out=int(text("left_out", b"0")),
        **{name: text(name) for name in _TEXTS},
    )


def _failures(failed: str) -> tuple[Failure, ...]:
    return tuple(
        Failure(
            destination=known["destination"],
            status=known["status"],
            answer=known["answer"],
            reason=known["reason"],
            failed_at=instant(known["failed_ms"]),
            count=known["count"],
        )
        for known in reversed(json.loads(failed))
        if known["is_open"]
    )


def _destination(url: str) -> str:
    """Two URLs that begin alike for very long stay two."""
    return url if len(url) <= _DESTINATION_MAX else f"{url[:_DESTINATION_MAX]}…{_hash(url)}"


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
