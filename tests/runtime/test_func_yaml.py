from pathlib import Path

import pytest

from runtime.func_yaml import FunctionSpec, Scale, read_functions
from runtime.settings import CHECKOUT
from shared.domain.errors import Rejected

GOOD = """\
specVersion: 0.36.0
name: billing-aggregator
runtime: python
namespace: billing
created: "2026-01-01T00:00:00Z"
invoke: cloudevent
build: {builder: pack}
run:
  envs:
  - {name: FUNCTION_TARGET, value: aggregator}
  - {name: THREADS, value: "8"}
  - {name: DATABASE_URL, value: '{{ secret:billing-database:url }}'}
deploy:
  labels: [{key: faasbilling.dev/publishes, value: "true"}]
  healthEndpoints: {liveness: /health/liveness, readiness: /ready}
  options:
    scale: {min: 0, max: 20, metric: concurrency, target: 8, utilization: 80}
    resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: "1", memory: 256Mi, concurrency: 16}}
"""


def function(folder: Path, name: str, text: str) -> Path:
    path = folder / "functions" / name / "func.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(Rejected) as refused:
        read_functions(folder / "functions")
    return str(refused.value)


def test_a_func_yaml_is_read_as_it_is_deployed(tmp_path: Path) -> None:
    function(tmp_path, "aggregator", GOOD)
    assert read_functions(tmp_path / "functions") == (
        FunctionSpec(
            name="billing-aggregator",
            envs={
                "FUNCTION_TARGET": "aggregator",
                "THREADS": "8",
                "DATABASE_URL": "{{ secret:billing-database:url }}",
            },
            labels={"faasbilling.dev/publishes": "true"},
            readiness="/ready",
            scale=Scale(min=0, max=20, concurrency=16),
        ),
    )


def test_what_a_func_yaml_does_not_limit_has_no_limit(tmp_path: Path) -> None:
    unlimited = GOOD.replace("max: 20", "max: 0").replace(", concurrency: 16", "")
    function(tmp_path, "aggregator", unlimited)
    function(tmp_path, "pricing", GOOD[: GOOD.index("deploy:")].replace("aggregator", "pricing"))
    assert [spec.scale for spec in read_functions(tmp_path / "functions")] == [Scale()] * 2


def test_the_functions_of_this_checkout_are_without_fault() -> None:
    assert isinstance(read_functions(CHECKOUT / "functions"), tuple)


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("runtime: python", "runtme: python", "runtme: is not a key that func.yaml has"),
        ("  envs:", "  environment:", "run.environment: is not a key that func.yaml has"),
        ("max: 20", "maximum: 20", "deploy.options.scale.maximum: is not a key"),
        ("max: 20", "max: '20'", "deploy.options.scale.max: must be a number"),
        ("max: 20", "max: true", "deploy.options.scale.max: must be a number"),
        ('value: "8"', "value: 8", "run.envs[1].value: must be text (put it in quotes)"),
        ("min: 0", "min: -1", "deploy.options.scale.min: must not be negative, and is -1"),
        ("max: 20", "max: -20", "deploy.options.scale.max: must not be negative, and is -20"),
        ("min: 0, max: 20", "min: 3, max: 2", "deploy.options.scale.max: is 2, and min is 3"),
        ("concurrency: 16", "concurrency: -1", "limits.concurrency: must be from 0 to 1000, and is -1"),
        ("concurrency: 16", "concurrency: 1001", "limits.concurrency: must be from 0 to 1000, and is 1001"),
        ('"2026-01-01T00:00:00Z"', "2026-01-01T00:00:00Z", "created: must be text (put it in quotes)"),
        ("specVersion: 0.36.0", "", "specVersion: is missing"),
        ("name: billing-aggregator", "name: Billing_Aggregator", "name: must be lower-case letters"),
        ("build: {builder: pack}", "build: pack", "build: must be a mapping"),
        ('labels: [{key: faasbilling.dev/publishes, value: "true"}]', "labels: {}", "labels: must be a list"),
        ("key: faasbilling.dev/publishes, ", "", "deploy.labels: a label has no key"),
        ("labels: [", "labels: [{key: faasbilling.dev/publishes}, ", "publishes is given twice"),
        ("name: THREADS", "name: FUNCTION_TARGET", "run.envs[0].name: FUNCTION_TARGET is given twice"),
        ("name: THREADS", "name: K_SINK", "run.envs[1].name: K_SINK is set by Knative"),
        ("name: THREADS", "name: TWO-WORDS", "run.envs[1].name: must be letters"),
        ("name: THREADS, value: \"8\"", "name: THREADS", "run.envs[1].value: is missing"),
        ("name: THREADS, ", "", "run.envs[1].name: is missing"),
        ("{{ secret:billing-database:url }}", "{{ env:HOME }}", "run.envs[2].value: must be {{ secret"),
        ("{{ secret:billing-database:url }}", "{{ secret:billing-database }}", "value: must be {{ secret:"),
        ("runtime: python", "name: other", "name given twice"),
        ("specVersion: 0.36.0", "[", "func.yaml"),
        (GOOD, "", "must hold one mapping"),
        (GOOD, "- a", "must hold one mapping"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_with_its_place(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    assert was in GOOD
    function(tmp_path, "aggregator", GOOD.replace(was, becomes))
    message = refusal(tmp_path)
    assert told in message
    assert "functions/aggregator/func.yaml" in message


def test_every_fault_of_every_file_is_named_at_once(tmp_path: Path) -> None:
    function(tmp_path, "aggregator", GOOD.replace("runtime:", "runtme:").replace("max: 20", "max: many"))
    function(tmp_path, "pricing", "name: billing-pricing\n")
    message = refusal(tmp_path)
    for told in (
        "runtme",
        "deploy.options.scale.max",
        "pricing/func.yaml specVersion",
        "pricing/func.yaml created",
    ):
        assert told in message


def test_two_functions_of_one_name_are_refused(tmp_path: Path) -> None:
    function(tmp_path, "aggregator", GOOD)
    function(tmp_path, "copy", GOOD)
    assert "copy/func.yaml name: billing-aggregator is the name of another function too" in refusal(tmp_path)
