"""The client in its process, from outside."""

import subprocess
import sys
from typing import Final

import msgspec

from benchmarks.client import Orders, Sent
from runtime import functions
from runtime.settings import CHECKOUT

STOP_LIMIT_S: Final = 10


class SenderFailed(Exception):
    """It could not send what it was told to."""


class Sender:
    """Made when the load is prepared. `run` sends it."""

    def __init__(self, orders: Orders) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.client", msgspec.json.encode(orders).decode()],
            cwd=CHECKOUT,
            env=dict(functions.base_environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise SenderFailed(self._end()[1])

    def run(self) -> Sent:
        """Raises SenderFailed."""
        out, err = self._end("go\n")
        if self._process.returncode != 0:
            raise SenderFailed(err)
        return msgspec.json.decode(out, type=Sent)

    def _end(self, said: str | None = None) -> tuple[str, str]:
        try:
            return self._process.communicate(said)
        finally:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)
