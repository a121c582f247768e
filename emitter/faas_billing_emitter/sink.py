"""One place to send batches to: HTTP over a connection that is kept."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from faas_billing_emitter.batch import Batch
from faas_billing_emitter.cloudevent import headers

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 240.0
"""Longer than a Broker that answers last retries by default (204.6 s): leaving earlier cancels its work."""
TICK_S = 0.2
BODY_BYTES_MAX = 2_048
_RETRIED = frozenset({404, 408, 409, 429})


class Outcome(Enum):
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Perhaps delivered, perhaps not: the same bytes must be sent again."""


@dataclass(frozen=True)
class Answer:
    """`status` is None where no whole answer came; `reason` is then why, else the start of the body."""

    outcome: Outcome
    status: int | None
    reason: str


def outcome_of(status: int) -> Outcome:
    """2xx is delivered; 4xx is refused for good, but for those that brokers retry; all else is unknown."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    return Outcome.REFUSED if 400 <= status < 500 and status not in _RETRIED else Outcome.UNKNOWN


def never() -> bool:
    return False


class HttpSink:
    """For one thread at a time. Raises ValueError for a URL that is not http(s)."""

    def __init__(self, url: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError(f"sink: {url!r} is not an http or https URL")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=min(timeout_s, CONNECT_TIMEOUT_S))
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = timeout_s

    def post(self, batch: Batch, give_up: Callable[[], bool] = never) -> Answer:
        """Sends it once; never raises for what the network or the receiver does.

        `give_up` is asked a few times a second while the answer is awaited.
        """
        reused = self._connection.sock is not None
        try:
            return self._post(batch, give_up)
        except (OSError, HTTPException) as failure:
            self.close()
            if reused and isinstance(failure, ConnectionError):
                # The receiver had closed the connection that was kept; that says nothing about it.
                return self.post(batch, give_up)
            return Answer(Outcome.UNKNOWN, None, f"{type(failure).__name__}: {failure}")

    def _post(self, batch: Batch, give_up: Callable[[], bool]) -> Answer:
        sock = self._connect()
        with suppress(BrokenPipeError):  # it may have answered, and closed, before it read all
            self._connection.request("POST", self._target, body=batch.data, headers=headers(batch))
        _await(sock, self._timeout_s, give_up)
        with self._connection.getresponse() as response:
            return self._read(response)

    def _connect(self) -> socket.socket:
        kept: socket.socket | None = self._connection.sock
        if kept is not None:
            return kept
        self._connection.connect()
        sock: socket.socket = self._connection.sock
        sock.settimeout(self._timeout_s)
        _notice_a_dead_peer(sock)
        return sock

    def _read(self, response: HTTPResponse) -> Answer:
        body = response.read(BODY_BYTES_MAX + 1)
        if len(body) > BODY_BYTES_MAX:
            self.close()
        text = body[:BODY_BYTES_MAX].decode("utf-8", "replace")
        return Answer(outcome_of(response.status), response.status, text or response.reason)

    def close(self) -> None:
        self._connection.close()


def _await(sock: socket.socket, timeout_s: float, give_up: Callable[[], bool]) -> None:
    end_s = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        while not selector.select(min(TICK_S, timeout_s)):
            if give_up() or time.monotonic() >= end_s:
                raise TimeoutError("no answer in time")


def _notice_a_dead_peer(sock: socket.socket) -> None:
    # An answer may take minutes; that the peer is gone should show sooner.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
