"""A full database in its smallest form: as the migrations made it, and as the product reads it."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from benchmarks import fill, flat
from benchmarks.cells import Cell, Target, measure
from benchmarks.check import accepted
from benchmarks.flat import FULL, SMALL, NoRoom, Pair, Size, keep_keys, require_room, send_again
from benchmarks.load import KINDS, TENANTS, slug
from benchmarks.reads import QUESTIONS, Api, ask
from benchmarks.servers import PLAN, Database, Servers, event_headers, one_record, request, sink
from benchmarks.year import DAY, DAY_RECORDS, DAY_WINDOWS
from eventing import types
from runtime.seed import seed
from shared.adapters.postgres.window_rows import read_window
from shared.domain.aggregate import WindowKey, Windows
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import WindowSize, floor

SIZE = Size(keys=2 * TENANTS + 5, tenants=1, days=62)
SECONDS = 0.15
NO_REDIS = "redis://127.0.0.1:1/0"
SCHEMA = """
    WITH filled AS (
        SELECT * FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname ~ '^usage_(inbox|window)'
    )
    SELECT relname, attname, concat_ws(' ', attnum, format_type(atttypid, atttypmod), attnotnull,
           attgenerated, attstorage, attcompression, attislocal, attinhcount, pg_get_expr(adbin, adrelid))
    FROM filled JOIN pg_attribute ON attrelid = filled.oid
    LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum) WHERE attnum > 0
    UNION ALL
    SELECT relname, c.conname, concat_ws(' ', pg_get_constraintdef(c.oid), c.convalidated, c.conislocal,
           c.coninhcount, c.connoinherit, p.conname)
    FROM filled JOIN pg_constraint c ON c.conrelid = filled.oid
    LEFT JOIN pg_constraint p ON p.oid = c.conparentid
    UNION ALL
    SELECT relname, indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(indexrelid), indisprimary,
           indisunique, indisvalid, inhparent::regclass)
    FROM filled JOIN pg_index ON indrelid = filled.oid LEFT JOIN pg_inherits ON inhrelid = indexrelid
    UNION ALL
    SELECT relname, tgfoid::regproc::text, concat_ws(' ', tgtype, tgenabled, tgconstrrelid::regclass)
    FROM filled JOIN pg_trigger ON tgrelid = filled.oid
    UNION ALL
    SELECT relname, relkind::text, concat_ws(' ', relpersistence, relispartition, reloptions, relhasindex,
           pg_get_expr(relpartbound, oid)) FROM filled
"""


@pytest.fixture(scope="module")
def pair(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("bench")
    seed(module_database_url)
    database = Database(module_database_url)
    database.seed(PLAN)
    servers = Servers(folder, database, os.getpid(), NO_REDIS)
    with sink(folder) as sink_port, flat.filled(servers, sink_port, SIZE, lambda _: None) as pair:
        yield pair
    database.connection.close()


@pytest.fixture(scope="module")
def full(pair: Pair) -> Target:
    return pair.targets[FULL]


def windows(database: Database, tenant: str, day: object) -> dict[WindowSize, Windows]:
    found: dict[WindowSize, Windows] = {size: {} for size in WindowSize}
    for row in database.rows(
        f"SELECT tenant_id, window_size, window_start, service_id, revision_id, {', '.join(NUMBERS)}, sketch"
        " FROM usage_aggregate JOIN tenant ON tenant.id = tenant_id"
        " WHERE slug = %s AND window_start >= %s AND window_start < %s::timestamptz + '24 hours'",
        *(tenant, day, day),
    ):
        key, facts = read_window(row)
        found[key.size][key] = facts
    return found


def summed(parts: Windows, size: WindowSize) -> Windows:
    sums: Windows = {}
    for key, facts in parts.items():
        whole = WindowKey(size, floor(key.start, size), key.series)
        sums.setdefault(whole, WindowFacts()).add(facts)
    return sums


def send(target: Target, tenant: str, id: str, data: bytes) -> int:
    headers = event_headers(types.USAGE_RECORDED, fill.SOURCE, id, tenant)
    return request(target.port, "POST", "/", headers, data)


def test_the_schema_is_what_the_migrations_made(full: Target, database_url: str) -> None:
    with psycopg.connect(database_url) as migrated:
        made = migrated.execute(SCHEMA.encode()).fetchall()
    assert {"usage_inbox_07", "usage_window"} <= {table for table, _, _ in made}
    assert sorted(full.database.rows(SCHEMA)) == sorted(made)


def test_every_tenant_of_the_loads_has_its_share_of_the_keys(full: Target) -> None:
    rows = full.database.rows(
        "SELECT slug, event_key FROM usage_inbox JOIN tenant ON tenant.id = tenant_id"
        " WHERE received_at = %s AND length(digest) = 32",
        fill.FILLED_AT,
    )
    assert Counter(Counter(tenant for tenant, _ in rows).values()) == {2: TENANTS - 5, 3: 5}
    assert {tenant for tenant, _ in rows} == {slug(n) for n in range(TENANTS)}
    assert len({key for _, key in rows}) == SIZE.keys


def test_hours_and_days_are_the_sums_of_their_windows_of_5_minutes(pair: Pair) -> None:
    year = pair.apis[FULL].year
    for day in (year.start, year.end - DAY):
        found = windows(pair.targets[FULL].database, year.slugs[0], day)
        assert len(found[WindowSize.M5]) == 288 * KINDS
        assert summed(found[WindowSize.M5], WindowSize.H1) == found[WindowSize.H1]
        assert summed(found[WindowSize.M5], WindowSize.D1) == found[WindowSize.D1]


def test_there_are_windows_of_every_day(pair: Pair) -> None:
    database, year = pair.targets[FULL].database, pair.apis[FULL].year
    days = database.rows(
        "SELECT date_trunc('day', window_start), count(DISTINCT id), sum(window_end - window_start),"
        " sum(invocations) FROM usage_aggregate WHERE window_end <= %s GROUP BY 1 ORDER BY 1",
        year.end,
    )
    assert [start for start, *_ in days] == [year.start + n * DAY for n in range(SIZE.days)]
    assert {tuple(rest) for _, *rest in days} == {(DAY_WINDOWS, 3 * KINDS * DAY, 3 * DAY_RECORDS)}


@pytest.mark.parametrize("question", QUESTIONS)
def test_bills_and_reports_are_asked_for_and_checked(pair: Pair, question: str) -> None:
    asked = ask(pair.apis, question, 3)
    assert asked.wrong == []
    assert 0 < asked.p_ms(SMALL, 50) <= asked.p_ms(SMALL, 99)
    assert len(asked.took_ms[FULL]) == 3


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_without_the_usage_are_wrong(pair: Pair, question: str) -> None:
    full = pair.apis[FULL]
    before = replace(full.year, start=full.year.start - SIZE.days * DAY, end=full.year.start)
    assert ask({FULL: Api(full.port, before)}, question, 1).wrong != []


def test_an_event_whose_key_fills_the_inbox_is_a_duplicate(full: Target) -> None:
    event, kept = fill.known(slug(3)), accepted(full.database)
    assert send(full, slug(3), event.id, event.data) == 204
    assert accepted(full.database) == kept
    assert send(full, slug(3), event.id, one_record("2025-01-02T00:00:00Z")) == 422
    assert accepted(full.database) == kept
    assert send(full, slug(3), "another", event.data) == 204
    assert accepted(full.database) == kept + 1


def test_events_that_are_sent_again_are_found_where_they_count(pair: Pair) -> None:
    assert send_again(pair.targets[FULL], SIZE.keys) == []
    empty = replace(pair.targets[SMALL], tidy=keep_keys)
    assert send_again(empty, 7) == ["7 events that fill the inbox are counted again"]


def test_loads_add_to_the_keys_and_are_checked(full: Target) -> None:
    for _ in range(2):
        kept = accepted(full.database)
        assert kept >= SIZE.keys
        found = measure(full, Cell("uniform", 1), SECONDS)
        assert found.wrong == []
        assert accepted(full.database) > kept
    wrong = measure(full, Cell("uniform", 100), SECONDS, "twice").wrong
    assert any("inbox: " in line for line in wrong), wrong


def test_a_disk_without_room_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match=r"1,000,000,000,000 rows .* GB.*--rows.*TMPDIR"):
        require_room(tmp_path, Size(keys=10**12))
