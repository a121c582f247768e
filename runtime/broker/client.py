"""Requests to subscribers: names become addresses, one POST per attempt, never a redirect followed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp

from runtime.broker.chaos import Chaos
from runtime.broker.delivery import Answer, Failed, timed_out, unreachable
from runtime.manifest_documents import Destination

logger = getLogger(__name__)

CHANNEL_TIMEOUT_S: Final = 900.0  # what a channel waits for a subscriber that is given no timeout
KEEP_ALIVE_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 32 * 2**20
OURS_ALONE: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(slots=True)
class Addresses:
    """Where the Services of this machine listen: JSON, name to address, read again when it changes."""

    file: Path
    _stamp: tuple[int, int] | None = None
    _known: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        try:
            stat = self.file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self._known, self._stamp = json.loads(self.file.read_text()), stamp
        except FileNotFoundError:
            self._known, self._stamp = {}, None
        except ValueError:
            logger.exception("%s is not JSON", self.file)
        return self._known.get(name)


@dataclass(frozen=True, slots=True)
class Client:
    """Keeps connections; `close` it in the end."""

    addresses: Addresses
    namespace: str
    chaos: Chaos
    _session: aiohttp.ClientSession

    @classmethod
    def open(cls, addresses: Addresses, namespace: str, chaos: Chaos) -> Self:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=OURS_ALONE,
        )
        return cls(addresses, namespace, chaos, session)

    async def close(self) -> None:
        await self._session.close()

    async def post(
        self, to: Destination, headers: Mapping[str, str], body: bytes, timeout_s: float | None
    ) -> Answer | Failed:
        """One attempt. Failed where there was no answer."""
        await self.chaos.hold_back()
        name, url = self._locate(to)
        if url is None:
            return unreachable(name, "no Service of that name listens here")
        timeout = aiohttp.ClientTimeout(total=timeout_s or CHANNEL_TIMEOUT_S)
        try:
            async with self._session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                answered = {key.lower(): text for key, text in response.headers.items()}
                answer = Answer(name, response.status, answered, await _body(response))
                return unreachable(name, "the answer is dropped") if self.chaos.drops() else answer
        except TimeoutError:
            return timed_out(name)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return unreachable(name, str(error) or type(error).__name__)

    def _locate(self, to: Destination) -> tuple[str, str | None]:
        """The name a cluster would use, and the address here."""
        if to.ref is None:
            return to.uri, to.uri
        name = f"http://{to.ref.name}.{to.ref.namespace or self.namespace}.svc.cluster.local"
        address = self.addresses.find(to.ref.name)
        return urljoin(name, to.uri), urljoin(address, to.uri) if address is not None else None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise ValueError(f"the answer is over {ANSWER_BYTES_MAX} bytes")
    return bytes(body)
