"""Random records, and the bodies that they are sent in: the same for the same seed."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Literal

Way = Literal["event", "http"]

MICROSECOND: Final = timedelta(microseconds=1)
GRID: Final = timedelta(minutes=5)
WRITTEN_IN: Final = (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=4)))
MEMORIES_MB: Final = (128, 128, 256, 512, 1024, 1769, 3008, 0.5, 100.3, 333.333, 127.9999999)
AT_A_BOUND, LATE, UNTIMED, REPEATED = 0.004, 0.003, 0.003, 0.002
CAPACITIES: Final = ("", "spot", "burst", "")
HELD_S_MAX: Final = 3 * 3600


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a sender sends at once: usage of `since` to `until`, or of one tenant also as late as `oldest`.

    `id` is the event's, or the Idempotency-Key, where there is one; `bounds` are instants to be met exactly.
    """

    number: int
    way: Way
    id: str
    tenants: tuple[str, ...]
    size: int
    since: datetime
    until: datetime
    oldest: datetime
    bounds: tuple[datetime, ...]

    def body(self, seed: int) -> bytes:
        """The same each time."""
        drawn = random.Random(f"{seed}/{self.number}")
        records = [_record(drawn, self) for _ in range(self.size)]
        for n in range(1, self.size):
            if drawn.random() < REPEATED:
                records[n - 1]["request_id"] = f"{self.number}/{n}"
                records[n] = dict(reversed(records[n - 1].items()))
        if self.way == "event":
            return json.dumps({"records": records}).encode()
        bare = len(records) == 1 and drawn.random() < 0.5
        return json.dumps(records[0] if bare else records).encode()


def with_more(body: bytes) -> bytes:
    """Other usage, to be sent under the same identity."""
    sent = json.loads(body)
    last = sent if isinstance(sent, dict) and "records" not in sent else list(_listed(sent))[-1]
    last["egress_bytes"] = 1 + last.get("egress_bytes", 0)
    return json.dumps(sent).encode()


def without_last(body: bytes) -> bytes:
    """All records but one."""
    sent = json.loads(body)
    _listed(sent).pop()
    return json.dumps(sent).encode()


def _listed(sent: Any) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = sent["records"] if isinstance(sent, dict) else sent
    return records


def _record(drawn: random.Random, delivery: Delivery) -> dict[str, Any]:
    chance = drawn.random()
    at = _instant(drawn, delivery)
    n = 1 if chance < 0.5 else int(10 ** (drawn.random() * 3.7))
    record: dict[str, Any] = {
        "service_name": f"service-{int(drawn.random() * 4)}",
        "revision": f"revision-{int(drawn.random() * 3)}",
    }
    if delivery.way == "http":
        record["tenant_id"] = drawn.choice(delivery.tenants)
    if drawn.random() >= UNTIMED or delivery.way == "http":
        record["timestamp"] = _written(drawn, at)
    if chance > 0.98:
        return record | _without_calls(drawn, at)
    record |= {"invocations": n} if n > 1 or drawn.random() < 0.5 else {}
    record |= _durations(drawn, n)
    record["memory_mb"] = drawn.choice(MEMORIES_MB)
    if drawn.random() < 0.5:
        record["cpu_seconds"] = round(drawn.random() * n, 1 + int(drawn.random() * 10))
    if drawn.random() < 0.5:
        record["egress_bytes"] = int(10 ** (drawn.random() * 9))
    if drawn.random() < 0.1:
        record["errors"] = 1 + int(drawn.random() * n)
    if drawn.random() < 0.1:
        record |= {"cold_start": True} if n == 1 else {"cold_starts": 1 + int(drawn.random() * n)}
    if drawn.random() < 0.05:
        record |= {"namespace": "other", "labels": {"region": "eu", "path": f"/{n}"}}
    if capacity := CAPACITIES[at.microsecond % len(CAPACITIES)]:
        record["labels"] = {**record.get("labels", {}), "capacity": capacity}
    return record


def _instant(drawn: random.Random, delivery: Delivery) -> datetime:
    chance = drawn.random()
    if chance < AT_A_BOUND:
        return drawn.choice(delivery.bounds) - (MICROSECOND if chance < AT_A_BOUND / 2 else timedelta(0))
    since = delivery.oldest if chance < AT_A_BOUND + LATE else delivery.since
    return since + timedelta(microseconds=int(drawn.random() * ((delivery.until - since) // MICROSECOND)))


def _written(drawn: random.Random, at: datetime) -> str:
    chance = drawn.random()
    if chance < 0.6:
        return at.isoformat().replace("+00:00", "Z")
    if chance < 0.7:
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}999Z"
    return at.astimezone(WRITTEN_IN[int(chance * 100) % 3]).isoformat()


def _durations(drawn: random.Random, n: int) -> Mapping[str, Any]:
    chance, each_ns = drawn.random(), 10 ** (4 + drawn.random() * 6)
    if chance < 0.5:
        return {"duration_ns": int(each_ns * n)}
    if n <= 6 and chance < 0.7:
        return {"durations_ns": [int(each_ns * (0.5 + drawn.random())) for _ in range(n)]}
    return {"duration_seconds": round(each_ns * n / 10**9, drawn.choice((2, 3, 6, 9, 10)))}


def _without_calls(drawn: random.Random, at: datetime) -> dict[str, Any]:
    """Traffic, or capacity that was held."""
    sent: dict[str, Any] = {"invocations": 0, "egress_bytes": 1 + int(drawn.random() * 10**8)}
    if drawn.random() < 0.5:
        held_ms = int(drawn.random() * HELD_S_MAX * 1000)
        started_at = at.replace(microsecond=0) - timedelta(milliseconds=held_ms)
        sent |= {"started_at": started_at.isoformat(timespec="milliseconds")}
        sent |= {"provisioned_seconds": round(held_ms / 1000, 3)}
    return sent


def bounds_of(months: Sequence[datetime], since: datetime, until: datetime) -> tuple[datetime, ...]:
    """Instants of the grid that a delivery is to meet: those of months that lie in it, else any."""
    within = tuple(month for month in months if since < month < until)
    first = since + (until - since) // 2
    return within or (datetime.fromtimestamp(first.timestamp() // 300 * 300, UTC),)
