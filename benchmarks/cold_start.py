"""From exec to the first event done, of each function, in turn with a function that does nothing."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http.client import HTTPException
from statistics import median
from typing import Final

from benchmarks import machine
from benchmarks.load import TENANTS, slug
from benchmarks.servers import Servers, event_headers, function_command, one_record, request
from eventing import types
from runtime import ports
from runtime.processes import Command, Process
from shared.adapters.system import system_clock

LIMIT_S: Final = 60.0
POLL_S: Final = 0.002
HEALTH: Final = "/api/v1/health"
FIRST: Final = {
    "billing-aggregator": (types.USAGE_RECORDED, "the first usage committed"),
    "billing-pricing": (types.USAGE_AGGREGATED, "the first cost accrued"),
    "billing-dead-letter": (types.USAGE_RECORDED, "the first letter kept"),
    "billing-api": ("", f"the first answer of {HEALTH}"),
}
"""The type of the event that is sent first, and what is done then; without one the health is asked for."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds until the first work was done, of the function and of the bare one beside it; the worker's
    memory after it."""

    seconds: Sequence[float]
    bare_seconds: Sequence[float]
    pss_bytes: int

    @property
    def ratio(self) -> float:
        return median(self.seconds) / median(self.bare_seconds)


def measure(servers: Servers, name: str, runs: int, sink_port: int) -> ColdStart:
    """One start of each before the clock counts: the files are read then."""
    took: list[tuple[float, int]] = []
    bare: list[tuple[float, int]] = []
    for _ in range(runs + 1):
        (port,) = ports.some_free(1, frozenset())
        command = function_command(servers, name, port, sink_port)
        took.append(_start(command, port, FIRST[name][0]))
        nothing = replace(command, name="bare", argv=(sys.executable, "-m", "benchmarks.bare"))
        bare.append(_start(nothing, port, types.USAGE_RECORDED))
    return ColdStart([s for s, _ in took[1:]], [s for s, _ in bare[1:]], took[-1][1])


def _start(command: Command, port: int, type: str) -> tuple[float, int]:
    """Seconds until the first 2xx, and the worker's memory then. Raises TimeoutError."""
    now = system_clock().isoformat()
    headers, body = event_headers(type, "/bench/cold", now, slug(TENANTS)), one_record(now)
    began = time.perf_counter()
    process = Process.start(command)
    try:
        while (took_s := time.perf_counter() - began) < LIMIT_S:
            with suppress(OSError, HTTPException):
                first = request(port, "POST", "/", headers, body) if type else request(port, "GET", HEALTH)
                if 200 <= first < 300:
                    return time.perf_counter() - began, machine.pss_bytes(machine.worker(process.pid))
            time.sleep(POLL_S)
        raise TimeoutError(f"{command.name} did nothing in {took_s:.0f} s")
    finally:
        process.stop()
