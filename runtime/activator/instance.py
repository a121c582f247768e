"""One process of a function on a port of its own."""

import asyncio
import time
from contextlib import suppress
from errno import EMFILE, ENFILE
from typing import Final

import aiohttp

from runtime.processes import POLL_S, Command, Process

READY_LIMIT_S: Final = 60.0
PROBE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
LIVENESS_TIMEOUT: Final = aiohttp.ClientTimeout(total=1)
NO_SOCKET: Final = frozenset({EMFILE, ENFILE})


class ProcessInstance:
    """Started when made; raises ProcessFailed then. Nothing here blocks or needs a thread: a child is tied to
    the thread that starts it, and with a second one a fork would not be safe."""

    def __init__(
        self,
        command: Command,
        port: int,
        readiness: str,
        liveness: str,
        client: aiohttp.ClientSession,
        limit_s: float = READY_LIMIT_S,
    ) -> None:
        self._readiness_url = f"http://127.0.0.1:{port}{readiness}"
        self._liveness_url = f"http://127.0.0.1:{port}{liveness}"
        self._client = client
        self._limit_s = limit_s
        self._port = port
        self._process = Process.start(command)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return self._port

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    async def wait_ready(self) -> None:
        """Until its readiness probe answers 200. Raises ProcessFailed if it ends first or is too late."""
        deadline = time.monotonic() + self._limit_s
        while not await self._is_ready():
            if (code := self.exit_code) is not None:
                raise self._process.failure(f"ended with code {code} before it was ready")
            if time.monotonic() > deadline:
                raise self._process.failure(f"was not ready after {self._limit_s:g} s")
            await asyncio.sleep(POLL_S)

    async def is_alive(self) -> bool:
        """Whether its liveness probe answers in time, and with no error; or we have no socket to ask."""
        try:
            async with self._client.get(
                self._liveness_url, timeout=LIVENESS_TIMEOUT, allow_redirects=False
            ) as answer:
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, OSError) as error:
            return isinstance(error, OSError) and error.errno in NO_SOCKET

    async def stop(self) -> None:
        """Lets it drain for its grace period, then kills whatever is left of its group."""
        self._process.ask_to_stop()
        deadline = time.monotonic() + self._process.command.grace_s
        while self.exit_code is None and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
        self._process.kill()

    async def _is_ready(self) -> bool:
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._client.get(self._readiness_url, timeout=PROBE_TIMEOUT) as answer:
                return answer.status == 200
        return False
