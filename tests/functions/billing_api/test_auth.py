from dataclasses import replace

import pytest
from flask import Flask

from functions.billing_api.app import create_app
from functions.billing_api.auth import Authenticator
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY, Backend


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
def test_what_is_open_answers_without_a_key(app: Flask, path: str) -> None:
    assert app.test_client().get(f"/api/v1{path}").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        KEY,
        f"Basic {KEY}",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        "Bearer schl\u00fcssel",
        "Bearer a=b, c=d",
    ],
)
def test_without_the_key_everything_else_is_401(app: Flask, api: Described, header: str | None) -> None:
    client = app.test_client()
    headers = {} if header is None else {"Authorization": header}
    for path, operations in api.document["paths"].items():
        for method, operation in operations.items():
            if "security" in operation:
                continue
            answer = client.open(path.replace("{tenant}", "demo"), method=method.upper(), headers=headers)
            assert answer.status_code == 401
            assert answer.mimetype == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="')


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/nothing", "/api/v1/health/"])
def test_an_unknown_address_is_not_told_from_others_without_a_key(app: Flask, path: str) -> None:
    assert app.test_client().get(path).status_code == 401


def test_a_key_that_is_not_known_is_called_invalid(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/tenants", headers={"Authorization": "Bearer wrong"})
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_the_scheme_may_be_written_in_any_case(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/tenants", headers={"Authorization": f"bearer {KEY}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["Bearer ", "Bearer x", 'Bearer ""'])
def test_where_no_key_is_configured_nobody_is_known(backend: Backend, header: str) -> None:
    services = replace(backend.services(), authenticator=Authenticator(""))
    answer = create_app(services).test_client().get("/api/v1/tenants", headers={"Authorization": header})
    assert answer.status_code == 401
