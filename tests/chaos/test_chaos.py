"""A small form of `make chaos`; and the proof that it would notice what the rules of exactly once prevent."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.chaos import Outcome, Plan, armed, run
from tests.chaos.load import Load
from tests.e2e.checkout import Checkout

SEED = 20
LOAD = Load(seed=SEED, tenants=20, records=3_000)
KILLS = 32
LITTLE = Load(seed=SEED, tenants=10, records=1_000)
LITTLE_KILLS = 10
LIMIT_S = 300
DELTA = "tenant_id, event_key, shard, delta, batch_source, batch_number, batch_at"


def without_the_inbox(checkout: Checkout) -> None:
    """Every delivery has an identity of its own."""
    checkout.replace(
        "shared/adapters/postgres/appending.py",
        "array(entry.event_key.hex for entry in entries)",
        'array(__import__("uuid").uuid4().hex for entry in entries)',
    )


def with_deltas_deleted_before_they_are_merged(checkout: Checkout) -> None:
    """Taken in a transaction of their own, which is committed before that of the windows."""
    checkout.replace(
        "shared/adapters/postgres/folding.py",
        "row = RawCursor(self._connection).execute(statement,",
        f"""self._connection.cursor().executemany(
            "INSERT INTO usage_delta ({DELTA}) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            __import__("psycopg").connect(self._connection.info.dsn, autocommit=True).execute(
                "DELETE FROM usage_delta WHERE shard = ANY(%s) RETURNING {DELTA}",
                (list(self.shards),)).fetchall())
        row = RawCursor(self._connection).execute(statement,""",
    )


@pytest.mark.timeout(LIMIT_S)
def test_nothing_is_lost_doubled_or_stuck_whatever_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = burn(tmp_path, Plan(LOAD, KILLS), lambda _: None)
    with capsys.disabled():
        print(f"\n{outcome}")  # noqa: T201 - the points that were hit are to be seen
    assert not outcome.wrong


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("broken", [without_the_inbox, with_deltas_deleted_before_they_are_merged])
def test_it_is_noticed_when_a_rule_is_broken(tmp_path: Path, broken: Callable[[Checkout], None]) -> None:
    outcome = burn(
        tmp_path,
        Plan(LITTLE, LITTLE_KILLS, restarts=0, settled_limit_s=5, patience_s=0.5, aftermath_s=0),
        broken,
    )
    assert any(line.startswith(("window", "bill")) for line in outcome.wrong), outcome


def burn(folder: Path, plan: Plan, change: Callable[[Checkout], None]) -> Outcome:
    checkout = armed(folder, SEED)
    checkout.set_delivery(backoffDelay="PT0.2S")
    change(checkout)
    lines: list[str] = []
    return run(plan, checkout, folder, lines.append)
