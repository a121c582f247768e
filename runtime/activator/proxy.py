"""HTTP between whoever calls a function and an instance of it: what is passed on is not changed."""

import asyncio
from collections.abc import Iterable, Set
from dataclasses import dataclass
from logging import getLogger
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from runtime.activator.revision import Revision
from shared.domain.errors import Unavailable

logger = getLogger(__name__)

KEEP_ALIVE_S: Final = 75.0
INSTANCE_KEEP_ALIVE_S: Final = 5.0
"""Shorter than the instance's own: a request must not meet the end of a connection."""
HEAD_BYTES_MAX: Final = 64 * 2**10
REQUEST_TIMEOUT_S: Final = 300.0
"""Knative's default `timeoutSeconds`; the wait for an instance counts."""
ERROR_BODY_CHARS_MAX: Final = 500
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
ANSWERED_HERE: Final = HOP_BY_HOP | {b"expect"}
OURS_ALONE: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


def open_client() -> aiohttp.ClientSession:
    """Towards the instances; adds nothing to what it sends, and takes answers as they are."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=INSTANCE_KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=OURS_ALONE,
        middlewares=(_only_once,),
        auto_decompress=False,
        max_line_size=HEAD_BYTES_MAX,
        max_field_size=HEAD_BYTES_MAX,
    )


async def _only_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Else a GET that kills its instance would be sent again, by the client itself."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


def door(
    revision: Revision, client: aiohttp.ClientSession, *, timeout_s: float = REQUEST_TIMEOUT_S
) -> web.Server:
    """What listens at the address of a function. A request is dropped when its client goes away."""
    return web.Server(
        _Door(revision, client, timeout_s).pass_on,
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEP_ALIVE_S,
        max_line_size=HEAD_BYTES_MAX,
        max_field_size=HEAD_BYTES_MAX,
    )


@dataclass(frozen=True, slots=True)
class _Door:
    revision: Revision
    client: aiohttp.ClientSession
    timeout_s: float

    async def pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            headers = end_to_end(request.raw_headers, ANSWERED_HERE)
        except ValueError as error:
            return _refusal(400, str(error))
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._to_an_instance(request, headers)
        except TimeoutError:
            why = f"{self.revision.name} took longer than {self.timeout_s:g} s"
            logger.warning("%s: %s %s", why, request.method, request.raw_path)
            return _refusal(504, why)

    async def _to_an_instance(
        self, request: web.BaseRequest, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        while True:
            try:
                running = await self.revision.acquire()
            except Unavailable as error:
                return _refusal(503, str(error))
            try:
                return await self._exchange(request, headers, running.instance.port)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if _is_refused(error):  # nothing is sent yet
                    self.revision.lost(running, "does not listen")
                    continue
                self._tell(request, error)
                return _refusal(502, f"{self.revision.name} broke off")
            finally:
                self.revision.release(running)

    async def _exchange(
        self, request: web.BaseRequest, headers: CIMultiDict[str], port: int
    ) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun
        # As a path, the whole target is taken as it is.
        url = URL.build(scheme="http", host="127.0.0.1", port=port, path=request.raw_path, encoded=True)
        body = request.content if request.body_exists else None
        async with self.client.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            answered = end_to_end(answer.raw_headers, HOP_BY_HOP)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=answered)
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except aiohttp.ClientError as error:
                self._tell(request, error)
                _abort(request)
            except asyncio.CancelledError:
                _abort(request)
                raise
            return response

    def _tell(self, request: web.BaseRequest, error: Exception) -> None:
        """Unless it is the client who broke off."""
        if request.transport is not None and not request.transport.is_closing():
            logger.warning("%s: %s %s: %r", self.revision.name, request.method, request.raw_path, error)


def end_to_end(raw_headers: Iterable[tuple[bytes, bytes]], hop_by_hop: Set[bytes]) -> CIMultiDict[str]:
    """All that is not for this connection alone, in order. Raises ValueError where a byte would be lost."""
    headers = [(name.lower(), name, value) for name, value in raw_headers]
    for lower, _, value in headers:
        if lower == b"connection":
            hop_by_hop = hop_by_hop | {word.strip() for word in value.lower().split(b",")}
    spelled = {b"host": "Host"}  # the client keeps only headers that are spelled alike beside each other
    kept = CIMultiDict[str]()
    for lower, name, value in headers:
        if lower not in hop_by_hop:
            try:
                kept.add(spelled.setdefault(lower, name.decode()), value.decode())
            except UnicodeDecodeError:
                raise ValueError(f"{name.decode(errors='replace')} is not UTF-8") from None
    return kept


def _abort(request: web.BaseRequest) -> None:
    """So that an answer that has begun does not look whole."""
    if request.transport is not None:
        request.transport.abort()


def _is_refused(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, ConnectionRefusedError
    )


def _refusal(status: int, why: str) -> web.Response:
    return web.Response(status=status, text=why[:ERROR_BODY_CHARS_MAX] + "\n")
