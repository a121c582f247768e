"""The bundled trace, sent as user functions would send it, and what the product then bills for it."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urljoin

from faas_billing_emitter import Emitter

from runtime.bills import bill_of, table
from runtime.http_json import NoAnswer, ask
from runtime.seed import seed
from runtime.trace import MEMORY_MB, Invocation, read_trace
from shared.config import environment
from shared.domain.errors import Rejected, Unavailable

SOURCE: Final = "/faas-billing/replay/azure-functions-2021"
SEND_LIMIT_S: Final = 60.0
EXIT_LIMIT_S: Final = 5.0
DRAIN_LIMIT_S: Final = 120.0
POLL_S: Final = 0.1
SAY_EVERY_S: Final = 2.0
NEEDED: Final = ("DATABASE_URL", "BROKER_URL", "API_URL", "ADMIN_API_KEY", "STATE_DIR")
AGGREGATOR_TRIGGER: Final = "aggregator-usage"


class ReplayFailed(Exception):
    """The trace was not sent, or not billed; the text says why."""


def replay(broker_url: str, api_url: str, admin_key: str, state_dir: Path, out: TextIO) -> None:
    """Sends the trace to the Broker, waits until it is processed, and prints the bill of each tenant.

    The same batches with the same ids each time, so that a repeat adds nothing. Raises ReplayFailed.
    """
    trace = {invocations[0].tenant: invocations for invocations in read_trace().values()}
    try:
        _send_all(trace, broker_url, state_dir / "replay")
        _say(out, f"sent {sum(map(len, trace.values()))} invocations of {len(trace)} tenants")
        _drain(urljoin(broker_url, "/backlog"), out)
        bills = [bill_of(tenant, api_url, admin_key) for tenant in trace]
    except NoAnswer as failure:
        raise ReplayFailed(str(failure)) from failure
    for bill in bills:
        sent = len(trace[bill.tenant])
        if bill.invocations < sent:
            raise ReplayFailed(
                f"tenant {bill.tenant}: only {bill.invocations} of {sent} invocations were counted;"
                " the dead letters say why"
            )
    print(table(bills), file=out, flush=True)


def _send_all(trace: Mapping[str, Sequence[Invocation]], broker_url: str, spools: Path) -> None:
    """Fresh spools number from 1, so the same records become the same batches with the same ids."""
    shutil.rmtree(spools, ignore_errors=True)
    try:
        for tenant, invocations in trace.items():
            _send(tenant, invocations, broker_url, spools / tenant)
    finally:
        shutil.rmtree(spools, ignore_errors=True)


def _send(tenant: str, invocations: Sequence[Invocation], broker_url: str, spool: Path) -> None:
    source = f"{SOURCE}/{tenant}"
    with Emitter(
        sink=broker_url, tenant=tenant, source=source, spool=spool, max_age_s=None, exit_limit_s=EXIT_LIMIT_S
    ) as emitter:
        for invocation in invocations:
            emitter.emit(
                service_name=invocation.function,
                revision=invocation.revision,
                timestamp_ns=invocation.ended_at_ns,
                duration_ns=invocation.duration_ns,
                memory_mb=MEMORY_MB,
            )
        delivered = emitter.flush(SEND_LIMIT_S)
        status = emitter.status()
    if status.records_refused or status.records_lost or status.batches_refused:
        raise ReplayFailed(f"tenant {tenant}: usage was refused or lost: {status}")
    if not delivered:
        raise ReplayFailed(f"tenant {tenant}: {broker_url} did not take the usage within {SEND_LIMIT_S:g} s")


def _drain(backlog_url: str, out: TextIO) -> None:
    """Until the aggregator has all usage; other subscribers may lag without harm to a bill."""
    end_s = time.monotonic() + DRAIN_LIMIT_S
    say_at_s = time.monotonic() + SAY_EVERY_S
    while outstanding := _outstanding(ask(backlog_url)):
        if time.monotonic() >= end_s:
            raise ReplayFailed(f"{outstanding} events are not delivered after {DRAIN_LIMIT_S:g} s")
        if time.monotonic() >= say_at_s:
            _say(out, f"waiting for {outstanding} events to be delivered")
            say_at_s += SAY_EVERY_S
        time.sleep(POLL_S)


def _outstanding(backlog: Mapping[str, Any]) -> int:
    return int(backlog.get("by_trigger", {}).get(AGGREGATOR_TRIGGER, backlog["outstanding"]))


def _say(out: TextIO, line: str) -> None:
    print(f"          {line}", file=out, flush=True)


def main(env: Mapping[str, str]) -> int:
    if missing := [name for name in NEEDED if not env.get(name)]:
        print(f"replay failed: {', '.join(missing)} not set", file=sys.stderr)
        return 1
    try:
        seed(env["DATABASE_URL"])
        replay(env["BROKER_URL"], env["API_URL"], env["ADMIN_API_KEY"], Path(env["STATE_DIR"]), sys.stdout)
    except (ReplayFailed, Rejected, Unavailable, OSError) as failure:
        print(f"replay failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(environment()))
