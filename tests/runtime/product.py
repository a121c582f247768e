"""A small stand-in for the running product: a Broker, and an API that bills what the Broker took."""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ADMIN_KEY = "dev-key"


@dataclass
class Product:
    url: str = ""
    events: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """By (source, id): tenant and data."""
    broker_status: int = 202
    backlogs: list[dict[str, Any] | int] = field(default_factory=list)
    """What /backlog answers, one after the other; the last one stays. A number is a status, 0 no answer."""
    dropped: set[str] = field(default_factory=set)
    """Tenants whose usage never reaches the bill."""

    @property
    def broker_url(self) -> str:
        return f"{self.url}/billing/default"

    def backlog(self) -> dict[str, Any] | int:
        if not self.backlogs:
            return {"outstanding": 0}
        return self.backlogs.pop(0) if len(self.backlogs) > 1 else self.backlogs[0]

    def records_of(self, tenant: str) -> list[dict[str, Any]]:
        bodies = [data for owner, data in self.events.values() if owner == tenant not in self.dropped]
        return [record for body in bodies for record in json.loads(body)["records"]]

    def windows(self, tenant: str) -> dict[str, Any]:
        items = [
            {"invocations": 1, "billed_1ms_ms": math.ceil(record["duration_ns"] / 10**6)}
            for record in self.records_of(tenant)
        ]
        return {"items": items, "next_cursor": None}

    def bill(self, tenant: str) -> dict[str, Any]:
        windows = self.windows(tenant)["items"]
        ms = sum(window["billed_1ms_ms"] for window in windows)
        exact = len(windows) * Decimal("0.0000002") + ms * Decimal("0.00000025") * Decimal("0.0166667")
        return {"total_exact": f"{exact:f}", "total": f"{round(exact, 2):f}", "currency": "USD"}


def _handler(product: Product) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/billing/default":
                key = (self.headers["ce-source"], self.headers["ce-id"])
                product.events[key] = (self.headers["ce-tenantid"], body)
                self.answer(product.broker_status)
            elif self.headers["authorization"] != f"Bearer {ADMIN_KEY}":
                self.answer(401, {"title": "Unauthorized"})
            else:
                self.answer(200, product.bill(json.loads(body)["tenant_id"]))

        def do_GET(self) -> None:
            if self.path == "/backlog":
                match product.backlog():
                    case 0:
                        self.close_connection = True
                    case int(status):
                        self.answer(status)
                    case backlog:
                        self.answer(200, backlog)
            else:
                self.answer(200, product.windows(self.path.partition("tenant_id=")[2][:8]))

        def answer(self, status: int, content: object = None) -> None:
            body = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def running_product() -> Iterator[Product]:
    product = Product()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(product))
    product.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield product
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
