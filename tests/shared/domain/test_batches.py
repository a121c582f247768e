from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.batches import Hole, Progress, received, source_key

T = datetime(2025, 10, 15, tzinfo=UTC)


def came(progress: Progress, *numbers: int, at: datetime = T) -> Progress:
    return received(progress, dict.fromkeys(numbers, at))


def test_numbers_in_order_leave_no_hole() -> None:
    assert came(came(Progress(), 1, 2), 3) == Progress(3)


def test_a_hole_shows_when_a_later_batch_comes_and_since_then() -> None:
    assert came(Progress(2), 7, at=T + timedelta(hours=1)) == Progress(
        7, (Hole(3, 6, T + timedelta(hours=1)),)
    )
    assert came(Progress(), 3).holes == (Hole(1, 2, T),)


def test_a_hole_is_split_and_closed_by_what_comes_and_keeps_its_age() -> None:
    open = Progress(10, (Hole(2, 6, T), Hole(8, 9, T)))
    later = T + timedelta(days=1)
    split = came(open, 4, 12, at=later)
    assert split == Progress(12, (Hole(2, 3, T), Hole(5, 6, T), Hole(8, 9, T), Hole(11, 11, later)))
    assert came(split, 2, 3, 5, 6, 8, 9, 11) == Progress(12)


def test_a_number_again_changes_nothing() -> None:
    progress = Progress(5, (Hole(2, 3, T),))
    assert came(progress, 1, 4, 5) == progress


def test_any_order_leaves_the_same() -> None:
    for order in permutations((1, 2, 5, 6, 9)):
        progress = Progress()
        for number in order:
            progress = came(progress, number)
        assert progress == Progress(9, (Hole(3, 4, T), Hole(7, 8, T)))


@given(st.lists(st.sets(st.integers(1, 40), min_size=1), max_size=8))
def test_the_holes_are_what_has_not_come(folds: list[set[int]]) -> None:
    progress, seen = Progress(), set[int]()
    for numbers in folds:
        progress = came(progress, *numbers)
        seen |= numbers
        missing = {n for hole in progress.holes for n in range(hole.first, hole.last + 1)}
        assert progress.highest == max(seen)
        assert missing == set(range(1, progress.highest + 1)) - seen
        assert progress.missing == len(missing)
        assert list(progress.holes) == sorted(progress.holes)


def test_huge_numbers_take_no_room() -> None:
    assert came(Progress(), 2**63 - 1).missing == 2**63 - 2


def test_sources_have_keys_of_their_own() -> None:
    assert source_key("a") == source_key("a") != source_key("b")
