"""python -m tests.invoicing: many more histories of customers than the tests have, and longer ones."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import runtime.postgres
from runtime.processes import Process
from shared.adapters.postgres.pool import Database
from shared.migrations import upgrade
from tests.invoicing.histories import Histories, prepared
from tests.invoicing.house import House


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.invoicing")
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--steps", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="histories-", ignore_cleanup_errors=True) as folder:
        server = runtime.postgres.prepare(Path(folder), runtime.postgres.FORGETFUL)
        process = Process.start(server.command)
        try:
            process.wait_until(server.ready, limit_s=runtime.postgres.READY_LIMIT_S)
            upgrade(server.url)
            database = Database(server.url)
            try:
                run(database, given.histories, given.steps, phases=tuple(Phase))
            finally:
                database.close()
        finally:
            process.stop()
    print(f"{given.histories} histories of up to {given.steps} steps: every month costs what it should")
    return 0


def run(
    database: Database,
    histories: int,
    steps: int,
    *,
    phases: Sequence[Phase] = (Phase.generate,),
    derandomize: bool = False,
) -> None:
    """Raises AssertionError with a history that is wrong: the shortest, where `phases` have it shrunk, which
    takes minutes. Derandomised they are the same ones each time."""
    Histories.house = prepared(House(database))
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
