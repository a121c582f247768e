"""The bundled trace, sent as user functions would send it, and what the product then bills for it."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO
from urllib.error import HTTPError
from urllib.parse import urljoin

from faas_billing_emitter import Emitter

from runtime.bills import ReplayFailed, ask, bill_of, table
from runtime.invoice import write_invoice
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
AGGREGATOR_TRIGGER: Final = "aggregator-usage"


def replay(broker_url: str, api_url: str, admin_key: str, state_dir: Path, out: TextIO) -> None:
    """Sends the trace to the Broker, waits until it is processed, and prints the bill of each tenant.

    Raises ReplayFailed.
    """
    trace = {invocations[0].tenant: invocations for invocations in read_trace().values()}
    # A fresh spool numbers from 1: a repeat sends the same batches with the same ids, and adds nothing.
    spools = state_dir / "replay"
    shutil.rmtree(spools, ignore_errors=True)
    for tenant, invocations in trace.items():
        _send(tenant, invocations, broker_url, spools / tenant)
    shutil.rmtree(spools)
    _say(out, f"sent {sum(map(len, trace.values()))} invocations of {len(trace)} tenants")
    _drain(urljoin(broker_url, "/backlog"), out)
    bills = [bill_of(tenant, api_url, admin_key) for tenant in trace]
    for bill in bills:
        sent = len(trace[bill.tenant])
        if bill.invocations < sent:
            raise ReplayFailed(
                f"tenant {bill.tenant}: only {bill.invocations} of {sent} invocations were counted;"
                " the dead letters say why"
            )
    print(table(bills), file=out, flush=True)


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
    began = said = time.monotonic()
    while left := _left(backlog_url):
        now = time.monotonic()
        if now - began >= DRAIN_LIMIT_S:
            raise ReplayFailed(f"after {DRAIN_LIMIT_S:g} s still {left}")
        if now - said >= SAY_EVERY_S:
            _say(out, f"waiting: {left}")
            said = now
        time.sleep(POLL_S)


def _left(backlog_url: str) -> str:
    """What keeps us waiting, for people; nothing when the aggregator has all usage.

    A Broker that does not answer may be starting again. Raises ReplayFailed where it answers that it has no
    such page.
    """
    try:
        backlog = ask(backlog_url)
    except ReplayFailed as failure:
        if isinstance(failure.__cause__, HTTPError) and failure.__cause__.code < 500:
            raise
        return f"no answer from {failure}"
    outstanding = int(backlog.get("by_trigger", {}).get(AGGREGATOR_TRIGGER, backlog["outstanding"]))
    return f"{outstanding} events to be delivered" if outstanding else ""


def _say(out: TextIO, line: str) -> None:
    print(f"          {line}", file=out, flush=True)


def main(env: Mapping[str, str]) -> int:
    try:
        seed(env["DATABASE_URL"])
        state_dir = Path(env["STATE_DIR"])
        replay(env["BROKER_URL"], env["API_URL"], env["ADMIN_API_KEY"], state_dir, sys.stdout)
        write_invoice(env["API_URL"], env["ADMIN_API_KEY"], state_dir, sys.stdout)
    except (ReplayFailed, Rejected, Unavailable, OSError) as failure:
        print(f"replay failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(environment()))
