import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from runtime.processes import Process
from runtime.redis import READY_LIMIT_S, RedisServer, installed_program, prepare


@contextmanager
def running(server: RedisServer) -> Iterator[Process]:
    process = Process.start(server.command)
    try:
        process.wait_until(server.ready, limit_s=READY_LIMIT_S)
        yield process
    finally:
        process.stop()


def test_it_confirms_only_what_is_on_disk(tmp_path: Path) -> None:
    server = prepare(tmp_path)
    with running(server), redis.Redis.from_url(server.url, decode_responses=True) as client:
        found = client.config_get("append*")
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")


def test_what_was_written_survives_kill_9_of_the_server(tmp_path: Path) -> None:
    server = prepare(tmp_path)
    with running(server) as process:
        with redis.Redis.from_url(server.url) as client:
            client.xadd("events", {"id": "1"})
        process.send(signal.SIGKILL)
        process.wait()
    with running(prepare(tmp_path)), redis.Redis.from_url(server.url) as client:
        assert client.xlen("events") == 1


def test_it_listens_on_no_port(tmp_path: Path) -> None:
    server = prepare(tmp_path)
    assert server.url.startswith("unix://")
    with running(server), redis.Redis.from_url(server.url, decode_responses=True) as client:
        assert client.config_get("port")["port"] == "0"


def test_what_to_do_without_any_server_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.redis._candidates", lambda: iter(()))
    with pytest.raises(FileNotFoundError, match="apt install redis-server, or set REDIS_URL"):
        installed_program()
