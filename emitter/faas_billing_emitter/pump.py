"""The thread that seals batches in time and sends them, oldest first, until they are taken."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass

from faas_billing_emitter.alarm import Alarm
from faas_billing_emitter.sink import CONNECT_TIMEOUT_S, TICK_S, Answer, HttpSink, Outcome
from faas_billing_emitter.spool import Spool

log = logging.getLogger("faas_billing_emitter")


@dataclass(frozen=True)
class Pace:
    """When to seal and when to send again. `max_age_s` None: only what is full or flushed is sealed."""

    max_age_s: float | None = 1.0
    retry_s: float = 0.2
    retry_s_max: float = 30.0
    exit_limit_s: float = 5.0

    def wait_s(self, failures: int) -> float:
        """Doubles with each failure in a row; half of it is chance, so that senders spread."""
        whole = min(self.retry_s_max, self.retry_s * 2.0 ** min(failures - 1, 32))
        return whole * random.uniform(0.5, 1.0)


class Pump:
    """Owns a spool and a sink. The thread ends when it is closed, or soon after the main thread has."""

    def __init__(self, spool: Spool, sink: HttpSink, pace: Pace) -> None:
        self.spool, self._sink, self._pace = spool, sink, pace
        self._changed = threading.Condition()
        self._failures = 0
        self._send_at_s = 0.0
        self._end_at_s: float | None = None
        self._trouble = Alarm(logging.WARNING, "usage stays in the spool for now")
        self.delivered = 0
        # Not a daemon: where atexit does not run (a forked multiprocessing child) it still drains.
        self._thread = threading.Thread(target=self._run, name="faas-billing-emitter")
        self._thread.start()

    def append(self, record: bytes, now_ns: int, request_id: str | None) -> None:
        """Raises Repeated, SpoolFull or OSError where the record was not kept."""
        if self.spool.append(record, now_ns, request_id):
            self._wake()

    def flush(self, limit_s: float) -> bool:
        """True where all that was appended before is delivered within the limit."""
        refused = self.spool.refused
        self._seal(also_unfilled=True)
        last = self.spool.last_number
        self._try_now()
        with self._changed:
            self._changed.wait_for(lambda: self._settled(last) or not self._thread.is_alive(), limit_s)
        return self._settled(last) and self.spool.refused == refused

    def _settled(self, number: int) -> bool:
        return self.spool.settled_number >= number

    def close(self, limit_s: float) -> bool:
        """Delivers what it can within the limit. True where nothing is left; what is stays in the spool."""
        self._end_within(limit_s)
        self._thread.join(limit_s + CONNECT_TIMEOUT_S)
        return self.spool.batches_held == 0

    def _end_within(self, limit_s: float) -> None:
        self._end_at_s = time.monotonic() + limit_s
        self._try_now()

    def _try_now(self) -> None:
        self._failures, self._send_at_s = 0, 0.0
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while not self._over():
                more = self._step()
                with self._changed:
                    self._changed.notify_all()
                    if not more:
                        self._changed.wait(TICK_S)
        finally:
            self._sink.close()
            self.spool.close()
            self._wake()

    def _over(self) -> bool:
        return self._past_end() or (self._end_at_s is not None and self.spool.batches_held == 0)

    def _past_end(self) -> bool:
        if self._end_at_s is None and not threading.main_thread().is_alive():
            self._end_within(self._pace.exit_limit_s)
        return self._end_at_s is not None and time.monotonic() >= self._end_at_s

    def _step(self) -> bool:
        """Seals what is due and sends one batch. True where there is more to do at once."""
        try:
            self._seal(also_unfilled=self._end_at_s is not None or self._aged())
            return time.monotonic() >= self._send_at_s and self._send_oldest()
        except Exception as failure:  # a fault of ours or of the disk: the records stay, and it goes on
            log.exception("the emitter's thread failed and goes on")
            self._put_off(failure)
            return False

    def _seal(self, *, also_unfilled: bool) -> None:
        try:
            self.spool.seal(also_unfilled=also_unfilled)
        except OSError as failure:  # a full disk: sending what is sealed makes room
            self._trouble.ring(failure)

    def _aged(self) -> bool:
        since_s, age_s = self.spool.open_since_s, self._pace.max_age_s
        return since_s is not None and age_s is not None and time.monotonic() - since_s >= age_s

    def _send_oldest(self) -> bool:
        batch = self.spool.oldest()
        if batch is None:
            return False
        answer = self._sink.post(batch, self._past_end)
        if answer.outcome is Outcome.UNKNOWN:
            self._put_off(f"batch {batch.id}: {answer.status or 'no answer'} {answer.reason}")
            return False
        self._settle(batch.id, answer)
        return True

    def _settle(self, id: str, answer: Answer) -> None:
        if self._failures:
            log.warning("usage is delivered again after %d failures", self._failures)
        self._failures = 0
        if answer.outcome is Outcome.DELIVERED:
            self.spool.settle()
            self.delivered += 1
        else:
            log.error("batch %s was refused for good: %s %s", id, answer.status, answer.reason)
            self.spool.refuse({"id": id, "status": answer.status, "reason": answer.reason})

    def _put_off(self, why: object) -> None:
        self._failures += 1
        self._send_at_s = time.monotonic() + self._pace.wait_s(self._failures)
        self._trouble.ring(why)
