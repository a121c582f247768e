"""A real activator with a real, tiny function: processes start, drain and die."""

import http.client
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime import ports
from runtime.processes import Command, Process
from runtime.settings import CHECKOUT

LIMIT_S = 30.0
TINY = """
import http.server, os, signal, sys, threading, time
from urllib.parse import urlsplit

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/die":
            os._exit(3)
        if path == "/slow":
            print("slow", flush=True)
            time.sleep(0.5)
        if path == "/stuck":
            print("stuck", flush=True)
            time.sleep(600)
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 100

if os.path.exists("broken"):
    sys.exit("no such table")
while os.path.exists("slow"):
    time.sleep(0.01)
server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)

def drain():
    server.shutdown()
    while os.path.exists("held"):
        time.sleep(0.01)
    print("drained", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=drain).start())
server.serve_forever()
"""
FUNC_YAML = """
specVersion: 0.36.0
name: billing-tiny
created: "2026-01-01T00:00:00Z"
deploy:
  healthEndpoints: {liveness: /alive}
  options:
    scale: {min: 0, max: 2}
    resources: {limits: {concurrency: 4}}
"""


def until(condition: Callable[[], Any], context: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, context()
        time.sleep(0.01)


@dataclass
class RunningActivator:
    home: Path
    port: int
    idle_seconds: str = "0.3"
    env: dict[str, str] = field(default_factory=dict)
    process: Process | None = None

    @property
    def checkout(self) -> Path:
        return self.home / "checkout"

    @property
    def log(self) -> str:
        return (self.home / "logs" / "activator.log").read_text()

    @property
    def function_log(self) -> str:
        return (self.home / "logs" / "billing-tiny.log").read_text()

    def instances(self) -> list[int]:
        state = json.loads((self.home / "instances.json").read_text())
        return [instance["pid"] for instance in state["billing-tiny"]]

    def start(self) -> None:
        env = {
            "PATH": os.defpath,
            "PYTHONUNBUFFERED": "1",
            "STATE_DIR": str(self.home),
            "ACTIVATOR_CHECKOUT": str(self.checkout),
            "IDLE_SECONDS": self.idle_seconds,
            **self.env,
        }
        argv = (sys.executable, "-m", "runtime.activator")
        log = self.home / "logs" / "activator.log"
        self.process = Process.start(Command("activator", argv, log, env, CHECKOUT, grace_s=LIMIT_S))
        self.process.wait_until(lambda: ports.answers(self.port), limit_s=LIMIT_S)

    def stop(self) -> int | None:
        assert self.process is not None
        self.process.stop()
        return self.process.exit_code

    def get(self, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def until(self, condition: Callable[[], Any]) -> None:
        until(condition, lambda: self.log)


@pytest.fixture
def activator(tmp_path: Path) -> Iterator[RunningActivator]:
    """With one tiny function; not started yet."""
    tiny = tmp_path / "checkout" / "functions" / "tiny"
    tiny.mkdir(parents=True)
    (tiny / "func.yaml").write_text(FUNC_YAML)
    (tiny.parent / "main.py").write_text(TINY)
    shutil.copytree(CHECKOUT / "eventing" / "manifests", tmp_path / "checkout" / "eventing" / "manifests")
    (tmp_path / "logs").mkdir()
    (port,) = ports.some_free(1, frozenset())
    (tmp_path / "services.json").write_text(json.dumps({"billing-tiny": f"http://127.0.0.1:{port}"}))
    activator = RunningActivator(tmp_path, port)
    yield activator
    if activator.process is not None:
        activator.process.stop()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_function_starts_once_with_its_first_requests_and_drains_when_idle(
    activator: RunningActivator,
) -> None:
    activator.start()
    assert activator.instances() == []
    with ThreadPoolExecutor(20) as callers:
        answers = {call.result() for call in [callers.submit(activator.get) for _ in range(20)]}
    ((status, pid),) = answers
    assert (status, activator.instances()) == (200, [int(pid)])
    (activator.checkout / "held").touch()
    activator.until(lambda: not activator.instances())
    status, other = activator.get()  # while the first one drains
    assert status == 200
    assert other != pid
    assert not gone(int(pid))
    (activator.checkout / "held").unlink()
    activator.until(lambda: gone(int(pid)) and gone(int(other)))
    assert activator.function_log.count("drained") == 2
    told = [line.rpartition("billing-tiny: ")[2] for line in activator.log.splitlines() if "->" in line]
    assert told == [
        "0 -> 1 instances (a request waits)",
        "1 -> 0 instances (idle for 0.3 s)",
    ] * 2  # fmt: skip


def test_one_more_starts_when_requests_wait_long(activator: RunningActivator) -> None:
    activator.idle_seconds = "60"
    activator.start()
    deadline = time.monotonic() + LIMIT_S
    answered_by: set[str] = set()
    with ThreadPoolExecutor(16) as callers:
        while len(answered_by) < 2:
            assert time.monotonic() < deadline, activator.log
            answered_by.update(pid for _, pid in callers.map(activator.get, ["/slow"] * 16))
    assert {str(pid) for pid in activator.instances()} == answered_by
    assert activator.log.count("1 -> 2 instances (requests wait)") == 1


def test_when_it_is_killed_its_functions_end_and_the_next_one_listens_at_the_same_address(
    activator: RunningActivator,
) -> None:
    activator.start()
    _, pid = activator.get()
    assert activator.process is not None
    activator.process.send(signal.SIGKILL)
    until(lambda: gone(int(pid)), lambda: activator.function_log)
    assert "drained" in activator.function_log
    activator.process.stop()
    activator.start()
    assert activator.get()[0] == 200


def test_told_to_end_it_lets_requests_in_flight_and_functions_end(activator: RunningActivator) -> None:
    activator.start()
    _, pid = activator.get()
    with ThreadPoolExecutor(1) as callers:
        call = callers.submit(activator.get, "/slow")
        activator.until(lambda: "slow" in activator.function_log)
        assert activator.stop() == 0
        assert call.result() == (200, pid)
    assert gone(int(pid))
    assert "drained" in activator.function_log
    assert activator.instances() == []
    assert ports.is_free(activator.port)


def test_told_to_end_it_sends_those_away_that_wait_for_a_start(activator: RunningActivator) -> None:
    (activator.checkout / "slow").touch()
    activator.start()
    with ThreadPoolExecutor(1) as callers:
        call = callers.submit(activator.get)
        activator.until(activator.instances)
        assert activator.stop() == 0
        assert call.result() == (503, "billing-tiny stops\n")


def test_a_function_that_does_not_start_is_a_503_and_the_log_says_why(activator: RunningActivator) -> None:
    (activator.checkout / "broken").touch()
    activator.start()
    status, body = activator.get()
    assert status == 503
    assert body == f"billing-tiny does not start; {activator.home}/logs/billing-tiny.log says why\n"
    assert len(body) < 512
    assert " ERROR " in activator.log
    assert "no such table" in activator.log
    (activator.checkout / "broken").unlink()
    assert activator.get()[0] == 200


def test_an_instance_that_dies_in_flight_is_a_502_and_the_next_request_gets_another(
    activator: RunningActivator,
) -> None:
    activator.idle_seconds = "60"
    activator.start()
    _, pid = activator.get()
    with ThreadPoolExecutor(1) as callers:
        call = callers.submit(activator.get, "/stuck")
        activator.until(lambda: "stuck" in activator.function_log)
        os.kill(int(pid), signal.SIGKILL)
        assert call.result() == (502, "billing-tiny broke off\n")
    # While the system is still closing its socket, that may take one connection more.
    answers = [activator.get()]
    while answers[-1][0] == 502 and len(answers) < 20:
        answers.append(activator.get())
    status, other = answers[-1]
    assert status == 200
    assert other != pid
    assert activator.instances() == [int(other)]


def test_a_running_instance_is_probed_where_its_func_yaml_says(activator: RunningActivator) -> None:
    activator.idle_seconds = "60"
    activator.start()
    activator.get()
    activator.until(lambda: "GET /alive" in activator.function_log)


def test_it_serves_although_the_instances_cannot_be_noted(activator: RunningActivator) -> None:
    (activator.home / "instances.json").mkdir()
    activator.start()
    status, pid = activator.get()
    assert status == 200
    activator.until(lambda: gone(int(pid)))
    assert activator.stop() == 0
    assert activator.log.count("not noted") == 4


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("checkout/functions/tiny/func.yaml", "name: 1", "name: must be text"),
        ("services.json", "{}", "has no address of billing-tiny"),
    ],
)
def test_what_keeps_it_from_starting_is_in_its_log(
    activator: RunningActivator, file: str, content: str, told: str
) -> None:
    (activator.home / file).write_text(content)
    with pytest.raises(Exception, match="ended with code 2"):
        activator.start()
    assert told in activator.log
