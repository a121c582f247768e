"""Work in the background that says what it did."""

import threading
from collections.abc import Callable

from functions.background import Background

LIMIT_S = 10.0
Started = Callable[[Background], Background]
"""Stops it after the test."""


class Work:
    """Counts its calls, and does at each what `script` says: a pause to return or an error to raise."""

    def __init__(self, *script: float | Exception | None) -> None:
        self.script = list(script)
        self.calls = 0
        self.called = threading.Condition()

    def __call__(self) -> float | None:
        with self.called:
            self.calls += 1
            step = self.script.pop(0) if self.script else None
            self.called.notify_all()
        if isinstance(step, Exception):
            raise step
        return step

    def wait_for(self, calls: int) -> None:
        with self.called:
            assert self.called.wait_for(lambda: self.calls >= calls, LIMIT_S), self.calls
