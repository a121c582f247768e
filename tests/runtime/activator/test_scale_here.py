"""How many instances of a function this machine takes."""

import os

import pytest

from runtime.activator.__main__ import scale_here
from runtime.func_yaml import FunctionSpec, Scale

CORES = max(2, os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("scale", "workers", "most"),
    [
        (Scale(max=1), "1", 1),
        (Scale(max=1_000), "1", CORES),
        (Scale(max=0), "1", CORES),
        (Scale(max=1_000), "2", CORES // 2),
        (Scale(max=1_000), "100000", 1),
        (Scale(min=CORES + 1, max=1_000), "1", CORES + 1),
    ],
)
def test_no_more_instances_run_than_there_are_cores_for_their_workers(
    scale: Scale, workers: str, most: int
) -> None:
    spec = FunctionSpec("f", {"WORKERS": workers}, {}, "/", scale)
    assert scale_here(spec).max == most


def test_a_function_that_says_nothing_of_workers_has_one() -> None:
    assert scale_here(FunctionSpec("f", {}, {}, "/", Scale(max=1_000))).max == CORES
