"""Loud, but not a flood: what goes wrong on every call of a busy function is logged once in a while."""

from __future__ import annotations

import logging
import threading
import time

log = logging.getLogger("faas_billing_emitter")


class Alarm:
    """Counts each occurrence; logs the first, then at most one per `interval_s` with the count so far."""

    def __init__(self, level: int, message: str, *, interval_s: float = 10.0) -> None:
        self.count = 0
        self._level, self._message, self._interval_s = level, message, interval_s
        self._quiet_until_s = 0.0
        self._lock = threading.Lock()

    def ring(self, why: object) -> None:
        with self._lock:
            self.count += 1
            now_s = time.monotonic()
            if now_s < self._quiet_until_s:
                return
            self._quiet_until_s = now_s + self._interval_s
        log.log(self._level, "%s (%d so far): %s", self._message, self.count, why)
