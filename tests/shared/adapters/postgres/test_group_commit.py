"""Items of many threads in one commit, each with its own result or its own error."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from shared.adapters.postgres.group_commit import GroupCommit
from shared.domain.errors import Unavailable
from tests.shared.service.pipeline import until

LIMIT_S = 10


class Store:
    """Writes what it is given, a group at a time, each as soon as it is let."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.let = Event()
        self.let.set()

    def write(self, items: Sequence[str]) -> Sequence[str]:
        assert self.let.wait(LIMIT_S)
        self.groups.append(list(items))
        if "gone" in items:
            raise Unavailable("the connection is lost")
        if "bad" in items:
            raise ValueError("bad")
        if "cut" in items:
            raise KeyboardInterrupt
        return [item.upper() for item in items]


def waiting_behind_one(
    store: Store, group: GroupCommit[str, str], pool: ThreadPoolExecutor, *items: str
) -> list[Future[str]]:
    """Submits the items while a commit is under way, so that they wait together."""
    store.let.clear()
    first = pool.submit(group.submit, "first", "first")
    until(lambda: group.is_writing)
    futures = []
    for n, item in enumerate(items):
        futures.append(pool.submit(group.submit, item, item))
        until(lambda n=n: group.waiting == n + 1)  # type: ignore[misc]
    store.let.set()
    assert first.result(LIMIT_S) == "FIRST"
    return futures


def test_what_waits_together_is_committed_together_and_each_gets_its_own_result() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=64)
    with ThreadPoolExecutor(16) as pool:
        futures = waiting_behind_one(store, group, pool, "a", "b", "c")
        assert [future.result(LIMIT_S) for future in futures] == ["A", "B", "C"]
    assert store.groups == [["first"], ["a", "b", "c"]]


def test_nobody_alone_waits_for_anybody() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=64)
    assert [group.submit(item, item) for item in "abc"] == ["A", "B", "C"]
    assert store.groups == [["a"], ["b"], ["c"]]


def test_a_group_has_its_limit_and_the_rest_comes_next() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=2)
    with ThreadPoolExecutor(16) as pool:
        futures = waiting_behind_one(store, group, pool, *"abcde")
        assert [future.result(LIMIT_S) for future in futures] == list("ABCDE")
    assert store.groups == [["first"], ["a", "b"], ["c", "d"], ["e"]]


def test_copies_of_one_item_are_never_in_the_same_commit() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=64)
    with ThreadPoolExecutor(16) as pool:
        futures = waiting_behind_one(store, group, pool, *"abaab")
        assert [future.result(LIMIT_S) for future in futures] == list("ABAAB")
    assert store.groups == [["first"], ["a", "b"], ["a", "b"], ["a"]]


def test_one_bad_item_fails_alone() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=64)
    with ThreadPoolExecutor(16) as pool:
        a, bad, b = waiting_behind_one(store, group, pool, "a", "bad", "b")
        assert (a.result(LIMIT_S), b.result(LIMIT_S)) == ("A", "B")
        with pytest.raises(ValueError, match="bad"):
            bad.result(LIMIT_S)
    assert store.groups == [["first"], ["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert group.submit("c", "c") == "C"


def test_when_the_database_is_away_all_of_the_group_learn_it_and_none_is_tried_alone() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=64)
    with ThreadPoolExecutor(16) as pool:
        futures = waiting_behind_one(store, group, pool, "a", "gone", "b")
        for future in futures:
            with pytest.raises(Unavailable):
                future.result(LIMIT_S)
    assert store.groups == [["first"], ["a", "gone", "b"]]
    assert group.submit("c", "c") == "C"


def test_a_leader_that_is_cut_short_leaves_nobody_waiting() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=2)
    with ThreadPoolExecutor(16) as pool:
        cut, a, b = waiting_behind_one(store, group, pool, "cut", "a", "b")
        with pytest.raises(KeyboardInterrupt):
            cut.result(LIMIT_S)
        with pytest.raises(Unavailable, match="cut short"):
            a.result(LIMIT_S)
        assert b.result(LIMIT_S) == "B"


def test_two_thousand_items_of_sixteen_threads_all_get_theirs() -> None:
    store = Store()
    group = GroupCommit(store.write, group_max=8)
    items = [f"i{n}" for n in range(2_000)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda item: group.submit(item, item), items)) == [i.upper() for i in items]
    assert sorted(item for one in store.groups for item in one) == sorted(items)
    assert all(len(one) <= 8 for one in store.groups)
