"""A function as a process of its own, over real HTTP."""

import http.client
import socket
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.ports import some_free
from runtime.processes import Command, Process

CHECKOUT = Path(__file__).parents[2]
READY_LIMIT_S = 60.0

GRANIAN = (sys.executable, "-m", "functions.main")


def functions_framework(target: str, port: int) -> tuple[str, ...]:
    program = Path(sysconfig.get_path("scripts")) / "functions-framework"
    source = str(CHECKOUT / "functions" / "main.py")
    return (str(program), "--source", source, "--target", target, "--host", "127.0.0.1", "--port", str(port))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Served:
    port: int
    process: Process
    log: Path

    def request(
        self,
        method: str,
        path: str = "/",
        headers: Mapping[str, str | bytes] | None = None,
        body: bytes = b"",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """The start of what comes back for bytes that no HTTP client would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            return connection.recv(65_536)

    def ready(self) -> bool:
        return self.request("GET", "/health/readiness").status == 200


@contextmanager
def serving(folder: Path, target: str, *, framework: bool = False, **env: str) -> Iterator[Served]:
    """The function, ready; stopped at the end. `folder` takes its log."""
    (port,) = some_free(1, frozenset())
    log = folder / f"{target}.log"
    argv = functions_framework(target, port) if framework else GRANIAN
    own = {"FUNCTION_TARGET": target, "PORT": str(port), "ADDRESS": "127.0.0.1", "PYTHONPATH": str(CHECKOUT)}
    command = Command(
        name=target, argv=argv, log=log, env={"PATH": "/usr/bin:/bin", **own, **env}, cwd=CHECKOUT
    )
    process = Process.start(command)
    try:
        served = Served(port, process, log)
        process.wait_until(served.ready, limit_s=READY_LIMIT_S)
        yield served
    finally:
        process.stop()
