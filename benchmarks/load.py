"""What is sent: records of about 340 bytes, made before the clock starts, and what they must sum to."""

import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from eventing import types

Shape = Literal["uniform", "hot", "touch"]
"""`touch` is one event for every tenant with a record of each of its revisions: what warms caches."""
Fault = Literal["", "forgotten", "twice"]
"""For the test of the check: a record that the truth leaves out, or an event also sent under another id."""

TENANTS: Final = 1_000
SERVICES: Final = 5
REVISIONS: Final = 2
KINDS: Final = SERVICES * REVISIONS
SPAN_S: Final = 600
RESENT: Final = 0.05
RESENT_WITHIN: Final = 64
"""How many events later at most the same one comes again."""
TEMPLATES_RECORDS: Final = 20_000
MARK: Final = b"@@@@@@@@"
"""Stands in a template where each event puts eight digits of its own, so that request ids differ."""


def slug(tenant: int) -> str:
    return f"bench-{tenant:04}"


class Sums(NamedTuple):
    records: int = 0
    invocations: int = 0
    duration_ns: int = 0
    egress_bytes: int = 0

    def plus(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(slots=True)
class Truth:
    """What must be in the inbox and in the windows of each size, by tenant."""

    events: int = 0
    sums: dict[str, Sums] = field(default_factory=dict)

    def add(self, tenant: str, sums: Sums, events: int = 1) -> None:
        self.events += events
        self.sums[tenant] = self.sums.get(tenant, Sums()).plus(sums)

    def include(self, other: "Truth") -> None:
        self.events += other.events
        for tenant, sums in other.sums.items():
            self.add(tenant, sums, events=0)

    @property
    def records(self) -> int:
        return sum(sums.records for sums in self.sums.values())


@dataclass(frozen=True, slots=True)
class Load:
    """`events` are prepared at most; `tenants` of them are spoken of, in the hot shape the first alone.

    `began` is the earliest time of a record, RFC 3339. The same `seed` gives the same ids.
    """

    shape: Shape
    batch: int
    events: int
    seed: int
    began: str
    tenants: int = TENANTS
    fault: Fault = ""


@dataclass(frozen=True, slots=True)
class Template:
    """The data of an event but for its MARKs, and its records as rows of a bare table."""

    body: bytes
    sums: Sums
    rows: Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Request:
    """An event as it goes over the wire; `sums` is what it adds to its `tenant`, nothing where it repeats
    an earlier one."""

    wire: bytes
    tenant: str
    sums: Sums | None


def requests(load: Load, path: str) -> Iterator[Request]:
    """In the order in which they are sent, a share of them once more a little later."""
    drawn = random.Random(load.seed)
    made = templates(load, drawn)
    recent: list[Request] = []
    for n in range(load.events):
        tenant = slug(_tenant(load, n, drawn))
        template = drawn.choice(made)
        body = template.body.replace(MARK, b"%08x" % (drawn.getrandbits(32)))
        sums = template.sums
        if load.fault == "forgotten" and n == 0:
            sums = sums._replace(records=sums.records - 1, invocations=sums.invocations - 1)
        request = Request(_wire(load, f"{n}", tenant, path, body), tenant, sums)
        yield request
        if load.fault == "twice" and n == 0:
            yield Request(_wire(load, f"{n}-again", tenant, path, body), tenant, None)
        recent = [*recent[1 - RESENT_WITHIN :], request]
        if drawn.random() < RESENT:
            again = drawn.choice(recent)
            yield Request(again.wire, again.tenant, None)


def templates(load: Load, drawn: random.Random) -> Sequence[Template]:
    """Bodies with random durations, labels and times; enough of them that few events are alike."""
    count = max(1, min(load.events, TEMPLATES_RECORDS // load.batch))
    began = datetime.fromisoformat(load.began)
    return [_template([_record(load, n, began, drawn) for n in range(load.batch)]) for _ in range(count)]


def _tenant(load: Load, n: int, drawn: random.Random) -> int:
    return {"touch": n % load.tenants, "uniform": drawn.randrange(load.tenants), "hot": 0}[load.shape]


def _record(load: Load, n: int, began: datetime, drawn: random.Random) -> Mapping[str, Any]:
    kind = {"touch": n % KINDS, "uniform": drawn.randrange(KINDS), "hot": 0}[load.shape]
    revision, service = divmod(kind, SERVICES)
    at = began + timedelta(microseconds=drawn.randrange(SPAN_S * 10**6))
    name = f"service-{service}"
    request_id = str(uuid.UUID(int=drawn.getrandbits(128), version=4))
    return {
        "timestamp": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "service_name": name,
        "revision": f"{name}-0000{revision + 1}",
        "request_id": MARK.decode() + request_id[len(MARK) :],
        "invocations": 1,
        "duration_ns": drawn.randrange(10**5, 2 * 10**9),
        "memory_mb": drawn.choice((128, 256, 512)),
        "egress_bytes": drawn.randrange(10**6),
        "cold_start": drawn.random() < 0.01,
        "labels": {
            "region": drawn.choice(("eu-west-1", "us-east-1")),
            "route": f"/orders/{drawn.getrandbits(20)}",
            "pod": f"{name}-{drawn.getrandbits(40):010x}",
        },
    }


def _template(records: Sequence[Mapping[str, Any]]) -> Template:
    data: object = records[0] if len(records) == 1 else {"records": records}
    sums = Sums()
    rows = []
    for record in records:
        sums = sums.plus(Sums(1, *(record[name] for name in Sums._fields[1:])))
        rows.append(_row(record))
    return Template(json.dumps(data, separators=(",", ":")).encode(), sums, rows)


def _row(record: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        datetime.fromisoformat(record["timestamp"]),
        uuid.uuid4(),
        uuid.uuid4(),
        uuid.UUID(record["request_id"].replace(MARK.decode(), "0" * len(MARK))),
        *(record[name] for name in list(record)[1:] if name not in ("request_id", "labels")),
        json.dumps(record["labels"]),
    )


def _wire(load: Load, id: str, tenant: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/json\r\nce-specversion: 1.0\r\nce-type: {types.USAGE_RECORDED}\r\n"
        f"ce-source: /bench/{load.seed}\r\nce-id: {id}\r\nce-tenantid: {tenant}\r\n\r\n"
    )
    return head.encode() + body
