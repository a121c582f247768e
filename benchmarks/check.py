"""What was sent against what is in the database: the same, or the figure is worth nothing."""

from typing import Final

from benchmarks.load import Sums, Truth
from benchmarks.servers import Database

SIZES: Final = ("5m", "1h", "1d")
SHOWN_MAX: Final = 5


def differences(database: Database, truth: Truth, kept: int = 0) -> list[str]:
    """For people; empty where inbox and windows of each size hold what was sent, and nothing else but the
    `kept` events of before."""
    wrong = []
    if (events := accepted(database) - kept) != truth.events:
        wrong.append(f"inbox: {events} events, {truth.events} were sent")
    for size in SIZES:
        found = _windows(database, size)
        for tenant in sorted(found.keys() | truth.sums.keys()):
            if (got := found.get(tenant)) != (sent := truth.sums.get(tenant)):
                wrong.append(f"{size} windows of {tenant}: {_told(got)}, but {_told(sent)} sent")
    return [*wrong[:SHOWN_MAX], *([f"and {len(wrong) - SHOWN_MAX} more"] if len(wrong) > SHOWN_MAX else [])]


def accepted(database: Database) -> int:
    """Events in the inbox, of the tenants of the loads."""
    ((events,),) = database.rows(
        "SELECT count(*) FROM usage_inbox i JOIN tenant t ON t.id = i.tenant_id WHERE t.slug LIKE 'bench-%%'"
    )
    return int(events)


def _windows(database: Database, size: str) -> dict[str, Sums]:
    rows = database.rows(
        "SELECT t.slug, sum(records)::bigint, sum(invocations)::bigint, sum(duration_ns)::bigint,"
        " sum(egress_bytes)::bigint FROM usage_aggregate a JOIN tenant t ON t.id = a.tenant_id"
        " WHERE window_size = %s AND t.slug LIKE 'bench-%%' GROUP BY t.slug",
        size,
    )
    return {tenant: Sums(*numbers) for tenant, *numbers in rows}


def _told(sums: Sums | None) -> str:
    return "nothing" if sums is None else ", ".join(f"{name} {n}" for name, n in sums._asdict().items())
