"""A real broker process, real subscribers, and a client that can be as wrong as it likes."""

import http.client
import json
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from runtime import ports
from runtime.processes import Command, Process
from shared.config import environment

CHECKOUT = Path(__file__).resolve().parents[3]
LIMIT_S = 20.0
PROBE = "probe-"

BROKER = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default, namespace: billing}
spec:
  delivery:
    retry: 3
    backoffPolicy: exponential
    backoffDelay: PT0.2S
    timeout: PT1S
    deadLetterSink: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: letters}}
"""


def until(condition: Callable[[], Any], what: str = "", limit_s: float = LIMIT_S) -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain {what}"
        time.sleep(0.01)
    return value


@dataclass(frozen=True)
class Received:
    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Of a binary or a structured event."""
        structured = self.headers.get("content-type", "").startswith("application/cloudevents")
        return str(json.loads(self.body)["id"] if structured else self.headers.get("ce-id", ""))


@dataclass(frozen=True)
class Reply:
    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_for: threading.Event | None = None


class Subscriber:
    """Answers with `replies` in turn, then with `default`; keeps what it was sent, but for probes."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.received: list[Received] = []
        self.probed: set[str] = set()
        self.connections: set[socket.socket] = set()
        self.replies: deque[Reply] = deque()
        self.default = Reply()
        address = host if host.startswith("127.") else ""
        self._server = ThreadingHTTPServer((address, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._server.server_address[1]}"

    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    def close(self) -> None:
        """Nobody is answered any more, on a connection that was kept neither."""
        self._server.shutdown()
        for connection in [*self.connections]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()


def _handler(subscriber: Subscriber) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(time.monotonic(), self.path, headers, body)
            if received.id.startswith(PROBE):
                subscriber.probed.add(self.path)
                reply = Reply()
            else:
                subscriber.received.append(received)
                reply = subscriber.replies.popleft() if subscriber.replies else subscriber.default
            if reply.wait_for is not None:
                reply.wait_for.wait(LIMIT_S)
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def handle(self) -> None:
            subscriber.connections.add(self.connection)
            try:
                super().handle()
            except OSError:
                self.close_connection = True
            finally:
                subscriber.connections.discard(self.connection)

    return Handler


@dataclass
class BrokerClient:
    """The way into a Broker."""

    url: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def request(
        self, method: str, target: str, headers: Mapping[str, str] = {}, body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LIMIT_S)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                connection.putheader(name, value.encode())
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
        finally:
            connection.close()

    def send(self, body: bytes = b"{}", *, headers: Mapping[str, str] = {}, **attributes: str) -> int:
        """The status of a binary event with these attributes over complete ones."""
        return self.send_event(attributes, body, headers)

    def send_event(
        self, attributes: Mapping[str, str], body: bytes = b"{}", headers: Mapping[str, str] = {}
    ) -> int:
        event = {"specversion": "1.0", "id": "1", "source": "/test", "type": "t", **attributes}
        own = {f"ce-{name}": text for name, text in event.items()}
        json_type = {"content-type": "application/json"}
        return self.request("POST", self.path, {**own, **json_type, **headers}, body)[0]


@dataclass
class RunningBroker(BrokerClient):
    """A broker of its own: state, port and Redis database."""

    home: Path
    redis_url: str
    process: Process | None = None
    chaos: str = ""

    @property
    def log(self) -> str:
        return (self.home / "broker.log").read_text()

    def start(self) -> None:
        env = {
            "PATH": environment()["PATH"],
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self.redis_url,
            "BROKER_PORT": str(urlsplit(self.url).port),
            "STATE_DIR": str(self.home),
            "TRIGGERS_DIR": str(self.home / "triggers"),
            "BROKER_OVERLAY": str(self.home / "overlay"),
            "BROKER_CHAOS": self.chaos,
        }
        argv = (sys.executable, "-m", "runtime.broker")
        self.process = Process.start(Command("broker", argv, self.home / "broker.log", env, CHECKOUT))
        self.process.wait_until(self._is_up, limit_s=LIMIT_S)

    def kill(self) -> None:
        """As the power would."""
        assert self.process is not None
        self.process.send(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        assert self.process is not None
        self.process.stop()
        code = self.process.exit_code
        assert code is not None
        return code

    def backlog(self) -> dict[str, Any]:
        backlog: dict[str, Any] = json.loads(self.request("GET", "/backlog")[2])
        return backlog

    def outstanding(self, trigger: str) -> int:
        return int(self.backlog()["by_trigger"][trigger])

    def counted(self, name: str, trigger: str) -> float:
        text = self.request("GET", "/metrics")[2].decode()
        start = f'faasbilling_broker_{name}_total{{trigger="{trigger}"}} '
        return sum(float(line.removeprefix(start)) for line in text.splitlines() if line.startswith(start))

    def write_trigger(self, name: str, subscriber: Subscriber | str, **spec: Any) -> Path:
        """`subscriber` may be the name of a Service."""
        ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": subscriber}
        to = {"ref": ref} if isinstance(subscriber, str) else {"uri": subscriber.url}
        document = {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": name, "namespace": "billing"},
            "spec": {"broker": "default", "subscriber": to, **spec},
        }
        path = self.home / "triggers" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    @contextmanager
    def trigger(self, name: str, subscriber: Subscriber | str, **spec: Any) -> Iterator[None]:
        """A Trigger in force; for events of its own name as type where nothing else is said."""
        if not spec.keys() & {"filter", "filters"}:
            spec["filters"] = [{"exact": {"type": name}}]
        path = self.write_trigger(name, subscriber, **spec)
        until(lambda: name in self.backlog()["by_trigger"])
        try:
            yield
        finally:
            path.unlink()
            until(lambda: name not in self.backlog()["by_trigger"])

    def name_services(self, **services: str) -> None:
        whole = self.home / "services.new"
        whole.write_text(json.dumps(services))
        whole.replace(self.home / "services.json")

    def _is_up(self) -> bool:
        return self.request("GET", "/health")[0] == 200


@contextmanager
def broker_home(home: Path, redis_url: str, manifest: str = BROKER) -> Iterator[RunningBroker]:
    """A broker that is not started yet; stopped in the end."""
    (home / "triggers").mkdir()
    (home / "overlay").mkdir()
    (home / "overlay" / "broker.yaml").write_text(manifest)
    url = f"http://127.0.0.1:{ports.some_free(1, frozenset())[0]}/billing/default"
    broker = RunningBroker(url, home, redis_url)
    try:
        yield broker
    finally:
        if broker.process is not None:
            broker.process.stop()
