"""python -m tests.soak: what takes too long for `make test`. Says what it does, exits 1 if anything is wrong.

idle    for half an hour without traffic every function must be at zero 10 of any 15 minutes
repeat  the e2e and chaos tests must pass 20 times in a row with both cores busy
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.product import CHECKOUT, running_product
from tests.soak.idle import least_at_zero_s, watch

WINDOW_S = 15 * 60
AT_ZERO_S = 10 * 60
TESTS = ("tests/e2e", "tests/chaos")

Say = Callable[[str], None]


def idle(say: Say, minutes: float) -> bool:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, running_product(Path(folder)) as product:
        say(f"the product is up and left alone for {minutes:g} minutes")
        samples = watch(product, minutes * 60, 1.0, say)
    least = least_at_zero_s(samples, WINDOW_S)
    for name, zero_s in least.items():
        say(f"{name} was at zero for at least {zero_s / 60:.1f} of any {WINDOW_S // 60} minutes")
    ticked = any(sample.running for sample in samples if sample.at_s > WINDOW_S)
    if not ticked:
        say("no tick came, so that this says nothing")
    return ticked and all(zero_s >= AT_ZERO_S for zero_s in least.values())


def repeat(say: Say, times: int, busy: int) -> bool:
    with _busy_cores(busy):
        for n in range(1, times + 1):
            tests = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", *TESTS],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            say(f"{n} of {times}: {tests.stdout.splitlines()[-1]}")
            if tests.returncode != 0:
                print(tests.stdout)
                return False
    return True


@contextmanager
def _busy_cores(count: int) -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("what", nargs="*", default=["idle", "repeat"], help="idle, repeat, or both")
    parser.add_argument("--minutes", type=float, default=32)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--busy", type=int, default=2, help="processes that keep a core busy meanwhile")
    given = parser.parse_args()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)

    passed = True
    if "idle" in given.what:
        passed &= idle(say, given.minutes)
    if "repeat" in given.what:
        passed &= repeat(say, given.times, given.busy)
    say("all holds" if passed else "WRONG")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
