"""python -m tests.chaos: many kills while much usage flows; exits 1 if anything is wrong."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.chaos import Plan, armed, run
from tests.chaos.load import Load


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--kills", type=int, default=220)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--tenants", type=int, default=1_000)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    given = parser.parse_args()
    plan = Plan(Load(given.seed, given.tenants, given.records), given.kills, given.restarts)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    say(f"seed {given.seed}: {given.records} records of {given.tenants} tenants, {given.kills} kills")
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        outcome = run(plan, armed(Path(folder), given.seed), Path(folder), say)
    print(outcome)
    say("WRONG" if outcome.wrong else "every window and bill as computed independently; nothing stuck")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
