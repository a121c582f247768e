"""How fast usage that waits is folded, and windows are computed anew from what was sent."""

import json
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import psycopg

from benchmarks.cells import EMPTIED, FOLDED_LIMIT_S, Cell, Target, load_of, send
from benchmarks.check import differences
from benchmarks.load import SPAN_S, slug
from benchmarks.servers import ADMIN_KEY, exchange, until
from shared.adapters.system import system_clock

SEND_LIMIT_S: Final = 60.0
REBUILD: Final = "/api/v1/metrics/aggregate"


@dataclass(frozen=True, slots=True)
class Rate:
    events: int
    records: int
    seconds: float
    wrong: list[str]


def fold(target: Target, cell: Cell, events: int) -> Rate:
    """So many events are sent while nobody can write windows; then the clock starts."""
    database = target.database
    database.do(f"TRUNCATE {', '.join(EMPTIED)}", "CHECKPOINT")
    with psycopg.connect(database.url) as holding:
        holding.execute("LOCK TABLE usage_window IN EXCLUSIVE MODE")
        sent = send(target, replace(load_of(cell, 1), events=events), cell.connections, SEND_LIMIT_S)
        holding.rollback()
        began = time.perf_counter()
        until(lambda: database.rows("SELECT FROM usage_delta LIMIT 1") == [], "the backlog", FOLDED_LIMIT_S)
        seconds = time.perf_counter() - began
    return Rate(sent.truth.events, sent.truth.records, seconds, differences(database, sent.truth))


def rebuild(target: Target, api_port: int, records: int) -> Rate:
    """Of one tenant, who used the usage of a thousand-record load."""
    database = target.database
    database.do(f"TRUNCATE {', '.join(EMPTIED)}", "CHECKPOINT")
    load = replace(load_of(Cell("hot", 1_000), 1), events=max(1, records // 1_000))
    sent = send(target, load, 8, SEND_LIMIT_S)
    until(lambda: database.rows("SELECT FROM usage_delta LIMIT 1") == [], "the backlog", FOLDED_LIMIT_S)
    now = system_clock()
    period = {
        "tenant_id": slug(0),
        "start_time": (now - timedelta(seconds=2 * SPAN_S)).isoformat(),
        "end_time": now.isoformat(),
    }
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
    began = time.perf_counter()
    status, answer = exchange(api_port, "POST", REBUILD, headers, json.dumps(period).encode())
    seconds = time.perf_counter() - began
    wrong = differences(database, sent.truth)
    if status != 200:
        wrong.append(f"the rebuild answered {status} {answer[:200]!r}")
    return Rate(sent.truth.events, sent.truth.records, seconds, wrong)
