"""python -m benchmarks.client: sends a load as fast as it is answered, over connections that are kept.

Told what by its argument; says `ready` when all is prepared, waits for a line, and prints what came of it.
"""

import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Final

import msgspec

from benchmarks.load import Load, Request, Truth, requests

END_OF_HEAD: Final = b"\r\n\r\n"
SEND_BYTES: Final = 1024 * 1024
ANSWER_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Orders:
    """`status` is what each request must be answered with."""

    load: Load
    port: int
    path: str
    status: int
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sent:
    """`truth` is of the events that were answered, the same ones once."""

    truth: Truth
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float


class WrongAnswer(Exception):
    """Not answered as it must be."""


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    request: Request
    began: float
    left: memoryview
    answer: bytes = b""


class Client:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._right = f"HTTP/1.1 {orders.status} ".encode()
        self._waiting = iter(list(requests(orders.load, orders.path)))
        self._selector = selectors.DefaultSelector()
        self._took_s: list[float] = []
        self._answered: list[Request] = []

    def run(self) -> Sent:
        """Raises WrongAnswer, or OSError where there is no server."""
        cpu_s, began = time.process_time(), time.perf_counter()
        deadline = began + self._orders.seconds
        for _ in range(self._orders.connections):
            self._next(self._open(), deadline)
        while self._selector.get_map():
            ready = self._selector.select(ANSWER_LIMIT_S)
            if not ready:
                raise WrongAnswer(f"none in {ANSWER_LIMIT_S:g} s")
            for key, events in ready:
                if events & selectors.EVENT_WRITE:
                    self._send(key.data)
                if events & selectors.EVENT_READ:
                    self._receive(key.data, deadline)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
        truth = Truth()
        for request in self._answered:
            if request.sums is not None:
                truth.add(request.tenant, request.sums)
        took_ms = sorted(took_s * 1000 for took_s in self._took_s)
        p50_ms, p99_ms = took_ms[len(took_ms) // 2], took_ms[len(took_ms) * 99 // 100]
        return Sent(truth, seconds, cpu_s, p50_ms, p99_ms)

    def _open(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self._orders.port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        opened.setblocking(False)
        return opened

    def _next(self, free: socket.socket, deadline: float) -> None:
        now = time.perf_counter()
        request = next(self._waiting, None) if now < deadline else None
        if request is None:
            free.close()
        else:
            connection = _Connection(free, request, now, memoryview(request.wire))
            self._selector.register(free, selectors.EVENT_READ, connection)
            self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.left)
        except BlockingIOError:
            sent = 0
        connection.left = connection.left[sent:]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.left else 0)
        if self._selector.get_key(connection.socket).events != wanted:
            self._selector.modify(connection.socket, wanted, connection)

    def _receive(self, connection: _Connection, deadline: float) -> None:
        received = connection.socket.recv(65_536)
        connection.answer += received
        if received and not _is_whole(connection.answer):
            return
        self._selector.unregister(connection.socket)
        if not connection.answer.startswith(self._right):
            raise WrongAnswer(repr(connection.answer[:600]))
        self._took_s.append(time.perf_counter() - connection.began)
        self._answered.append(connection.request)
        self._next(connection.socket, deadline)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(END_OF_HEAD)
    _, named, rest = head.lower().partition(b"\r\ncontent-length:")
    return bool(end) and (not named or len(body) >= int(rest.split(b"\r\n", 1)[0]))


def main(orders: str) -> int:
    client = Client(msgspec.json.decode(orders, type=Orders))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(msgspec.json.encode(client.run()).decode(), flush=True)
    except (WrongAnswer, OSError) as error:
        print(f"wrong answer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
