"""The function as functions-framework serves it."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from functions_framework import create_app

from functions.billing_api import handler
from functions.billing_api.ports import ApiServices
from tests.functions.billing_api.fakes import KEY, Backend

MAIN = Path(__file__).parents[3] / "functions" / "main.py"
SENT = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> Iterator[FlaskClient]:
    monkeypatch.setattr(handler, "services", backend.services)
    handler.api.cache_clear()
    app = create_app("billing_api", source=str(MAIN), signature_type="http")  # type: ignore[no-untyped-call]
    yield app.test_client()
    handler.api.cache_clear()


def test_the_api_answers_through_the_framework(client: FlaskClient) -> None:
    created = client.post("/api/v1/tenants", json={"name": "Demo", "currency": "EUR"}, headers=SENT)
    assert created.status_code == 201
    listed = client.get("/api/v1/tenants?limit=1", headers=SENT)
    assert listed.content_type == "application/json"
    assert listed.get_json() == {"items": [created.get_json()], "next_cursor": None}


def test_problems_come_through_as_they_are(client: FlaskClient) -> None:
    for answer, status in (
        (client.get("/api/v1/tenants"), 401),
        (client.get("/"), 401),
        (client.get("/nothing", headers=SENT), 404),
        (client.get("//api/v1/tenants", headers=SENT), 404),
        (client.delete("/api/v1/tenants", headers=SENT), 405),
        (client.open("/api/v1/health", method="PROPFIND", headers=SENT), 405),
        (client.post("/api/v1/tenants", data=b"{", content_type="application/json", headers=SENT), 400),
    ):
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        assert json.loads(answer.data)["status"] == status


def test_17_mib_are_refused_and_the_client_may_finish_sending(client: FlaskClient) -> None:
    stream = BytesIO(b" " * (17 * 2**20))
    answer = client.post(
        "/api/v1/metrics/ingest",
        headers=SENT,
        content_type="application/json",
        input_stream=stream,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(17 * 2**20)},
    )
    assert answer.status_code == 413
    assert stream.read() == b""


@pytest.mark.parametrize("path", ["/health/liveness", "/health/readiness", "/metrics"])
def test_the_routes_of_every_function_ask_nothing_of_the_services(
    client: FlaskClient, backend: Backend, path: str
) -> None:
    backend.failure = ZeroDivisionError()
    assert client.get(path).status_code == 200


def test_the_app_is_made_once_on_the_first_request(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> None:
    made: list[ApiServices] = []

    def make() -> ApiServices:
        made.append(backend.services())
        return made[-1]

    monkeypatch.setattr(handler, "services", make)
    client.get("/health/readiness")
    assert made == []
    client.get("/api/v1/health")
    client.get("/api/v1/health")
    assert len(made) == 1
