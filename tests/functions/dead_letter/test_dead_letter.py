"""dead_letter as a process: what a broker hands over is in Redis, on disk, before it is answered."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from eventing import types
from shared.adapters.redis_dead_letters import RedisDeadLetters
from tests.functions.serving import Served, serving

EVENT = {"ce-specversion": "1.0", "ce-source": "/s", "ce-type": "t", "ce-knativeerrorcode": "413"}


@pytest.fixture
def function(tmp_path: Path, letters_url: str) -> Iterator[Served]:
    with serving(tmp_path, "dead_letter", REDIS_URL=letters_url) as served:
        yield served


@pytest.fixture
def letters(letters_url: str) -> Iterator[RedisDeadLetters]:
    letters = RedisDeadLetters(letters_url)
    yield letters
    letters.close()


def test_any_event_is_kept_and_answered_with_an_empty_204(
    function: Served, letters: RedisDeadLetters
) -> None:
    large = random.Random(1).randbytes(5_000_000)
    bodies = {"small": b'{"n": 1.50}', "large": large, "empty": b"", "garbage": b"\x00\xff{{{"}
    for id, body in bodies.items():
        answer = function.request("POST", "/", {**EVENT, "ce-id": id}, body)
        assert (answer.status, answer.body) == (204, b"")
        assert "content-type" not in answer.headers
    assert function.request("POST", "/", {}, b"no event at all").status == 204
    kept = letters.list(limit=10)
    assert {one.letter.attributes["id"]: one.letter.data for one in kept[:4]} == bodies
    assert kept[4].letter.data == b"no event at all"
    assert {one.letter.status for one in kept} == {"413", ""}


@pytest.mark.parametrize("type", [types.PING, types.USAGE_AGGREGATED])
def test_what_the_next_sweep_makes_good_is_no_letter_and_needs_no_redis(tmp_path: Path, type: str) -> None:
    with serving(tmp_path, "dead_letter") as served:
        headers = {**EVENT, "ce-id": "1", "ce-type": type, "ce-knativeerrordest": "http://pricing"}
        answer = served.request("POST", "/", headers, b"{}")
        assert (answer.status, answer.body) == (204, b"")
        assert served.request("POST", "/", {**headers, "ce-type": types.USAGE_RECORDED}, b"{}").status == 503
    (line,) = (line for line in served.log.read_text().splitlines() if "not kept" in line)
    assert "INFO" in line
    assert f"not kept, the next sweep makes it good: {type}: 413 from http://pricing" in line


def test_a_letter_that_comes_again_is_kept_once(function: Served, letters: RedisDeadLetters) -> None:
    for arrival in ("2025-10-15T12:00:00Z", "2025-10-15T12:00:09Z"):
        headers = {**EVENT, "ce-id": "1", "ce-knativearrivaltime": arrival}
        assert function.request("POST", "/", headers, b"{}").status == 204
    assert function.request("POST", "/", {**EVENT, "ce-id": "1"}, b"other content").status == 204
    assert [one.letter.data for one in letters.list(limit=10)] == [b"{}", b"other content"]


def test_a_header_that_is_not_ascii_does_not_lose_the_letter(
    function: Served, letters: RedisDeadLetters
) -> None:
    plain = {name: value.encode() for name, value in EVENT.items()}
    headers = {**plain, "ce-id": "é".encode(), "ce-subject": b"\xff"}
    assert function.request("POST", "/", headers, b"data").status == 204
    assert letters.list(limit=10)[0].letter.data == b"data"


def test_what_was_answered_survives_the_death_of_the_function(
    function: Served, letters: RedisDeadLetters
) -> None:
    assert function.request("POST", "/", {**EVENT, "ce-id": "1"}, b"{}").status == 204
    os.killpg(function.process.pid, signal.SIGKILL)
    assert len(letters.list(limit=10)) == 1


def test_a_redis_that_does_not_write_to_disk_is_not_trusted(tmp_path: Path, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("append*")
        client.config_set("appendonly", "no")
        try:
            with serving(tmp_path, "dead_letter", REDIS_URL=redis_url) as served:
                assert served.request("POST", "/", {**EVENT, "ce-id": "1"}, b"{}").status == 503
                assert "appendonly is disabled" in served.log.read_text()
        finally:
            client.config_set("appendonly", before["appendonly"])


def test_without_a_redis_url_the_log_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, "dead_letter") as served:
        assert served.request("POST", "/", {**EVENT, "ce-id": "1"}, b"{}").status == 503
    assert "REDIS_URL is not set" in served.log.read_text()
