"""Dead letters in a real Redis: kept whole, once, and only where it writes to disk."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from shared.adapters import redis_dead_letters
from shared.adapters.dead_letter_scripts import FAILED_BYTES_MAX, STREAM
from shared.adapters.redis_dead_letters import TIDIED_AT_ONCE, RedisDeadLetters
from shared.domain.dead_letters import REPLAYABLE, DeadLetter, LetterFilter, LetterState
from shared.domain.errors import Conflict, Unavailable

LETTER = DeadLetter(
    attributes={"specversion": "1.0", "id": "é1", "source": "/s", "type": "t", "knativearrivaltime": "a"},
    data=b"\x00\xff\r\n any bytes",
    reason="422 from http://x: é",
    destination="http://x",
    status="422",
    answer="é",
)


@pytest.fixture
def letters(letters_url: str) -> Iterator[RedisDeadLetters]:
    letters = RedisDeadLetters(letters_url)
    yield letters
    letters.close()


def test_a_letter_comes_back_as_it_was(letters: RedisDeadLetters) -> None:
    id = letters.keep(LETTER)
    (kept,) = letters.list(limit=10)
    assert (kept.id, kept.letter) == (id, LETTER)
    assert kept.received_at.tzinfo is UTC
    assert kept.received_at.year > 2000


def test_letters_are_listed_in_order_a_page_at_a_time(letters: RedisDeadLetters) -> None:
    ids = [letters.keep(replace(LETTER, data=str(n).encode())) for n in range(5)]
    assert [kept.id for kept in letters.list(limit=2)] == ids[:2]
    assert [kept.id for kept in letters.list(limit=10, after=ids[1])] == ids[2:]
    assert letters.list(limit=10, after=ids[4]) == []


def test_the_same_letter_again_is_the_one_that_is_there(letters: RedisDeadLetters) -> None:
    id = letters.keep(LETTER)
    again = {**LETTER.attributes, "knativearrivaltime": "b", "knativekafkaoffset": "7"}
    assert letters.keep(replace(LETTER, attributes=again, answer="said otherwise")) == id
    assert len(letters.list(limit=10)) == 1


def test_an_event_that_differs_in_what_it_is_is_another_letter(letters: RedisDeadLetters) -> None:
    others = [
        replace(LETTER, data=b"other content of the same id"),
        replace(LETTER, attributes={**LETTER.attributes, "id": "2"}),
        replace(LETTER, attributes={**LETTER.attributes, "tenantid": "acme"}),
    ]
    assert len({letters.keep(letter) for letter in [LETTER, *others, LETTER]}) == 4


def test_an_event_is_one_letter_wherever_and_whenever_it_fails(letters: RedisDeadLetters) -> None:
    on_the_way = {"time": "2025-10-15T12:00:00Z", "traceparent": "00-1-2-01", "knativearrivaltime": "b"}
    failures = [
        LETTER,
        replace(LETTER, destination="http://y", reason="422 from http://y"),
        replace(LETTER, status="503", reason="503 from http://x"),
        replace(LETTER, attributes={**LETTER.attributes, **on_the_way}),
    ]
    (id,) = {letters.keep(letter) for letter in failures}
    (kept,) = letters.list(limit=10)
    assert (kept.id, kept.entry.failures, kept.entry.reason) == (id, 4, LETTER.reason)
    reasons = [action.note for action in letters.history(id)]
    assert reasons == [letter.reason for letter in failures]


def test_without_a_time_of_arrival_every_failure_counts_and_only_new_ones_are_in_the_history(
    letters: RedisDeadLetters,
) -> None:
    attributes = {name: text for name, text in LETTER.attributes.items() if name != "knativearrivaltime"}
    (id,) = {letters.keep(replace(LETTER, attributes=attributes)) for _ in range(3)}
    (kept,) = letters.list(limit=10)
    assert (kept.entry.failures, len(letters.history(id))) == (3, 1)


def test_a_page_with_few_of_the_letters_wanted_still_leads_on(
    letters: RedisDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_dead_letters, "CHUNK", 2)
    monkeypatch.setattr(redis_dead_letters, "SCANNED_MAX", 4)
    for n in range(9):
        letters.keep(replace(LETTER, data=b"%d" % n, status="503" if n == 8 else "422"))
    sizes: list[int] = []
    after: str | None = None
    while not sizes or after is not None:
        found, after = letters.page(LetterFilter(status="503"), limit=5, after=after)
        sizes.append(len(found))
    assert sizes == [0, 0, 1]


def test_only_one_of_many_who_claim_a_letter_at_once_has_it(letters: RedisDeadLetters) -> None:
    id = letters.keep(LETTER)

    def drop(n: int) -> int:
        try:
            with letters.claimed(id, [LetterState.WAITING]) as claim:
                letters.settle(claim, LetterState.DROPPED, by=f"{n}", note="")
                return 1
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(drop, range(40))) == 1
    assert [action.action for action in letters.history(id)] == ["failed", "dropped"]


def test_the_claim_of_one_who_died_ends_and_gives_no_right_after_that(
    letters: RedisDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = letters.keep(LETTER)
    monkeypatch.setattr(redis_dead_letters, "CLAIM_S", -1.0)
    waiting = [LetterState.WAITING]
    with (
        letters.claimed(id, waiting) as dead,
        letters.claimed(id, waiting),
        pytest.raises(Unavailable, match="is over"),
    ):
        letters.settle(dead, LetterState.DROPPED, by="late", note="")
    (kept,) = letters.list(limit=1)
    assert kept.entry.state is LetterState.WAITING


def test_a_correction_is_a_waiting_letter_linked_both_ways(letters: RedisDeadLetters) -> None:
    id = letters.keep(LETTER)
    with letters.claimed(id, [LetterState.WAITING]) as claim:
        new = letters.correct(claim, replace(LETTER, data=b"right"), by="ann", note="typo")
    old, correction = letters.list(limit=9)
    assert (old.entry.state, old.entry.corrected_by) == (LetterState.CORRECTED, new)
    assert (correction.id, correction.entry.corrects, correction.letter.data) == (new, id, b"right")
    assert correction.entry.state is LetterState.WAITING


def test_failures_of_many_destinations_at_once_beside_replays_are_all_counted(
    letters: RedisDeadLetters,
) -> None:
    def fail(n: int) -> str:
        attributes = {**LETTER.attributes, "knativearrivaltime": f"{n}"}
        return letters.keep(replace(LETTER, attributes=attributes, destination=f"http://{n % 8}"))

    id = fail(0)
    with ThreadPoolExecutor(8) as threads:
        failing = threads.map(fail, range(1, 200))
        for _ in range(20):
            with letters.claimed(id, REPLAYABLE) as claim:
                letters.settle(claim, LetterState.REPLAYED, by="ann", note="")
        assert set(failing) == {id}
    for n in range(200, 208):
        fail(n)
    (kept,) = letters.list(limit=9)
    assert kept.entry.state is LetterState.WAITING
    assert (kept.entry.failures, kept.entry.left_out) == (208, 0)
    assert sorted(failure.count for failure in kept.entry.destinations) == [26] * 8


@pytest.mark.parametrize(
    "text", ["x" * 5_000, "\x00" * 5_000, "\U0001f600" * 5_000], ids=["x", "nul", "emoji"]
)
def test_failures_with_very_long_texts_are_cut_and_one_that_is_transient_is_never_left_out(
    letters: RedisDeadLetters, letters_url: str, text: str
) -> None:
    long = replace(LETTER, reason=text, answer=text)
    id = letters.keep(replace(long, destination=f"http://{text}/aggregator", status="503"))
    for n in range(8):
        letters.keep(replace(long, destination=f"http://{text}/{n}"))
    (kept,) = letters.list(limit=9)
    assert len(kept.entry.destinations) + kept.entry.left_out == 9
    assert kept.entry.is_transient
    newest = kept.entry.destinations[0]
    assert newest.answer == text[: len(newest.answer)]
    assert kept.letter.answer == text
    with redis.Redis.from_url(letters_url) as client:
        assert client.hstrlen(f"{STREAM}:letter:{id}", "failed") <= FAILED_BYTES_MAX


def test_an_event_is_never_taken_for_a_letter_that_is_gone(
    letters: RedisDeadLetters, letters_url: str
) -> None:
    id = letters.keep(LETTER)
    with redis.Redis.from_url(letters_url) as client:
        client.hdel(f"{STREAM}:letter:{id}", "identity")
    with letters.claimed(id, REPLAYABLE) as claim:
        letters.settle(claim, LetterState.DROPPED, by="ann", note="")
    assert letters.tidy(settled_for=timedelta(0), limit=9) == 1
    again = letters.keep(LETTER)
    assert [kept.id for kept in letters.list(limit=9)] == [again] != [id]


def test_of_a_letter_that_is_removed_nothing_stays(letters: RedisDeadLetters, letters_url: str) -> None:
    with redis.Redis.from_url(letters_url) as client:
        for n in range(TIDIED_AT_ONCE + 1):
            id = letters.keep(replace(LETTER, data=b"%d" % n))
            with letters.claimed(id, REPLAYABLE) as claim:
                letters.settle(claim, LetterState.REPLAYED, by="ann", note="")
        assert letters.tidy(settled_for=timedelta(minutes=1), limit=1_000) == 0
        assert letters.tidy(settled_for=timedelta(0), limit=1_000) == TIDIED_AT_ONCE + 1
        assert client.xlen(STREAM) == 0
        assert client.keys("*") == [STREAM.encode()]


def test_copies_that_come_at_once_are_kept_once(letters: RedisDeadLetters) -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: letters.keep(LETTER), range(50)))
    assert len(ids) == len(letters.list(limit=100)) == 1


def test_a_redis_that_never_writes_to_disk_does_not_keep(
    letters: RedisDeadLetters, letters_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_dead_letters, "FSYNC_TIMEOUT_S", 0.2)
    with redis.Redis.from_url(letters_url) as client:
        client.config_set("appendfsync", "no")
    with pytest.raises(Unavailable, match=r"not written a dead letter to disk within 0\.2 s"):
        letters.keep(LETTER)


def test_a_redis_that_is_away_or_full_is_said_so_soon(letters: RedisDeadLetters, letters_url: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="the Redis of the dead letters: "):
        RedisDeadLetters("redis://127.0.0.1:1").keep(LETTER)
    assert time.monotonic() - begun < redis_dead_letters.CONNECT_TIMEOUT_S
    with pytest.raises(Unavailable):
        RedisDeadLetters("redis://127.0.0.1:1").list(limit=1)
    with pytest.raises(Unavailable, match="REDIS_URL is not set"):
        RedisDeadLetters("")
    with redis.Redis.from_url(letters_url) as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(Unavailable, match="maxmemory"):
                letters.keep(LETTER)
        finally:
            client.config_set("maxmemory", "0")
    letters.keep(LETTER)


def test_a_server_that_cannot_be_asked_to_wait_must_always_write_at_once(
    letters: RedisDeadLetters, letters_url: str
) -> None:
    before_7_2 = redis.ResponseError("unknown command 'WAITAOF', with args beginning with: '1' '0'")
    letters._check_on_disk(before_7_2)
    with redis.Redis.from_url(letters_url) as client:
        client.config_set("appendfsync", "everysec")
    with pytest.raises(Unavailable, match=r"before 7\.2"):
        letters._check_on_disk(before_7_2)


def test_its_clock_is_the_servers(letters: RedisDeadLetters, letters_url: str) -> None:
    letters.keep(LETTER)
    with redis.Redis.from_url(letters_url) as client:
        seconds, _ = client.time()
    (kept,) = letters.list(limit=1)
    assert abs(kept.received_at - datetime.fromtimestamp(seconds, UTC)).total_seconds() < 10
