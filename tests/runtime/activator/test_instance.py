"""A process that answers its probes, or does not."""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime import ports
from runtime.activator.instance import ProcessInstance
from runtime.activator.proxy import open_client
from runtime.processes import Command, ProcessFailed
from tests.runtime.activator.fakes import in_loop

SERVER = """
import http.server, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/silent":
            time.sleep(600)
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "/500")
        self.end_headers()

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@asynccontextmanager
async def started(
    folder: Path, code: str = SERVER, *, readiness: str = "/200", liveness: str = "/200"
) -> AsyncIterator[ProcessInstance]:
    (port,) = ports.some_free(1, frozenset())
    argv = (sys.executable, "-c", code, str(port))
    command = Command("tiny", argv, folder / "tiny.log", {}, folder, grace_s=1)
    async with open_client() as client:
        instance = ProcessInstance(command, port, readiness, liveness, client)
        try:
            yield instance
        finally:
            await instance.stop()


@pytest.mark.parametrize(
    ("path", "alive"), [("/200", True), ("/302", True), ("/404", False), ("/500", False), ("/silent", False)]
)
def test_what_answers_its_liveness_probe_in_time_and_without_an_error_is_alive(
    tmp_path: Path, path: str, alive: bool
) -> None:
    @in_loop
    async def story() -> None:
        async with started(tmp_path, liveness=path) as instance:
            await instance.wait_ready()
            assert await asyncio.wait_for(instance.is_alive(), 5) is alive

    story()


@in_loop
async def test_what_listens_no_more_is_not_alive(tmp_path: Path) -> None:
    async with started(tmp_path, "import time; time.sleep(600)") as instance:
        assert not await instance.is_alive()


@in_loop
async def test_that_there_is_no_descriptor_for_a_probe_tells_nothing_of_an_instance(tmp_path: Path) -> None:
    async with started(tmp_path) as instance:
        await instance.wait_ready()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with open(os.devnull) as highest:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno(), limits[1]))
            try:
                assert await instance.is_alive()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(
    ("deleted", "told"), [(False, "no such table"), (True, r"tiny\.log cannot be read: No such file")]
)
def test_what_ends_before_it_is_ready_has_failed_even_where_its_log_is_gone(
    tmp_path: Path, deleted: bool, told: str
) -> None:
    until_told = "import os, sys, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"

    @in_loop
    async def story() -> None:
        async with started(tmp_path, until_told + "sys.exit('no such table')") as instance:
            if deleted:
                (tmp_path / "tiny.log").unlink()
            (tmp_path / "go").touch()
            with pytest.raises(ProcessFailed, match=f"(?s)ended with code 1 before it was ready.*{told}"):
                await instance.wait_ready()

    story()
