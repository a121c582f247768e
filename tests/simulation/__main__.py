"""python -m tests.simulation: rates random records by the system and by other means, and compares."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import runtime.postgres
from runtime.processes import Process
from shared.adapters.postgres.pool import Database
from shared.migrations import upgrade
from tests.simulation.simulation import simulate

SHOWN_MAX = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    given = parser.parse_args()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="simulation-", ignore_cleanup_errors=True) as folder:
        server = runtime.postgres.prepare(Path(folder), runtime.postgres.FORGETFUL)
        process = Process.start(server.command)
        try:
            process.wait_until(server.ready, limit_s=runtime.postgres.READY_LIMIT_S)
            upgrade(server.url)
            database = Database(server.url)
            try:
                outcome = simulate(database, records=given.records, seed=given.seed, say=say)
            finally:
                database.close()
        finally:
            process.stop()
    print(outcome)
    for line in outcome.wrong[:SHOWN_MAX]:
        print(line)
    say("WRONG" if outcome.wrong else "every line and total as computed independently")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
