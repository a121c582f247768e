from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from functions.billing_api.bodies import BODY_BYTES_MAX
from shared.domain.usage import HTTP_BYTES_MAX
from tests.functions.billing_api.described import JSON, Described
from tests.functions.billing_api.fakes import KEY, Backend

TENANT = b'{"name": "Demo", "currency": "EUR"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"name": "Demo",}',
        b"{'name': 'Demo'}",
        TENANT + b', "x": NaN}',
        TENANT + b', "x": -Infinity}',
        TENANT + b', "name": "Other"}',
        TENANT + b"}{}",
        TENANT + b', "x": "\xff\xfe"}',
        TENANT + b', "x": "\xed\xa0\x80"}',
        TENANT + b', "x": "\x00"}',
        "\ufeff{}".encode(),
        '{"name": "Demo", "currency": "EUR"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        TENANT + b', "slug": "\\ud800"}',
        TENANT + b', "billing_email": "\\ud800@example.org"}',
        TENANT + b', "x": ' + b"1" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_not_json_is_400(api: Described, body: bytes) -> None:
    answer = api.post("/tenants", data=body, content_type=JSON)
    assert answer.status_code == 400


def test_a_surrogate_pair_is_a_character(api: Described) -> None:
    body = b'{"name": "\\ud83d\\ude00", "slug": "smile", "currency": "EUR"}'
    assert api.post("/tenants", data=body, content_type=JSON).get_json()["name"] == "\U0001f600"


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"{}"', b'"{\\"name\\": \\"Demo\\"}"', b"true"])
def test_json_that_is_no_object_is_422(api: Described, body: bytes) -> None:
    answer = api.post("/tenants", data=body, content_type=JSON)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        TENANT + b', "slug": "a\\u0000b"}',
        TENANT + b', "name\\u0000": 1}',
        TENANT + b', "timezone": "\\u0000"}',
        TENANT + b', "timezone": "../../etc/passwd"}',
        TENANT + b', "slug": 1e999999999}',
        TENANT + b', "x": 1e999999999}',
    ],
    ids=repr,
)
def test_texts_and_numbers_that_no_database_takes_are_422(api: Described, body: bytes) -> None:
    assert api.post("/tenants", data=body, content_type=JSON).status_code == 422


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/cloudevents+json",
        "application/json; charset=utf-16",
        "multipart/form-data; boundary=x",
    ],
)
@pytest.mark.parametrize("path", ["/tenants", "/metrics/ingest", "/billing/calculate"])
def test_what_is_not_said_to_be_json_is_415(api: Described, path: str, content_type: str | None) -> None:
    assert api.post(path, data=b"{}", content_type=content_type).status_code == 415


def test_a_compressed_body_is_415(api: Described) -> None:
    answer = api.post("/tenants", data=b"{}", content_type=JSON, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=UTF-8", "Application/JSON"]
)
def test_json_may_be_announced_in_several_ways(api: Described, content_type: str) -> None:
    assert api.post("/tenants", data=TENANT + b"}", content_type=content_type).status_code == 201


def chunked(body: bytes) -> dict[str, Any]:
    """A body whose end is not announced, as a server hands it over."""
    return {
        "input_stream": BytesIO(body),
        "environ_overrides": {"wsgi.input_terminated": True},
        "content_type": JSON,
        "headers": {"Transfer-Encoding": "chunked"},
    }


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "limit"), [("/tenants", BODY_BYTES_MAX), ("/metrics/ingest", HTTP_BYTES_MAX)]
)
def test_a_body_beyond_the_limit_is_413(
    api: Described, backend: Backend, path: str, limit: int, is_chunked: bool
) -> None:
    body = b" " * (limit + 1)
    answer = api.post(path, **(chunked(body) if is_chunked else {"data": body, "content_type": JSON}))
    assert answer.status_code == 413
    assert backend.ingested == []


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_up_to_the_limit_is_read_whole(api: Described, backend: Backend, is_chunked: bool) -> None:
    body = b"[" + b" " * (HTTP_BYTES_MAX - 2) + b"]"
    answer = api.post(
        "/metrics/ingest", **(chunked(body) if is_chunked else {"data": body, "content_type": JSON})
    )
    assert answer.status_code == 202
    assert backend.ingested == [(body, None)]


def test_an_announced_17_mib_is_413_without_being_read(api: Described) -> None:
    answer = api.post(
        "/metrics/ingest", content_type=JSON, environ_overrides={"CONTENT_LENGTH": str(17 * 2**20)}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/api/v1/metrics/ingest", "POST", {}),
        ("/api/v1/nothing", "POST", {"Authorization": f"Bearer {KEY}"}),
        ("/api/v1/tenants", "DELETE", {"Authorization": f"Bearer {KEY}"}),
        ("/api/v1/tenants", "POST", {"Authorization": f"Bearer {KEY}"}),
    ],
)
def test_an_answer_before_the_body_was_read_lets_the_client_finish_sending(
    app: Flask, path: str, method: str, headers: dict[str, str]
) -> None:
    stream = BytesIO(b" " * 3 * BODY_BYTES_MAX)
    answer = app.test_client().open(
        path,
        method=method,
        headers=headers,
        content_type="text/plain",
        input_stream=stream,
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code in {401, 404, 405, 415}
    assert stream.read() == b""


def test_a_client_that_asks_before_it_sends_is_answered_at_once(app: Flask) -> None:
    stream = BytesIO(b" " * 100)
    answer = app.test_client().post(
        "/api/v1/tenants",
        headers={"Expect": "100-continue"},
        input_stream=stream,
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 401
    assert stream.tell() == 0
