"""A third party's subscriber, added by a Trigger file with a filter on `tenantid` and nothing else."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.e2e.product import Product, until

TRIGGER = """
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: third-party, namespace: billing}}
spec:
  broker: default
  filters: [{{exact: {{tenantid: {tenant}}}}}]
  subscriber: {{uri: "http://127.0.0.1:{port}/"}}
"""
RECORD = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","duration_seconds":0.1}'
COSTLY = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","invocations":2000000}'
RECORDED = "dev.faasbilling.usage.recorded.v1"
AGGREGATED = "dev.faasbilling.usage.aggregated.v1"
ACCRUED = "dev.faasbilling.cost.accrued.v1"


@dataclass
class Subscriber:
    """Keeps what it gets, and answers with `status`."""

    status: int = 204
    received: list[tuple[float, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    def ids(self, type: str) -> list[str]:
        return [headers["ce-id"] for _, headers, _ in self.received if headers["ce-type"] == type]

    def times_of(self, id: str) -> list[float]:
        return [at for at, headers, _ in self.received if headers["ce-id"] == id]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    state = Subscriber()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.received.append((time.monotonic(), {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_subscriber_gets_every_event_of_its_tenant_and_no_others(
    product: Product, subscriber: Subscriber
) -> None:
    ours, others = product.tenant("subscribed"), product.tenant("not-subscribed")
    trigger = product.triggers_dir / "third-party.yaml"
    trigger.write_text(TRIGGER.format(tenant=ours, port=subscriber.port))

    def send(id: str, tenant: str = ours, data: bytes = RECORD) -> None:
        assert product.send_event(data, {"id": id, "type": RECORDED, "tenantid": tenant}).status == 202

    def probed() -> bool:
        # A Trigger gets what comes after it was read; a probe tells when that was.
        send(f"probe-{time.monotonic_ns()}")
        return bool(subscriber.received)

    until(probed, 10)

    send("one", data=COSTLY)
    send("theirs", others)
    until(lambda: subscriber.ids(RECORDED).count("one") == 1, 5)
    until(lambda: bool(subscriber.ids(AGGREGATED)), 20)
    until(lambda: bool(subscriber.ids(ACCRUED)), 20)
    for _, headers, body in subscriber.received:
        assert headers["ce-tenantid"] == ours
        assert headers["ce-specversion"] == "1.0"
        assert headers["content-type"] == "application/json"
        if headers["ce-type"] == RECORDED:
            assert body == (COSTLY if headers["ce-id"] == "one" else RECORD)

    subscriber.status = 503
    send("comes-again")
    until(lambda: len(subscriber.times_of("comes-again")) == 3, 15)
    subscriber.status = 204
    first, second, third = subscriber.times_of("comes-again")[:3]
    assert third - second > second - first > 0.9
    until(lambda: len(subscriber.times_of("comes-again")) == 4, 15)

    subscriber.status = 422
    send("refused")
    until(lambda: any(letter.letter.attributes["id"] == "refused" for letter in product.dead_letters()), 15)
    subscriber.status = 204
    product.settle()
    assert len(subscriber.times_of("refused")) == 1
    assert "theirs" not in subscriber.ids(RECORDED)

    trigger.unlink()
