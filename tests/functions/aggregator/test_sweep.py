"""The sweep of the aggregator as a real process, over real PostgreSQL and Redis: one tick, and all that was
left behind is folded, sent and drained by the time it is answered."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from eventing import types
from functions.aggregator import handler
from shared.adapters.redis_dead_letters import RedisDeadLetters
from tests.emitter.receiver import Receiver
from tests.functions.aggregator.test_process import RECORD, acme, counts, send, sink
from tests.functions.serving import CHECKOUT, Served, serving
from tests.redis_on_disk import letters_url
from tests.shared.service.letter_fakes import letter

__all__ = ["acme", "letters_url", "sink"]

TICK = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": types.SOURCE_SWEEP,
    "ce-type": types.PING,
}


@pytest.fixture
def letters(letters_url: str) -> Iterator[RedisDeadLetters]:
    letters = RedisDeadLetters(letters_url)
    yield letters
    letters.close()


def sweep(served: Served, **attributes: str) -> int:
    headers = TICK | {f"ce-{name}": text for name, text in attributes.items()}
    answer = served.request("POST", "/", headers)
    assert len(answer.body) <= 512
    return answer.status


def leave_a_delta(acme: str, folder: Path, sink: Receiver) -> None:
    """Usage that a process accepted, which was killed before it could fold it."""
    folder.mkdir()
    with psycopg.connect(acme) as holder:
        holder.execute("SELECT FROM fold_shard FOR UPDATE")
        with serving(folder, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as killed:
            send(killed, "1")
            os.killpg(killed.process.pid, signal.SIGKILL)
            killed.process.wait()


def states(letters: RedisDeadLetters) -> dict[str, str]:
    return {kept.entry.event_id: kept.entry.state.value for kept in letters.list(limit=9)}


def test_a_tick_folds_sends_and_drains_what_was_left_behind(
    acme: str, letters_url: str, letters: RedisDeadLetters, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, REDIS_URL=letters_url, K_SINK=sink.url) as served:
        leave_a_delta(acme, tmp_path / "killed", sink)
        for id, status in (("a", "503"), ("b", ""), ("c", "422")):
            letters.keep(letter(id, RECORD, status=status))
        assert counts(acme) == (1, 0, 0)
        assert sink.received == []

        assert sweep(served) == 204

        assert counts(acme) == (0, 1, 0)
        announced, *replayed = sink.received
        assert announced.headers["ce-type"] == types.USAGE_AGGREGATED
        assert [one.id for one in replayed] == ["a", "b"]
        assert states(letters) == {"a": "replayed", "b": "replayed", "c": "waiting"}

        assert sweep(served, id="2") == 204
        assert len(sink.received) == 3


def test_a_change_that_waits_for_its_announcement_is_announced_by_a_tick(
    acme: str, letters_url: str, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, REDIS_URL=letters_url, K_SINK=sink.url) as served:
        send(served, "1")
        sink.wait_for(1)
        send(served, "2")
        assert sweep(served) == 204
        assert [int(one.headers["ce-sequence"]) for one in sink.received] == [1, 2]


@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:1"])
def test_without_redis_the_rest_is_done_and_the_tick_is_to_be_repeated(
    acme: str, sink: Receiver, tmp_path: Path, redis_url: str
) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, REDIS_URL=redis_url, K_SINK=sink.url) as served:
        leave_a_delta(acme, tmp_path / "killed", sink)
        assert sweep(served) == 503
        assert counts(acme) == (0, 1, 0)
        assert len(sink.received) == 1
    assert "drain the dead letters: " in served.log.read_text()


def test_a_sink_that_is_away_has_the_tick_repeated_and_nothing_is_lost(
    acme: str, letters_url: str, letters: RedisDeadLetters, sink: Receiver, tmp_path: Path
) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, REDIS_URL=letters_url, K_SINK=sink.url) as served:
        leave_a_delta(acme, tmp_path / "killed", sink)
        letters.keep(letter("a", RECORD, status="503"))
        sink.then = 503
        assert sweep(served) == 503
        assert counts(acme) == (0, 1, 1)
        assert states(letters) == {"a": "waiting"}
        sink.then = 202
        assert sweep(served, id="2") == 204
        assert counts(acme) == (0, 1, 0)
        assert [one.headers["ce-type"] for one in sink.delivered] == [
            types.USAGE_AGGREGATED,
            types.USAGE_RECORDED,
        ]


def test_without_a_database_a_tick_is_to_be_repeated_and_letters_wait(
    letters_url: str, letters: RedisDeadLetters, sink: Receiver, tmp_path: Path
) -> None:
    letters.keep(letter("a", RECORD, status="503"))
    with serving(tmp_path, "aggregator", REDIS_URL=letters_url, K_SINK=sink.url) as served:
        assert sweep(served) == 503
    assert states(letters) == {"a": "waiting"}
    assert sink.received == []


def test_other_ticks_and_types_are_refused_for_good(tmp_path: Path) -> None:
    with serving(tmp_path, "aggregator") as served:
        assert sweep(served, source="/apis/v1/namespaces/billing/pingsources/other") == 422
        assert sweep(served, type=types.USAGE_AGGREGATED) == 422
        assert sweep(served, type=types.USAGE_RECORDED) == 422


def test_redis_is_imported_by_a_sweep_alone() -> None:
    code = (
        "import sys; from functions.main import application; application();"
        "print(*(name for name in ('redis', 'shared.service.triage') if name in sys.modules))"
    )
    env = {"PATH": "/usr/bin:/bin", "FUNCTION_TARGET": "aggregator", "REDIS_URL": "redis://127.0.0.1:1"}
    ended = subprocess.run(
        (sys.executable, "-c", code),
        cwd=CHECKOUT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.split() == []


def test_the_function_is_told_where_redis_is() -> None:
    document = yaml.safe_load(Path(handler.__file__).with_name("func.yaml").read_text())
    environment = {entry["name"]: entry["value"] for entry in document["run"]["envs"]}
    assert environment["FUNCTION_TARGET"] == "aggregator"
    assert environment["DATABASE_URL"] == "{{ secret:billing-database:url }}"
    assert environment["REDIS_URL"] == "{{ secret:billing-redis:url }}"
