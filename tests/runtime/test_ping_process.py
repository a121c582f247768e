"""The PingSources' program as a process of its own, and a sink that is a real HTTP server."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from eventing.event import instant
from runtime.processes import Command, Process
from runtime.settings import CHECKOUT
from shared.config import environment
from tests.emitter.receiver import HANG, Receiver, receiving

SECOND = timedelta(seconds=1)


def manifest(folder: Path, sink: str, schedule: str = "*/1 * * * * *", more: str = "") -> None:
    (folder / "pings.yaml").write_text(
        "apiVersion: sources.knative.dev/v1\nkind: PingSource\nmetadata: {name: fast, namespace: billing}\n"
        f"spec: {{schedule: '{schedule}', sink: {sink}{more}}}\n"
    )


def _until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(**env: str) -> Process:
        settings = {"PING_MANIFESTS": str(tmp_path), "STATE_DIR": str(tmp_path), **env}
        command = Command(
            "the ping source",
            (sys.executable, "-m", "runtime.ping_source"),
            tmp_path / "ping.log",
            {"PATH": environment()["PATH"], **settings},
            CHECKOUT,
        )
        started.append(Process.start(command))
        return started[-1]

    yield start
    for process in started:
        process.stop()


def test_the_program_posts_a_binary_event_at_each_tick(
    start: Callable[..., Process], sink: Receiver, tmp_path: Path
) -> None:
    broker = "{ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}"
    manifest(tmp_path, broker, more=", contentType: text/plain, data: hey, ceOverrides: {extensions: {x: y}}")
    process = start(BROKER_PORT=str(sink.port))
    events = sink.wait_for(3)
    for one in events:
        assert one.headers[":path"] == "/billing/default"
        assert one.headers["ce-specversion"] == "1.0"
        assert one.headers["ce-type"] == "dev.knative.sources.ping"
        assert one.headers["ce-source"] == "/apis/v1/namespaces/billing/pingsources/fast"
        assert (one.headers["ce-x"], one.headers["content-type"], one.data) == ("y", "text/plain", b"hey")
    times = [time for one in events if (time := instant(one.headers["ce-time"]))]
    assert all(SECOND / 2 < later - time < 2 * SECOND for time, later in pairwise(times))
    assert len({one.id for one in events}) == len(events)
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def test_the_program_finds_a_service_that_comes_later(
    start: Callable[..., Process], sink: Receiver, tmp_path: Path
) -> None:
    manifest(tmp_path, "{ref: {kind: Service, name: waiter}}")
    start()
    log = tmp_path / "ping.log"
    _until(lambda: "is lost: no Service waiter listens here" in log.read_text())
    (tmp_path / "services.json").write_text(f'{{"waiter": "http://127.0.0.1:{sink.port}"}}')
    (event, *_) = sink.wait_for(1)
    assert "content-type" not in event.headers
    assert event.data == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_ends_at_once_though_a_sink_does_not_answer(
    start: Callable[..., Process], sink: Receiver, tmp_path: Path, number: signal.Signals
) -> None:
    sink.then = HANG
    manifest(tmp_path, f"{{uri: '{sink.url}'}}")
    process = start()
    sink.wait_for(1)
    process.send(number)
    _until(lambda: process.exit_code is not None, limit_s=3)
    assert process.exit_code == 0


def test_the_program_ends_with_the_faults_of_its_manifests(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    manifest(tmp_path, "{uri: 'http://x/'}", schedule="* * * *")
    assert start().wait() == 2
    assert (
        f"{tmp_path}/pings.yaml: spec.schedule: expected 5 to 6 fields" in (tmp_path / "ping.log").read_text()
    )
