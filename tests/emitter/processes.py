"""Real processes that emit, for tests that kill them."""

import os
import subprocess
import sys
from pathlib import Path

from shared.config import environment

CHECKOUT = Path(__file__).resolve().parents[2]

EMIT = """
import os, sys, time
from faas_billing_emitter import Emitter
url, spool, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
emitter = Emitter(sink=url, tenant="acme", spool=spool, max_age_s=0.01, exit_limit_s=10)
def emit(n):
    return emitter.emit(service_name="waiter", revision="waiter-00001", memory_mb=256, duration_ns=n)
"""
"""Programs begin with this; `emit(n)` emits one record."""

FOR_EVER = """
n = first
while True:
    assert emit(n)
    os.write(1, b"%d\\n" % n)
    n += 1
    time.sleep(0.0005)
"""


def start(program: str, url: str, spool: Path, first: int = 0) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "emitter")))
    return subprocess.Popen(
        [sys.executable, "-c", EMIT + program, url, str(spool), str(first)],
        env={**environment(), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
    )
