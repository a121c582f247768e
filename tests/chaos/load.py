"""What is sent under chaos: many tenants' usage in three ways, the same for the same seed."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Way = Literal["event", "api", "emitter"]

DAY = datetime(2025, 3, 10, tzinfo=UTC)
"""Long past: what comes late must be billed as well."""
SPAN_S = 36 * 3600
PLANS = (("RUB", "faas-billing-rub"), ("USD", "aws-lambda-x86-no-free-tier"))
BATCH_MAX = 100
AGAIN = 0.1
"""How often a sender does not believe an answer, and sends the same once more."""


@dataclass(frozen=True)
class Item:
    """What a sender posts at once, or emits one by one."""

    way: Way
    tenant: str
    id: str
    records: tuple[Mapping[str, Any], ...]
    again: bool


@dataclass(frozen=True)
class Load:
    seed: int
    tenants: int
    records: int

    def plan_of(self, tenant: int) -> tuple[str, str]:
        """Currency and plan."""
        return PLANS[tenant % len(PLANS)]

    def items(self) -> Iterator[Item]:
        """In the order in which they are due. The records of an emitter's tenant come in one item."""
        drawn = random.Random(self.seed)
        share, rest = divmod(self.records, self.tenants)
        left = {tenant: share + (tenant < rest) for tenant in range(self.tenants)}
        numbers = dict.fromkeys(left, 0)
        while left:
            tenant = drawn.choice(tuple(left))
            way: Way = ("emitter", "api")[tenant % 10] if tenant % 10 < 2 else "event"
            size = left[tenant] if way == "emitter" else min(left[tenant], drawn.randint(1, BATCH_MAX))
            numbers[tenant] += 1
            left[tenant] -= size
            if not left[tenant]:
                del left[tenant]
            records = tuple(_record(drawn) for _ in range(size))
            yield Item(way, slug(tenant), str(numbers[tenant]), records, drawn.random() < AGAIN)


def slug(tenant: int) -> str:
    return f"chaos-{tenant:04}"


def event_data(item: Item) -> bytes:
    return json.dumps({"records": item.records}).encode()


def ingest_body(item: Item) -> bytes:
    return json.dumps([{**record, "tenant_id": item.tenant} for record in item.records]).encode()


def _record(drawn: random.Random) -> Mapping[str, Any]:
    at = DAY + timedelta(seconds=drawn.randrange(SPAN_S), milliseconds=drawn.randrange(1000))
    invocations = drawn.randint(1, 40_000)
    return {
        "timestamp": at.isoformat(timespec="milliseconds"),
        "service_name": f"service-{drawn.randrange(3)}",
        "revision": f"revision-{drawn.randrange(2)}",
        "invocations": invocations,
        "duration_ns": invocations * drawn.randrange(10**5, 10**9) + drawn.randrange(10**5),
        "memory_mb": drawn.choice((128, 256, 1024)),
        "egress_bytes": drawn.randrange(10**9),
        "errors": min(drawn.randrange(3), invocations),
        "cold_start": drawn.random() < 0.1,
    }
