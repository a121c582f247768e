"""The lines of a delta, read as PostgreSQL reads them."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres import delta
from shared.domain import sketch
from shared.domain.aggregate import Series, WindowKey
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH, GRID, WindowSize

# Some sums of the largest records allowed outgrow 64 bits.
numbers = st.lists(st.integers(0, 2**160), min_size=len(NUMBERS), max_size=len(NUMBERS))
durations = st.dictionaries(st.integers(0, 4_095), st.integers(1, 2**63))
keys = st.builds(
    lambda window, service_id, revision_id: WindowKey(
        WindowSize.M5, EPOCH + window * GRID, Series(service_id, revision_id)
    ),
    st.integers(0, timedelta(days=20_000) // GRID),
    st.uuids(),
    st.uuids(),
)
READ = f"""
    SELECT to_timestamp((w).start_s), (w).service_id, (w).revision_id,
           {", ".join(f"(w).{name}" for name in NUMBERS)}, (w).sketch
    FROM (SELECT line::usage_delta_window w FROM string_to_table(%s, E'\\n') line) l
""".encode()


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        yield connection


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(keys, st.builds(WindowFacts.of, numbers, durations), min_size=1, max_size=5))
def test_a_delta_is_read_as_it_was(
    connection: psycopg.Connection, windows: dict[WindowKey, WindowFacts]
) -> None:
    read = {
        WindowKey(WindowSize.M5, start, Series(service_id, revision_id)): WindowFacts.of(
            map(int, facts), sketch.decode(durations)
        )
        for start, service_id, revision_id, *facts, durations in connection.execute(
            READ, [delta.encode(windows)]
        )
    }
    assert read == windows
