"""Work beside the requests of a function: when woken, on time, and once more before the process ends."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from shared.domain.errors import Unavailable

logger = logging.getLogger(__name__)

BACKOFF_S: Final = 0.1
BACKOFF_S_MAX: Final = 30.0
WATCH_S: Final = 0.1
"""How soon the end of the main thread is noticed."""


class Background:
    """Calls `work` at once when started, then whenever woken or due.

    `work` returns the seconds until it wants to be called again, None for only when woken. What it raises
    is logged, and it is called again after a growing pause, however often it is woken. After a call it rests
    for the first of `rests_s`, and again as long as it was woken meanwhile, but no longer than the second.
    When the main thread has ended, or at `stop`, the call in progress ends, `drain` is called once, and the
    process waits for both no longer than `drain_limit_s`.

    Nothing starts before the first `start` or `wake`: servers fork after import. Thread-safe.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], float | None],
        *,
        drain: Callable[[], None] | None = None,
        drain_limit_s: float = 20.0,
        rests_s: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._name = name
        self._work = work
        self._drain = drain
        self._drain_limit_s = drain_limit_s
        self._rest_s, self._rest_s_max = rests_s
        self._starting = threading.Lock()
        self._keeper: threading.Thread | None = None
        self._woken = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Starts it, once."""
        if self._keeper is not None:
            return
        with self._starting:
            if self._keeper is None and not self._stopping.is_set():
                worker = threading.Thread(target=self._run, name=self._name, daemon=True)
                # Said aloud: else it is what the server's own thread is, that serves the request.
                keeper = threading.Thread(
                    target=self._keep, args=(worker,), name=f"{self._name}-keeper", daemon=False
                )
                worker.start()
                keeper.start()
                self._keeper = keeper

    def wake(self) -> None:
        """Has `work` called soon, starting if need be. Calls while it works count as one."""
        self._woken.set()
        self.start()

    def stop(self) -> None:
        """Ends it and waits until it is drained or the limit has passed."""
        with self._starting:
            self._stopping.set()
        self._woken.set()
        if self._keeper is not None:
            self._keeper.join()

    def _keep(self, worker: threading.Thread) -> None:
        """Not a daemon: holds the process until the worker, which is one, has drained, or may not longer."""
        main = threading.main_thread()
        while main.is_alive() and not self._stopping.wait(WATCH_S):
            pass
        self._stopping.set()
        self._woken.set()
        worker.join(self._drain_limit_s)
        if worker.is_alive():
            logger.error("%s did not finish within %s s of stopping", self._name, self._drain_limit_s)

    def _run(self) -> None:
        backoff_s = BACKOFF_S
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                pause_s = self._work()
            except Exception as error:
                away = isinstance(error, Unavailable)
                logger.error(
                    "%s: %s; next try in %s s", self._name, error, backoff_s, exc_info=None if away else error
                )
                self._stopping.wait(backoff_s)
                backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)
            else:
                backoff_s = BACKOFF_S
                if not self._rest():
                    self._woken.wait(pause_s)
        if self._drain is not None:
            try:
                self._drain()
            except Exception:
                logger.exception("%s could not drain", self._name)

    def _rest(self) -> bool:
        """Whether it was woken, or stopped, while it rested or worked."""
        rested_until = time.monotonic() + self._rest_s_max
        was_woken = False
        # `stop` is asked for first, which may have woken it before `clear`.
        while not self._stopping.wait(self._rest_s):
            if not self._woken.is_set():
                return was_woken
            was_woken = True
            if time.monotonic() >= rested_until:
                return True
            self._woken.clear()
        return True
