"""A year of windows, made in minutes of a day that the product has folded."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from benchmarks.fill import SOURCE, Say, without_keys
from benchmarks.load import KINDS, SERVICES
from benchmarks.servers import PLAN, Database, event_headers, request, until
from eventing import types
from shared.adapters.system import system_clock
from shared.domain.facts import NUMBERS
from shared.domain.windows import WindowSize, floor

DAY: Final = timedelta(days=1)
SLOTS: Final = 12
"""Windows of 5 minutes in an hour."""
RECORDS: Final = 5
"""Of each revision in each of them."""
DAY_RECORDS: Final = 24 * SLOTS * RECORDS * KINDS
DAY_WINDOWS: Final = (24 * SLOTS + 24 + 1) * KINDS
"""Of a tenant, as are DAY_RECORDS."""
FOLDED_LIMIT_S: Final = 180.0
TOLD_DAYS: Final = 60
COPIED: Final = ", ".join(("tenant_id", "window_size", "service_id", "revision_id", *NUMBERS, "sketch"))


@dataclass(frozen=True, slots=True)
class Year:
    """Every 5 minutes of [start, end) is alike day by day, for every revision of the tenants."""

    slugs: Sequence[str]
    start: datetime
    end: datetime


def fill(database: Database, port: int, tenants: int, days: int, say: Say) -> Year:
    """Windows of so many days up to yesterday, of new tenants. The last day is sent to the aggregator at
    `port`; the others are copies of what it has folded."""
    slugs, end = [f"year-{n}" for n in range(tenants)], floor(system_clock(), WindowSize.D1)
    database.seed(PLAN, slugs)
    for tenant in slugs:
        for hour in range(24):
            headers = event_headers(types.USAGE_RECORDED, SOURCE, f"{hour} of {tenant}", tenant)
            status = request(port, "POST", "/", headers, _hour(end - DAY + timedelta(hours=hour)))
            assert status == 204, status
    until(lambda: database.rows("SELECT FROM usage_delta LIMIT 1") == [], "a day folded", FOLDED_LIMIT_S)
    say(f"windows: a day of {tenants} tenants is folded")
    database.do(
        "CREATE TEMP TABLE folded AS SELECT a.* FROM usage_window a JOIN tenant t ON t.id = tenant_id"
        " WHERE slug LIKE 'year-%'"
    )
    with without_keys(database, "usage_window", say):
        for ago in range(1, days):
            database.do(
                f"INSERT INTO usage_window (window_start, {COPIED})"
                f" SELECT window_start - {ago} * '24 hours'::interval, {COPIED} FROM folded"
            )
            if ago % TOLD_DAYS == 0:
                say(f"windows: {ago} of {days} days")
    database.do("DROP TABLE folded")
    return Year(slugs, end - days * DAY, end)


def _hour(start: datetime) -> bytes:
    records = [
        {
            "timestamp": (start + slot * WindowSize.M5.length).isoformat(),
            "service_name": f"service-{kind % SERVICES}",
            "revision": f"service-{kind % SERVICES}-0000{kind // SERVICES + 1}",
            "duration_ns": random.randrange(10**5, 2 * 10**9),
            "memory_mb": random.choice((128, 256, 512)),
            "egress_bytes": random.randrange(10**6),
        }
        for slot in range(SLOTS)
        for kind in range(KINDS)
        for _ in range(RECORDS)
    ]
    return json.dumps({"records": records}).encode()
