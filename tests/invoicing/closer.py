"""A closer as a process of its own, which kills itself, as kill -9 would, just before a statement it runs.

The product knows nothing of it: what is changed is the driver, in that process alone.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from types import GeneratorType
from typing import Any, Final, cast

import psycopg

from shared.adapters.postgres.pool import Database
from tests.invoicing.house import House

WAIT_S: Final = 60.0
_STATEMENTS: Final = {
    "_execute_gen": "",
    "_executemany_gen_pipeline": "",
    "_enter_gen": "BEGIN",
    "_exit_gen": "COMMIT",
}
"""What psycopg runs, by the name of its generator; "" where that has the query."""
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def start(url: str, now: datetime, *, kill_before: int = 0, told: Path | None = None) -> "Closer":
    """Close all that is due by that clock; killed before the statement of that number, from 1 on."""
    return Closer(_context.Process(target=_close, args=(url, now, kill_before, told)))


class Closer:
    def __init__(self, process: Any) -> None:
        self._process = process
        process.start()

    def wait(self) -> int:
        """The exit code, negative where a signal ended it."""
        self._process.join(WAIT_S)
        code = self._process.exitcode
        assert code is not None, f"it still runs after {WAIT_S:g} s"
        return int(code)


def statements(told: Path) -> Sequence[str]:
    """Those that a closer ran, in order."""
    return told.read_text().splitlines()


def _close(url: str, now: datetime, kill_before: int, told: Path | None) -> None:
    reached: list[str] = []
    wait = psycopg.Connection.wait

    def stopping(self: psycopg.Connection[Any], gen: Generator[Any, Any, Any], *args: Any) -> Any:
        # The pool connects in threads of its own.
        if threading.current_thread() is threading.main_thread() and (name := _name(gen)):
            reached.append(name)
            if len(reached) == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
        return wait(self, gen, *args)

    database = Database(url, pool_size_max=2)
    with database.statement():
        pass  # connected before anything is counted
    psycopg.Connection.wait = cast(Any, stopping)  # type: ignore[method-assign]
    House(database).close(now)
    if told is not None:
        told.write_text("".join(f"{name}\n" for name in reached))
    database.close()


def _name(gen: Generator[Any, Any, Any]) -> str:
    """Of a statement that is about to run; "" for anything else."""
    assert isinstance(gen, GeneratorType)
    kind = gen.gi_code.co_name
    if kind not in _STATEMENTS or gen.gi_frame is None:
        return ""
    query = gen.gi_frame.f_locals.get("query", b"")
    text = query.decode() if isinstance(query, bytes) else str(query)
    return _STATEMENTS[kind] or " ".join(text.split())
