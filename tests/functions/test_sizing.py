"""What the functions are given fits what they take, all of them together."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.func_yaml import FunctionSpec, read_functions
from shared.service.sweep import SWEEP_LIMIT_S

CHECKOUT = Path(__file__).parents[2]
FUNCTIONS = {function.name: function for function in read_functions(CHECKOUT / "functions")}
CONNECTIONS = 100 - 3
"""Of PostgreSQL as it comes: max_connections without superuser_reserved_connections."""
MIGRATION_AND_PEOPLE = 5
WORKER_MB, SERVER_MB = 110, 40
"""At the most resident that `make bench` saw of a worker, and of the server around the workers."""

each = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def number(function: FunctionSpec, name: str) -> int:
    return int(function.envs[name])


def connections(function: FunctionSpec) -> int:
    """The most that all its instances open."""
    if "DATABASE_URL" not in function.envs:
        return 0
    return function.scale.max * number(function, "WORKERS") * number(function, "DATABASE_CONNECTIONS")


def resources(function: FunctionSpec) -> Any:
    folder = CHECKOUT / "functions" / function.envs["FUNCTION_TARGET"]
    return yaml.safe_load((folder / "func.yaml").read_text())["deploy"]["options"]["resources"]


def test_all_instances_together_fit_into_the_connections_of_a_plain_postgresql() -> None:
    needed = {name: connections(function) for name, function in FUNCTIONS.items()}
    assert needed["billing-dead-letter"] == 0
    assert sum(needed.values()) + MIGRATION_AND_PEOPLE <= CONNECTIONS, needed


@each
def test_every_function_has_a_limit_of_instances(function: FunctionSpec) -> None:
    assert function.scale.max > 0


@each
def test_as_many_requests_come_at_once_as_there_are_threads(function: FunctionSpec) -> None:
    assert function.scale.concurrency == number(function, "WORKERS") * number(function, "THREADS")


@each
def test_the_memory_is_enough_for_its_workers(function: FunctionSpec) -> None:
    limit = re.fullmatch(r"(\d+)(Mi|Gi)", resources(function)["limits"]["memory"])
    assert limit is not None
    megabytes = int(limit[1]) * (1024 if limit[2] == "Gi" else 1)
    assert megabytes >= SERVER_MB + number(function, "WORKERS") * WORKER_MB


@each
def test_there_is_a_core_for_each_worker(function: FunctionSpec) -> None:
    assert int(resources(function)["limits"]["cpu"]) >= number(function, "WORKERS")


def test_the_broker_waits_longer_than_a_sweep_takes() -> None:
    broker = (CHECKOUT / "eventing" / "manifests" / "base" / "broker.yaml").read_text()
    waits = re.search(r"timeout: PT(\d+)S", broker)
    assert waits is not None
    assert int(waits[1]) > SWEEP_LIMIT_S
