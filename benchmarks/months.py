"""Tenants with a month of usage each, ready to be closed and made in minutes; and what it must cost."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from benchmarks.fill import Say, without_keys
from benchmarks.servers import Database
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database as Pool
from shared.adapters.postgres.windows import shard_of
from shared.adapters.system import new_id, system_clock
from shared.domain.facts import NUMBERS
from shared.domain.period import Period, month_of
from shared.domain.plan import Plan
from shared.domain.rating.per_unit import PerUnit

SERVICES: Final = 10
CURRENCY: Final = "EUR"
PER_MILLION: Final = Decimal("0.20")
PER_GB_SECOND: Final = Decimal("0.0000166667")
TAX_PERCENT: Final = 20
UTC: Final = ZoneInfo("UTC")
BYTES: Final = 128 * 2**20
DURATION_NS: Final = 10**8
FACTS: Final = {
    "records": "calls",
    "invocations": "calls",
    "duration_ns": f"calls * {DURATION_NS}",
    "max_memory_bytes": f"{BYTES}",
    "memory_bytes": f"calls * {BYTES}",
    "memory_byte_ns": f"calls * {BYTES * DURATION_NS}",
    "billed_1ms_ms": "calls * 100",
    "billed_100ms_ms": "calls * 100",
    "byte_ms_1ms": f"calls * {BYTES * 100}",
    "byte_ms_100ms": f"calls * {BYTES * 100}",
    "mb128_ms_1ms": f"calls * {128 * 100}",
    "mb128_ms_100ms": f"calls * {128 * 100}",
}
"""Of calls that take 0.1 s in 128 MB each; the others are none."""
_WINDOWS: Final = f"""
    INSERT INTO usage_window (tenant_id, window_size, window_start, service_id, revision_id,
                              {", ".join(NUMBERS)}, sketch)
    SELECT tenant_id, size, day + at, service_id, revision_id,
           {", ".join(FACTS.get(name, "0") for name in NUMBERS)},
           int2send(0::smallint) || int8send(calls::bigint)
    FROM (
        SELECT s.tenant_id, s.id AS service_id, r.id AS revision_id, day,
               -- Other numbers for every tenant, service and day.
               (100 * (1 + (right(t.slug, 6)::int * 31 + right(s.name, 1)::int * 7
                            + extract(day FROM day)::int) %% 997))::numeric AS calls
        FROM tenant t JOIN service s ON s.tenant_id = t.id
        JOIN revision r ON (r.tenant_id, r.service_id) = (s.tenant_id, s.id)
        CROSS JOIN generate_series(%s::timestamptz, %s::timestamptz, '24 hours') day
        WHERE t.slug LIKE 'close-%%'
    ) used
    CROSS JOIN (VALUES ('5m', '12 hours'::interval), ('1h', '12 hours'), ('1d', '0')) sized (size, at)
"""
# From the smallest windows, by the prices alone.
_WRONG: Final = f"""
    WITH used AS (
        SELECT tenant_id, sum(invocations) AS calls, sum(memory_byte_ns) AS byte_ns FROM usage_window
        WHERE window_size = '5m' GROUP BY tenant_id
    ), owed AS (
        SELECT tenant_id, round(calls * {PER_MILLION} / 1000000, 2)
            + round(byte_ns * {PER_GB_SECOND} / {2**30 * 10**9}, 2) AS net
        FROM used
    )
    SELECT t.slug, count(i.id), sum(i.total), due.total
    FROM tenant t JOIN owed ON owed.tenant_id = t.id
    CROSS JOIN LATERAL (SELECT owed.net + round(owed.net * {TAX_PERCENT} / 100, 2) AS total) due
    LEFT JOIN invoice i ON i.tenant_id = t.id
    WHERE t.slug LIKE 'close-%%'
    GROUP BY t.slug, due.total
    HAVING (count(i.id), sum(i.total), min(i.period_start), max(i.period_end), bool_and(i.status = 'final'))
        IS DISTINCT FROM (1, due.total, %s, %s, true)
    ORDER BY t.slug
"""
_UNNUMBERED: Final = """
    SELECT count(*), count(DISTINCT number), coalesce(max(number), 0),
           (SELECT count(*) FROM invoice WHERE status <> 'draft')
    FROM issued_number WHERE series = 'invoice'
"""
_UNBALANCED: Final = """
    SELECT (SELECT coalesce(sum(amount), 0) FROM posting_entry),
           (SELECT coalesce(sum(amount), 0) FROM posting_entry WHERE account = 'accounts_receivable')
         - (SELECT coalesce(sum(amount_due), 0) FROM invoice WHERE status <> 'draft')
"""
SHOWN_MAX: Final = 5


def last_month() -> Period:
    """The calendar month before this one, of UTC."""
    return month_of(month_of(system_clock(), UTC).start - timedelta(days=1), UTC)


def fill(database: Database, tenants: int, month: Period, say: Say) -> None:
    """So many tenants with a seller, a plan and a tax; each of their services is called for 5 minutes of
    every day of the month."""
    seller_id, plan_id = new_id(), _add_plan(database, month)
    named = [(new_id(), f"close-{n:06}") for n in range(tenants)]
    services = [(tenant_id, new_id(), f"service-{n}") for tenant_id, _ in named for n in range(SERVICES)]
    since = month.start
    seller: Sequence[object] = (
        seller_id,
        "bench",
        "Bench Ltd",
        [],
        "[]",
        "DE",
        "UTC",
        "INV-",
        "CN-",
        0,
        14,
        [],
        "",
        since,
    )
    _copy(database, "billing_entity", [seller])
    # As the sweep leaves it: there are no dead letters.
    _copy(database, "dead_letter_held", [(UUID(int=0), "read", "", month.end, "")])
    _copy(
        database,
        "tenant (id, slug, name, currency, timezone, created_at, updated_at)",
        [(id, slug, slug, CURRENCY, "UTC", since, since) for id, slug in named],
    )
    _copy(database, "tenant_alias", [(slug, id) for id, slug in named])
    _copy(
        database,
        "subscription (tenant_id, starts_at, plan_id)",
        [(id, "-infinity", plan_id) for id, _ in named],
    )
    _copy(
        database,
        "billing_details (tenant_id, currency, billing_entity_id, legal_name, address, tax_ids, email,"
        " language, cycle_interval, zero_invoices)",
        [
            (id, CURRENCY, seller_id, slug, ["1 High Street"], "[]", "", "en", "month", False)
            for id, slug in named
        ],
    )
    _copy(
        database,
        "tax_rate (tenant_id, id, name, percent, inclusive)",
        [(id, new_id(), "VAT", TAX_PERCENT, False) for id, _ in named],
    )
    _copy(
        database,
        "service (tenant_id, id, name, namespace, created_at)",
        [(*of, "default", since) for of in services],
    )
    _copy(
        database,
        "revision (tenant_id, id, service_id, name, created_at)",
        [(tenant_id, new_id(), id, f"{name}-00001", since) for tenant_id, id, name in services],
    )
    last_day = month.end - timedelta(days=1)
    with without_keys(database, "usage_window", say):
        database.connection.execute(_WINDOWS.encode(), (month.start, last_day))
    _copy(
        database,
        "tenant_usage (tenant_id, shard, sequence, announced_at)",
        [(id, shard_of(id), 1, month.end) for id, _ in named],
    )
    database.connection.execute(
        b"INSERT INTO usage_change (tenant_id, day, sequence) SELECT u.tenant_id, day::date, 1"
        b" FROM tenant_usage u CROSS JOIN generate_series(%s::timestamptz, %s::timestamptz, '24 hours') day",
        (month.start, last_day),
    )
    database.do("ANALYZE", "CHECKPOINT")
    say(f"{tenants:,} tenants with {SERVICES} services each, and a month of windows")


def differences(database: Database, month: Period) -> list[str]:
    """For people; empty where every tenant has one final invoice of the month over what its usage costs, the
    numbers have no gap, and the books balance."""
    wrong = numbering(database)
    found = database.rows(_WRONG, *month)
    wrong += [
        f"{slug}: {count} invoices of {total}, one of {owed} is right" for slug, count, total, owed in found
    ]
    more = len(wrong) - SHOWN_MAX
    return [*wrong[:SHOWN_MAX], *([f"and {more} more"] if more > 0 else [])]


def numbering(database: Database) -> list[str]:
    """For people; empty where as many numbers as there are invoices run from 1 on, and the books balance."""
    ((rows, numbers, last, invoices),) = database.rows(_UNNUMBERED)
    ((sum_of_all, not_due),) = database.rows(_UNBALANCED)
    wrong = []
    if not rows == numbers == last == invoices:
        wrong.append(f"{numbers} numbers up to {last} are given out, of {invoices} invoices")
    if sum_of_all or not_due:
        wrong.append(f"the postings sum to {sum_of_all}; {not_due} is receivable and not due")
    return wrong


def _add_plan(database: Database, month: Period) -> UUID:
    prices = (
        PerUnit("invocations", PER_MILLION, Decimal(1_000_000)),
        PerUnit("gb_seconds", PER_GB_SECOND),
    )
    plan = Plan(new_id(), "bench-close", CURRENCY, prices, month.start)
    pool = Pool(database.url, pool_size_max=1)
    PostgresPlans(pool).add(plan)
    pool.close()
    return plan.id


def _copy(database: Database, into: str, rows: Iterable[Sequence[object]]) -> None:
    with database.connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
