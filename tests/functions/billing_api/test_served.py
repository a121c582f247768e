"""The function as a process of its own, started as its func.yaml says, over real HTTP."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.functions.billing_api.fakes import KEY
from tests.functions.serving import Served, serving

SENT = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
TENANT = {"name": "Demo", "slug": "demo", "currency": "EUR", "aliases": ["demo-tenant"]}
RECORD = {"timestamp": "2025-10-15T12:00:00Z", "tenant_id": "demo-tenant", "service_name": "waiter"}
MIB = 2**20


@pytest.fixture
def served(tmp_path: Path, database_url: str) -> Iterator[Served]:
    with serving(tmp_path, "billing_api", DATABASE_URL=database_url, ADMIN_API_KEY=KEY) as served:
        yield served


def eventually(condition: Callable[[], bool], limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def test_usage_posted_over_http_is_in_the_windows_soon(served: Served) -> None:
    created = served.request("POST", "/api/v1/tenants", SENT, json.dumps(TENANT).encode())
    assert created.status == 201
    accepted = served.request("POST", "/api/v1/metrics/ingest", SENT, json.dumps(RECORD).encode())
    assert (accepted.status, json.loads(accepted.body)) == (202, {"accepted": 1, "duplicate": 0})

    def invocations() -> dict[str, int]:
        listed = served.request("GET", "/api/v1/usage-aggregates?tenant_id=demo", SENT)
        return {window["window_size"]: window["invocations"] for window in json.loads(listed.body)["items"]}

    eventually(lambda: invocations() == {"5m": 1, "1h": 1, "1d": 1})


def test_what_is_too_large_is_413_and_the_sender_sees_it(served: Served) -> None:
    large = b" " * (17 * MIB)
    assert served.request("POST", "/api/v1/metrics/ingest", SENT, large).status == 413
    assert served.request("POST", "/api/v1/tenants", SENT, large).status == 413
    assert served.request("POST", "/api/v1/metrics/ingest", {}, large).status == 401
    assert served.request("POST", "/nothing", SENT, large).status == 404

    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    chunks = (large[:MIB] for _ in range(17))
    connection.request("POST", "/api/v1/metrics/ingest", chunks, SENT, encode_chunked=True)
    assert connection.getresponse().read().startswith(b'{"type": "about:blank"')
    connection.request("GET", "/api/v1/health")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_head_request_is_answered_without_a_body(served: Served) -> None:
    answer = served.request("HEAD", "/api/v1/health")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", b"")


@pytest.mark.parametrize(
    "path", ["/%ff", "/a/../b", "//", "/api/v1/tenants/%00", "/api/v1/tenants/%2e%2e%2f"]
)
def test_an_odd_address_is_404(served: Served, path: str) -> None:
    answer = served.request("GET", path, SENT)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
