"""python -m benchmarks.sink PORT: takes every event that the functions send, at the least cost."""

import asyncio
import sys
from typing import Final

ACCEPTED: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class _Sink(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            _, named, rest = head.partition(b"\r\ncontent-length:")
            whole = end + 4 + (int(rest.split(b"\r\n", 1)[0]) if named else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._transport.write(ACCEPTED)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
