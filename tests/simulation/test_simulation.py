"""A small form of `make simulate`; and the proof that it would notice a single record."""

import ast
import sys
from pathlib import Path

import pytest

from shared.adapters.postgres.pool import Database
from tests.simulation.simulation import Outcome, simulate
from tests.simulation.world import world_of

RECOMPUTE = "tests.simulation.recompute"
LITTLE = 2_000


def simulated(database_url: str, *, records: int, seed: int, forget: int | None = None) -> Outcome:
    database = Database(database_url)
    try:
        return simulate(database, records=records, seed=seed, say=lambda _: None, forget=forget)
    finally:
        database.close()


@pytest.mark.parametrize("seed", [0, 1])
def test_random_usage_is_rated_as_a_recomputation_says(database_url: str, seed: int) -> None:
    outcome = simulated(database_url, records=10_000, seed=seed)
    assert not outcome.wrong, "\n".join(outcome.wrong[:20])
    happened = ("voids", "sent again", "over HTTP", "lines compared", "of them of bands")
    assert all(outcome.table[name] for name in happened), outcome


def test_it_is_noticed_when_one_record_is_forgotten(database_url: str) -> None:
    outcome = simulated(database_url, records=LITTLE, seed=0, forget=_one_that_counts(0))
    assert any("quantity" in line for line in outcome.wrong), outcome


def _one_that_counts(seed: int) -> int:
    """A delivery that is never void."""
    world = world_of(seed, LITTLE)
    void = {event.number for event in world.events if event.what == "void"}
    return next(one.number for one in world.deliveries if one.number not in void and one.size > 1)


def test_the_recomputation_imports_the_standard_library_and_itself_alone() -> None:
    files = sorted((Path(__file__).parent / "recompute").glob("*.py"))
    imported = {name for file in files for name in _imports(ast.parse(file.read_text()))}
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert len(files) > 4
    assert all(name.startswith(f"{RECOMPUTE}.") for name in foreign), foreign


def _imports(module: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or ".")
    return found
