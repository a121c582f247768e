"""HTTP/1.1 as bytes, on both sides of a door."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from runtime.activator.proxy import REQUEST_TIMEOUT_S, door, open_client
from runtime.ports import some_free
from tests.runtime.activator.fakes import Fleet

NO_CONTENT = b"HTTP/1.1 204 No Content\r\nServer: tiny\r\nDate: now\r\n\r\n"


@dataclass(frozen=True)
class Message:
    head: bytes
    body: bytes = b""

    @property
    def start(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> list[bytes]:
        return self.head.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]


async def read_message(reader: asyncio.StreamReader, *, head_only: bool = False) -> Message:
    """Raises IncompleteReadError if it ends before."""
    head = await reader.readuntil(b"\r\n\r\n")
    named = dict(line.lower().split(b": ", 1) for line in Message(head).headers)
    if head_only:
        return Message(head)
    if named.get(b"transfer-encoding") == b"chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return Message(head, body)
    return Message(head, await reader.readexactly(int(named.get(b"content-length", b"0"))))


@dataclass
class Upstream:
    """Stands in for an instance: answers `answers` in turn, the last one for ever, while `open`."""

    answers: list[bytes] = field(default_factory=lambda: [NO_CONTENT])
    requests: list[Message] = field(default_factory=list)
    connections: list[asyncio.StreamReader] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def request(self) -> Message:
        """The only one."""
        (request,) = self.requests
        return request

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(reader)
        try:
            while True:
                self.requests.append(await read_message(reader))
                await self.open.wait()
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer)
                await writer.drain()
                if not answer or b"Connection: close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@dataclass
class Client:
    """One connection to the door."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, request: bytes, *, head_only: bool = False) -> Message:
        self.writer.write(request)
        return await read_message(self.reader, head_only=head_only)


@dataclass
class Door:
    """The door of `fleet`, whose first instance is `upstream`; a second would listen nowhere."""

    fleet: Fleet
    upstream: Upstream
    port: int

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def call(self, request: bytes, *, head_only: bool = False) -> Message:
        """On a connection of its own; the first one finds the instance ready."""
        async with self.client() as client:
            return await client.call(request, head_only=head_only)


@asynccontextmanager
async def opened(
    upstream: Upstream | None = None, *, ready: bool = True, timeout_s: float = REQUEST_TIMEOUT_S
) -> AsyncIterator[Door]:
    upstream = upstream or Upstream()
    upstream.open.set()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    nowhere, port = some_free(2, frozenset())
    fleet = Fleet(ports=(upstream.port, nowhere))
    if ready:
        fleet.revision.release(await fleet.running())
    async with open_client() as client:
        runner = web.ServerRunner(door(fleet.revision, client, timeout_s=timeout_s), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield Door(fleet, upstream, port)
        finally:
            fleet.revision.close()
            await runner.cleanup()
            server.close()


async def until(condition: Callable[[], bool]) -> None:
    """The test's own limit is the limit."""
    while not condition():
        await asyncio.sleep(0.01)
