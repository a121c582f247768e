"""Events to a sink: one POST each, in binary mode, over connections that are kept."""

import http.client
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from eventing.codec import Event, encode
from eventing.event import clip
from shared.domain.errors import Rejected, Unavailable

TIMEOUT_S: Final = 30.0
REFUSALS: Final = frozenset((400, 406, 411, 413, 414, 415, 422, 431))
"""What a sink answers for the event's own sake. 401, 403, 404, 405 and redirects are for its setup's."""
ANSWER_BYTES_MAX: Final = 16 * 1024
SHOWN: Final = 200


class Publisher:
    """Sends events to the broker that K_SINK names. Thread-safe.

    An event may arrive more than once: after an answer that got lost it is sent again.
    """

    def __init__(self, sink_url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._sink_url = sink_url
        self._timeout_s = timeout_s
        self._idle: deque[http.client.HTTPConnection] = deque()

    def publish(self, event: Event) -> None:
        """Returns when the sink has accepted the event.

        Raises Rejected where it refuses this event for good, and Unavailable where the sink is away, is
        asked too much, is not the right one, or is not configured.
        """
        headers, body = encode(event)
        status, answer = self._post(headers, body)
        if 200 <= status < 300:
            return
        said = f"{self._sink_url} answered {status} {clip(answer, SHOWN)}".strip()
        if status in REFUSALS:
            raise Rejected.because("event", said)
        raise Unavailable(said)

    def close(self) -> None:
        while (kept := self._kept()) is not None:
            kept.close()

    def _post(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        raw = {name: value.encode() for name, value in headers.items()}
        try:
            while (kept := self._kept()) is not None:
                try:
                    return self._exchange(kept, raw, body)
                except ConnectionError:
                    continue  # the sink closed it while it was idle
            return self._exchange(self._new(), raw, body)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._sink_url}: {error or type(error).__name__}") from error

    def _kept(self) -> http.client.HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _exchange(
        self, connection: http.client.HTTPConnection, headers: Mapping[str, bytes], body: bytes
    ) -> tuple[int, str]:
        try:
            connection.request("POST", self._target(), body, headers)
            response = connection.getresponse()
            answer = response.read(ANSWER_BYTES_MAX).decode(errors="replace")
        except BaseException:
            connection.close()
            raise
        if response.isclosed() and not response.will_close:
            self._idle.append(connection)
        else:
            connection.close()
        return response.status, answer

    def _new(self) -> http.client.HTTPConnection:
        url = urlsplit(self._sink_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise Unavailable(f"K_SINK is {self._sink_url!r}: there is no sink to send events to")
        if url.scheme == "http":
            return http.client.HTTPConnection(url.hostname, url.port, timeout=self._timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=self._timeout_s, context=context)

    def _target(self) -> str:
        url = urlsplit(self._sink_url)
        return f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
