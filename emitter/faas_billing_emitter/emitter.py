"""What a user function calls: `emit` keeps a usage record, and it will be billed once."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from faas_billing_emitter.alarm import Alarm
from faas_billing_emitter.cloudevent import require_plain
from faas_billing_emitter.folder import SpoolInUse
from faas_billing_emitter.pump import Pace, Pump
from faas_billing_emitter.record import Record
from faas_billing_emitter.sink import ANSWER_TIMEOUT_S, HttpSink
from faas_billing_emitter.spool import SPOOL_BYTES_MAX, Repeated, Spool

REOPEN_S = 5.0


@dataclass(frozen=True)
class Status:
    """Since this process opened the spool. `lost` records are in no file: the spool was full or unusable."""

    batches_held: int
    bytes_held: int
    batches_delivered: int
    batches_refused: int
    records_refused: int
    records_lost: int


class Emitter:
    """Sends the usage of one tenant's functions to `sink`, a Broker or anything that takes CloudEvents.

    Made without touching disk, network or threads: it opens its spool at the first `emit` of a process
    (also of a forked one), or by `open`. `spool` is a folder for one process; with `processes` > 1 so
    many share it, each with a numbered folder and source of its own. `source` must be unique per spool;
    left out, the spool makes and keeps one. A batch is sealed when it has 1,000 records or 768 KiB, is
    `max_age_s` old (None: never by age), or at `flush` and `close`. `clock` gives Unix nanoseconds.
    Raises ValueError for a sink, tenant or source that cannot be used.
    """

    def __init__(
        self,
        *,
        sink: str,
        tenant: str,
        spool: str | Path,
        source: str | None = None,
        processes: int = 1,
        max_age_s: float | None = 1.0,
        timeout_s: float = ANSWER_TIMEOUT_S,
        exit_limit_s: float = 5.0,
        spool_bytes_max: int = SPOOL_BYTES_MAX,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        HttpSink(sink)
        self._sink, self._timeout_s = sink, timeout_s
        self._tenant = require_plain("tenant", tenant)
        self._source = None if source is None else require_plain("source", source)
        self._spool, self._processes, self._bytes_max = Path(spool), processes, spool_bytes_max
        self._pace = Pace(max_age_s=max_age_s, exit_limit_s=exit_limit_s)
        self._clock = clock
        self._start_process()

    def _start_process(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pump: Pump | None = None
        self._closed = False
        self._reopen_at_s = 0.0
        self._trouble: BaseException | None = None
        self._lost = Alarm(logging.CRITICAL, "USAGE LOST: a record could not be kept")
        self._unfit = Alarm(logging.ERROR, "a record is not fit to be billed and was put aside")

    def emit(
        self,
        *,
        service_name: str,
        revision: str,
        duration_ns: int,
        memory_mb: int | Decimal | float,
        invocations: int = 1,
        timestamp_ns: int | None = None,
        cold_start: bool = False,
        errors: int = 0,
        cpu_ns: int = 0,
        egress_bytes: int = 0,
        labels: Mapping[str, str] | None = None,
        namespace: str | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Keeps one record; see `Record` for the fields. `timestamp_ns` left out means now.

        True: it is in the spool and outlives the process. False, and a log line: it is unfit and was put
        aside in the spool's `refused/records.jsonl`, or the spool is full or unusable and it is lost.
        Never waits for the network and never raises for what it is given.
        """
        try:
            now_ns = self._clock()
            record = Record(
                service_name=service_name,
                revision=revision,
                timestamp_ns=now_ns if timestamp_ns is None else timestamp_ns,
                duration_ns=duration_ns,
                memory_mb=memory_mb,
                invocations=invocations,
                cold_start=cold_start,
                errors=errors,
                cpu_ns=cpu_ns,
                egress_bytes=egress_bytes,
                labels=labels,
                namespace=namespace,
                request_id=request_id,
            )
            return self._keep(record, now_ns)
        except Exception as failure:  # metering must not break what is metered
            self._lost.ring(f"{type(failure).__name__}: {failure}")
            return False

    def _keep(self, record: Record, now_ns: int) -> bool:
        pump = self._running()
        faults = record.faults(now_ns)
        if not faults:
            try:
                pump.append(record.text(), now_ns, record.request_id or None)
                return True
            except Repeated as repeated:
                faults = [str(repeated)]
        self._unfit.ring("; ".join(faults))
        pump.spool.put_aside(_as_found(record, faults))
        return False

    def open(self) -> Emitter:
        """Opens the spool, resumes what an earlier process left in it, and starts to send.

        Raises SpoolInUse, ValueError (it belongs to another tenant or source) or OSError.
        """
        self._reopen_at_s = 0.0
        self._running()
        return self

    def flush(self, limit_s: float = 5.0) -> bool:
        """True where all that was emitted before is delivered within the limit."""
        pump = self._pump_of_this_process()
        return pump is None or pump.flush(limit_s)

    def close(self, limit_s: float | None = None) -> bool:
        """Delivers what it can within the limit (`exit_limit_s`); the rest stays in the spool.

        True where nothing is left. Happens by itself when the process's main thread has ended.
        """
        pump = self._pump_of_this_process()
        with self._lock:
            self._closed = True
        return pump is None or pump.close(self._pace.exit_limit_s if limit_s is None else limit_s)

    def exit_on_sigterm(self) -> None:
        """For a program without a server: SIGTERM ends it as `sys.exit` would, so that it can flush.

        Leaves a handler that is there alone. Call it in the main thread.
        """
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))

    def status(self) -> Status:
        pump = self._pump_of_this_process()
        return Status(
            batches_held=pump.spool.batches_held if pump else 0,
            bytes_held=pump.spool.bytes_held if pump else 0,
            batches_delivered=pump.delivered if pump else 0,
            batches_refused=pump.spool.refused if pump else 0,
            records_refused=self._unfit.count,
            records_lost=self._lost.count,
        )

    def __enter__(self) -> Emitter:
        return self.open()

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _pump_of_this_process(self) -> Pump | None:
        if self._pid != os.getpid():
            self._start_process()
        return self._pump

    def _running(self) -> Pump:
        pump = self._pump_of_this_process()
        return pump if pump is not None and not self._closed else self._start()

    def _start(self) -> Pump:
        with self._lock:
            if self._closed:
                raise RuntimeError("the emitter is closed")
            if self._pump is None:
                if self._trouble is not None and time.monotonic() < self._reopen_at_s:
                    raise self._trouble
                try:
                    self._pump = self._new_pump()
                except Exception as trouble:
                    self._trouble, self._reopen_at_s = trouble, time.monotonic() + REOPEN_S
                    raise
            return self._pump

    def _new_pump(self) -> Pump:
        spool = self._open_spool()
        try:
            return Pump(spool, HttpSink(self._sink, timeout_s=self._timeout_s), self._pace)
        except BaseException:
            spool.close()
            raise

    def _open_spool(self) -> Spool:
        if self._processes == 1:
            return Spool(self._spool, self._tenant, self._source, self._bytes_max)
        for number in range(self._processes):
            source = self._source and f"{self._source}/{number}"
            try:
                return Spool(self._spool / str(number), self._tenant, source, self._bytes_max)
            except SpoolInUse:
                continue
        raise SpoolInUse(f"{self._processes} processes use {self._spool} already")


def _as_found(record: Record, faults: list[str]) -> bytes:
    return json.dumps({"faults": faults, "record": asdict(record)}, default=repr).encode()
