"""`make run`: everything on this machine, from the servers to the bill, until Ctrl-C."""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

import psycopg

from runtime.processes import ProcessFailed
from runtime.session import Session
from runtime.settings import RuntimeSettings
from runtime.state import StateInUse
from runtime.supervisor import Stopped
from shared.config import environment
from shared.domain.errors import Rejected

BANNER: Final = """\
FaaS Billing, development runtime: one machine, no users, no TLS. It is NOT a production broker;
production is Knative with the Kafka or RabbitMQ Broker, PostgreSQL and Redis."""
EXPECTED: Final = (ProcessFailed, StateInUse, Rejected, OSError, psycopg.Error)
INTERRUPTED: Final = 130


def stop_flag() -> Callable[[], bool]:
    """Turns true at the first Ctrl-C, SIGTERM or lost terminal; asked for, never raised, so that no child
    is ever started and forgotten."""
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A shell starts what is in the background with Ctrl-C ignored, and nohup without the terminal: only
        # the second is somebody's wish.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: received.append(number))
    return lambda: bool(received)


def progress(started_at: float) -> Callable[[str], None]:
    """Says lines with the seconds since `started_at`."""

    def say(line: str) -> None:
        print(f"{time.monotonic() - started_at:6.1f} s  {line}", flush=True)

    return say


def main(env: Mapping[str, str]) -> int:
    print(BANNER, flush=True)
    say = progress(time.monotonic())
    stopped = stop_flag()
    try:
        Session(RuntimeSettings.read(env), say, stopped).run()
    except Stopped:
        return INTERRUPTED
    except EXPECTED as error:
        for fault in error.faults if isinstance(error, Rejected) else [error]:
            say(f"FAILED: {fault}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(environment()))
