"""func.yaml of dead_letter says what the function is."""

from pathlib import Path

import yaml

FUNC_YAML = Path(__file__).parents[3] / "functions" / "dead_letter" / "func.yaml"


def test_it_is_deployed_under_its_own_name() -> None:
    func = yaml.safe_load(FUNC_YAML.read_text())
    env = {entry["name"]: entry["value"] for entry in func["run"]["envs"]}
    assert func["name"] == f"billing-{env['FUNCTION_TARGET'].replace('_', '-')}"
    assert FUNC_YAML.parent.name == env["FUNCTION_TARGET"]


def test_it_needs_redis_and_nothing_else() -> None:
    func = yaml.safe_load(FUNC_YAML.read_text())
    assert [entry["name"] for entry in func["run"]["envs"] if "{{" in entry["value"]] == ["REDIS_URL"]
