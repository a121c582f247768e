"""40: what was answered with 202 is delivered, whatever ends in between."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import runtime.redis
from runtime.processes import Process
from shared.config import environment
from tests.runtime.broker.rig import CHECKOUT, Reply, RunningBroker, Subscriber, broker_home, until

STREAM = "broker:billing/default:trigger:{}"
EVENTS: dict[str, Any] = {"filters": [{"exact": {"type": "kept"}}]}
AGAIN_IN_AN_HOUR = {"retry": 1, "backoffPolicy": "exponential", "backoffDelay": "PT1H"}
AGAIN_SOON = {"retry": 1000, "backoffPolicy": "linear", "backoffDelay": "PT0.1S"}


@pytest.fixture
def store(durable_redis: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(f"{durable_redis}?db=1") as client:
        client.flushdb()
        yield client


def send_all(broker: RunningBroker, number: int) -> set[str]:
    ids = {str(position) for position in range(number)}
    for name in sorted(ids):
        assert broker.send(type="kept", id=name) == 202
    return ids


def test_40_a_kill_amid_deliveries_loses_nothing(
    own_broker: RunningBroker, subscriber: Subscriber, store: "redis.Redis"
) -> None:
    own_broker.write_trigger("kept", subscriber, **EVENTS)
    own_broker.start()
    ids = send_all(own_broker, 100)
    own_broker.kill()
    left = store.xlen(STREAM.format("kept"))
    own_broker.start()
    until(lambda: own_broker.outstanding("kept") == 0)
    assert set(subscriber.ids()) == ids
    assert len(subscriber.received) <= 100 + left


def test_40_a_retry_that_was_waiting_is_delivered_after_a_restart(
    own_broker: RunningBroker, subscriber: Subscriber, store: "redis.Redis"
) -> None:
    subscriber.replies.append(Reply(503))
    own_broker.write_trigger("kept", subscriber, **EVENTS, delivery=AGAIN_IN_AN_HOUR)
    own_broker.start()
    send_all(own_broker, 1)
    until(lambda: own_broker.counted("retried_attempts", "kept") == 1)
    assert own_broker.stop() == 0
    own_broker.start()
    until(lambda: own_broker.outstanding("kept") == 0)
    assert subscriber.ids() == ["0", "0"]


def test_sigterm_ends_deliveries_in_flight_and_leaves_nothing_half_done(
    own_broker: RunningBroker, subscriber: Subscriber, store: "redis.Redis"
) -> None:
    own_broker.write_trigger("kept", subscriber, **EVENTS)
    own_broker.start()
    ids = send_all(own_broker, 100)
    assert own_broker.stop() == 0
    done = set(subscriber.ids())
    left = store.xlen(STREAM.format("kept"))
    assert len(done) + left == 100
    own_broker.start()
    until(lambda: own_broker.outstanding("kept") == 0)
    assert sorted(subscriber.ids()) == sorted(ids), "nothing twice either"


def test_what_is_delivered_leaves_the_stream(
    own_broker: RunningBroker, subscriber: Subscriber, store: "redis.Redis"
) -> None:
    own_broker.write_trigger("kept", subscriber, **EVENTS)
    own_broker.start()
    for _ in range(20):
        assert own_broker.send(b"x" * 100_000, type="kept") == 202
    until(lambda: own_broker.outstanding("kept") == 0)
    assert int(str(store.memory_usage(STREAM.format("kept")))) < 10_000


def test_a_trigger_that_is_taken_away_and_comes_back_goes_on_where_it_was(
    own_broker: RunningBroker, subscriber: Subscriber, store: "redis.Redis"
) -> None:
    path = own_broker.write_trigger("kept", "nobody", **EVENTS, delivery=AGAIN_IN_AN_HOUR)
    own_broker.start()
    ids = send_all(own_broker, 5)
    path.unlink()
    until(lambda: "kept" not in own_broker.backlog()["by_trigger"])
    own_broker.write_trigger("kept", subscriber, **EVENTS)
    until(lambda: set(subscriber.ids()) == ids)


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[tuple[Process, "runtime.redis.RedisServer"]]:
    server = runtime.redis.prepare(tmp_path / "redis")
    process = Process.start(server.command)
    process.wait_until(server.ready, limit_s=runtime.redis.READY_LIMIT_S)
    yield process, server
    process.stop()


def test_40_without_redis_an_event_is_503_and_what_was_taken_is_delivered_when_it_is_back(
    tmp_path: Path, mortal_redis: tuple[Process, "runtime.redis.RedisServer"], subscriber: Subscriber
) -> None:
    process, server = mortal_redis
    home = tmp_path / "broker"
    home.mkdir()
    with broker_home(home, server.url) as broker:
        broker.write_trigger("kept", "nobody", **EVENTS, delivery=AGAIN_SOON)
        broker.start()
        ids = send_all(broker, 20)
        process.stop()
        assert broker.send(type="kept", id="refused") == 503
        assert broker.request("GET", "/backlog")[0] == 503
        broker.name_services(nobody=subscriber.url)
        again = Process.start(server.command)
        try:
            again.wait_until(server.ready, limit_s=runtime.redis.READY_LIMIT_S)
            until(lambda: ids <= set(subscriber.ids()))
            until(lambda: broker.outstanding("kept") == 0)
            assert broker.send(type="kept", id="more") == 202
            until(lambda: "more" in subscriber.ids())
            assert broker.stop() == 0
        finally:
            again.stop()


def refusal(home: Path, **env: str) -> str:
    """What a broker says that does not start."""
    settings = {"PATH": environment()["PATH"], "STATE_DIR": str(home), "BROKER_PORT": "1"}
    run = subprocess.run(
        (sys.executable, "-m", "runtime.broker"),
        env={**settings, **env},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 2
    return run.stderr


def test_40_it_does_not_start_on_a_redis_that_may_forget(
    tmp_path: Path, mortal_redis: tuple[Process, "runtime.redis.RedisServer"]
) -> None:
    url = mortal_redis[1].url
    with redis.Redis.from_url(url) as client:
        client.config_set("appendfsync", "everysec")
    assert "must be set to appendfsync always" in refusal(tmp_path, REDIS_URL=url)


def test_it_does_not_start_without_redis(tmp_path: Path) -> None:
    assert "Redis: " in refusal(tmp_path, REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert "REDIS_URL: is not set" in refusal(tmp_path)


def test_it_does_not_start_in_a_cluster(tmp_path: Path) -> None:
    assert "KUBERNETES_SERVICE_HOST" in refusal(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1")


def test_it_does_not_start_with_a_bad_trigger(tmp_path: Path, durable_redis: str) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Trigger")
    said = refusal(tmp_path, REDIS_URL=f"{durable_redis}?db=1", TRIGGERS_DIR=str(tmp_path))
    assert "bad.yaml: " in said
    assert "missing required field" in said
