"""python -m tests.chaos.sender: one of the senders, which dies now and then and goes on where it was.

An item counts as sent when it was answered so, or lies in an emitter's spool; until then it is sent again.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from faas_billing_emitter import Emitter
from faas_billing_emitter.sink import HttpSink

from tests.chaos.load import Item, Load, event_data, ingest_body
from tests.chaos.points import EMITTER, HITS, Points, counts, done

SENDER_KILLED = "sender: at any time"
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
TIMEOUT_S = 20.0
PAUSE_S = 0.1
EMIT_PAUSE_S = 0.001


@dataclass(frozen=True)
class Orders:
    """What a sender is told. The load advances with the kills: of `kills` so many as there were."""

    folder: str
    slot: int
    slots: int
    seed: int
    tenants: int
    records: int
    kills: int
    patience_s: float
    broker_port: int
    api_port: int
    admin_key: str

    @classmethod
    def read(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def text(self) -> str:
        return json.dumps(asdict(self))


class Progress:
    """How far a sender came: lines added to a file, so that a half-written one is seen."""

    def __init__(self, path: Path) -> None:
        text = path.read_text() if path.exists() else ""
        self.done = text.count("\n")
        self._file = path.open("a")

    def advance(self) -> None:
        self._file.write("\n")
        self._file.flush()
        self.done += 1


class Sender:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._folder = Path(orders.folder)
        self._points = Points(self._folder, f"{orders.seed} sender {orders.slot}")
        # Between an emit and its note nothing may die: else nobody could say whether it was kept.
        self._unsure = threading.Lock()

    def run(self) -> None:
        load = Load(self._orders.seed, self._orders.tenants, self._orders.records)
        mine = [item for n, item in enumerate(load.items()) if n % self._orders.slots == self._orders.slot]
        progress = Progress(self._folder / f"sender-{self._orders.slot}")
        for item in mine[progress.done :]:
            self._wait_for_kills(progress.done / len(mine))
            self._send(item)
            if item.again:
                self._send(item)
            progress.advance()
            self._points.reach(SENDER_KILLED)

    def _wait_for_kills(self, sent: float) -> None:
        """A little flows in any case: some points are only reached while usage does."""
        until_s = time.monotonic() + self._orders.patience_s
        while sent > (done(counts(self._folder / HITS), self._orders.kills) + 1) / self._orders.kills:
            if time.monotonic() > until_s:
                return
            time.sleep(PAUSE_S)

    def _send(self, item: Item) -> None:
        match item.way:
            case "event":
                self._until_taken(self._orders.broker_port, "/billing/default", *_event(item))
            case "api":
                key = {"Authorization": f"Bearer {self._orders.admin_key}", "Idempotency-Key": _id(item)}
                headers = {"Content-Type": "application/json", **key}
                self._until_taken(self._orders.api_port, "/api/v1/metrics/ingest", headers, ingest_body(item))
            case "emitter":
                self._emit(item)

    def _until_taken(self, port: int, path: str, headers: Mapping[str, str], body: bytes) -> None:
        while True:
            with suppress(OSError, http.client.HTTPException):
                status, answer = _post(port, path, headers, body)
                if status == 202:
                    return
                if status < 500:
                    sys.exit(f"{path} answered {status} {answer!r}")
            time.sleep(PAUSE_S)

    def _emit(self, item: Item) -> None:
        """Each record once into the spool of the tenant, and out of it before the next item."""
        kept = Progress(self._folder / f"emitted-{item.tenant}")
        sink = f"http://127.0.0.1:{self._orders.broker_port}/billing/default"
        spool = self._folder / "spools" / item.tenant
        with closing(Emitter(sink=sink, tenant=item.tenant, spool=spool, max_age_s=0.05)) as emitter:
            emitter.open()
            for record in item.records[kept.done :]:
                with self._unsure:
                    if not emitter.emit(**_emitted(record)):
                        sys.exit(f"the emitter did not keep {record}")
                    kept.advance()
                time.sleep(EMIT_PAUSE_S)
            while not emitter.flush():
                pass
            if (status := emitter.status()).batches_refused or status.records_lost:
                sys.exit(f"{item.tenant}: {status}")

    def die_between_seal_and_send(self) -> None:
        if self._points.draws(EMITTER):
            with self._unsure:
                self._points.kill(EMITTER)


def _event(item: Item) -> tuple[dict[str, str], bytes]:
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": item.id,
        "ce-source": f"/chaos/{item.tenant}",
        "ce-type": "dev.faasbilling.usage.recorded.v1",
        "ce-tenantid": item.tenant,
        "ce-sequence": item.id,
    }
    return {"Content-Type": "application/json", **attributes}, event_data(item)


def _id(item: Item) -> str:
    return f"{item.tenant}-{item.id}"


def _emitted(record: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(record)
    at = datetime.fromisoformat(fields.pop("timestamp"))
    return {**fields, "timestamp_ns": (at - EPOCH) // timedelta(microseconds=1) * 1000}


def _post(port: int, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()


def _stop_between_seal_and_send(sender: Sender) -> None:
    post = HttpSink.post

    def stopping(self: HttpSink, *args: Any, **kwargs: Any) -> Any:
        sender.die_between_seal_and_send()
        return post(self, *args, **kwargs)

    HttpSink.post = stopping  # type: ignore[method-assign]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    sender = Sender(Orders.read(sys.argv[1]))
    _stop_between_seal_and_send(sender)
    sender.run()


if __name__ == "__main__":
    main()
