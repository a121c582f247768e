"""A real HTTP server that takes events and fails as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROP = 0
"""Read the whole request, then close the connection without an answer."""
HANG = -1
"""Read the whole request, then say nothing until the receiver is stopped."""


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    data: bytes
    status: int
    connection: int

    @property
    def id(self) -> str:
        return self.headers["ce-id"]

    @property
    def sequence(self) -> int:
        return int(self.headers["ce-sequence"])


@dataclass
class Receiver:
    """Answers each request with the next of `script`, and `then` once that is used up."""

    port: int = 0
    script: list[int] = field(default_factory=list)
    then: int = 202
    body: bytes = b""
    received: list[Received] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/billing/default"

    @property
    def delivered(self) -> list[Received]:
        return [one for one in self.received if 200 <= one.status < 300]

    def take(self, headers: dict[str, str], data: bytes, connection: int) -> int:
        with self.arrived:
            status = self.script.pop(0) if self.script else self.then
            self.received.append(Received(headers, data, status, connection))
            self.arrived.notify_all()
        return status

    def wait_for(self, requests: int, limit_s: float = 10.0) -> list[Received]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= requests, limit_s), self.received
            return list(self.received)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take({":path": self.path, **headers}, data, self.client_address[1])
            if status in (DROP, HANG):
                self.close_connection = True
                if status == HANG:
                    receiver.stopping.wait()
                return
            self.send_response(status)
            self.send_header("content-length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver))
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
