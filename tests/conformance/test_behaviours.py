"""The suite itself: nothing of the list is forgotten."""

from pathlib import Path

import pytest

from tests.conformance.behaviours import LEFT_OUT, NAMES, numbers_of


def test_every_behaviour_is_tested_or_left_out_with_a_reason() -> None:
    lines = [
        line for file in Path(__file__).parent.glob("test_*.py") for line in file.read_text().splitlines()
    ]
    tested = {n for line in lines if line.startswith("def ") for n in numbers_of(line.removeprefix("def "))}
    assert set(NAMES) == set(range(1, 41))
    assert tested.isdisjoint(LEFT_OUT)
    assert tested | LEFT_OUT.keys() == set(NAMES)


@pytest.mark.parametrize(
    ("test", "numbers"),
    [
        ("test_21_what", [21]),
        ("test_30_and_12_a", [30, 12]),
        ("test_7_to_9_what", [7, 8, 9]),
        ("test_3_and_7_to_9_what", [3, 7, 8, 9]),
        ("test_every", []),
    ],
)
def test_numbers_are_read_from_names(test: str, numbers: list[int]) -> None:
    assert list(numbers_of(test)) == numbers
