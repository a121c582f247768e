"""The house: what a name imports, and what stands at the root."""

from importlib import import_module
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["functions", "eventing", "shared", "runtime", "faas_billing_emitter"])
def test_our_names_resolve_inside_the_repository(name: str) -> None:
    """Other people's packages of some of these names are on PyPI."""
    assert CHECKOUT in Path(import_module(name).__path__[0]).resolve().parents


def test_the_function_at_the_root_is_the_api() -> None:
    assert (CHECKOUT / "func.yaml").resolve() == CHECKOUT / "functions" / "billing_api" / "func.yaml"


def test_there_is_no_room_for_odds_and_ends() -> None:
    names = {
        path.stem
        for folder in ("functions", "eventing", "shared", "runtime", "emitter")
        for path in (CHECKOUT / folder).rglob("*.py")
    }
    assert names.isdisjoint({"utils", "util", "helpers", "common_utils", "misc"})


def test_requirement_files_are_hashed_and_name_no_registry() -> None:
    for path in (CHECKOUT / "requirements").glob("*.txt"):
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert any("--hash=sha256:" in line for line in lines)
        assert not any("://" in line for line in lines)
