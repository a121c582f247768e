import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import runtime.postgres
from runtime.processes import Process
from shared.adapters.postgres.pool import Database
from shared.domain.errors import Unavailable


@pytest.fixture
def server(tmp_path: Path) -> Iterator["Server"]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


class Server:
    def __init__(self, folder: Path) -> None:
        self._server = runtime.postgres.prepare(folder, runtime.postgres.FORGETFUL)
        self.url = self._server.url

    def start(self) -> None:
        self._process = Process.start(self._server.command)
        self._process.wait_until(self._server.ready, limit_s=runtime.postgres.READY_LIMIT_S)

    def stop(self) -> None:
        self._process.stop()


def test_a_server_that_is_known_to_be_away_costs_no_time_and_is_found_when_it_is_back(server: Server) -> None:
    with closing(Database(server.url)) as database:
        database.check()
        server.stop()
        for _ in range(3):  # connections that break, and one that cannot be made
            with pytest.raises(Unavailable):
                database.check()
        began_s = time.monotonic()
        for _ in range(20):
            with pytest.raises(Unavailable):
                database.check()
        # Twenty whole waits would be minutes; one of them is more than all these.
        assert time.monotonic() - began_s < 5
        server.start()
        until_answered(database)


def test_connections_that_broke_while_idle_cost_one_request(server: Server) -> None:
    with closing(Database(server.url, pool_size_max=4)) as database:
        with ExitStack() as held:
            for _ in range(4):
                held.enter_context(database.statement())
        server.stop()
        server.start()
        with pytest.raises(Unavailable):
            database.check()
        until_answered(database, tries=1)


def until_answered(database: Database, tries: int = 10) -> None:
    """The next calls may meet the attempt that failed last, and no more than that."""
    for _ in range(tries):
        try:
            database.check()
            return
        except Unavailable:
            time.sleep(0.2)
    database.check()
