"""`make run`: everything on this machine, from the servers to the bill, until Ctrl-C."""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

import psycopg
import redis.exceptions

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
EXPECTED: Final = (ProcessFailed, StateInUse, Rejected, OSError, psycopg.Error, redis.exceptions.RedisError)
INTERRUPTED: Final = 130


class StopFlag:
    """Turns true at the first Ctrl-C, SIGTERM or lost terminal; asked for, never raised, so that no child
    is ever started and forgotten."""

    def __init__(self) -> None:
        self._raised = False
        # A shell starts what is in the background with Ctrl-C ignored, and nohup without the terminal: only
        # the second is somebody's wish.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._raise)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._raise)

    def __call__(self) -> bool:
        return self._raised

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        self._raised = True


def progress(started_at: float) -> Callable[[str], None]:
    """Says lines with the seconds since `started_at`."""

    def say(line: str) -> None:
        print(f"{time.monotonic() - started_at:6.1f} s  {line}", flush=True)

    return say


def main(env: Mapping[str, str]) -> int:
    print(BANNER, flush=True)
    stopped = StopFlag()
    say = progress(time.monotonic())
    up = False
    try:
        settings = RuntimeSettings.read(env)
        with Session(settings, say, stopped) as session:
            session.bring_up()
            up = True
            session.replay()
            session.describe()
            if not settings.once:
                session.watch()
    except Stopped:
        say("stopped")
        return 0 if up and not settings.once else INTERRUPTED
    except Rejected as rejected:
        for fault in rejected.faults:
            say(f"FAILED: {fault}")
        return 1
    except EXPECTED as error:
        say(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(environment()))
