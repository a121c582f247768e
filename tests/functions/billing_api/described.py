"""A client of the API that holds every answer against what the API says of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.test import TestResponse

from functions.billing_api.app import create_app
from tests.functions.billing_api.fakes import Backend

PROBLEM = "application/problem+json"
JSON = "application/json"


@dataclass
class Described:
    """Sends requests with the key; `call` says what to send beyond it."""

    client: FlaskClient
    key: str

    def get(self, path: str, **rest: Any) -> TestResponse:
        return self.call("GET", path, **rest)

    def post(self, path: str, body: object = None, **rest: Any) -> TestResponse:
        return self.call("POST", path, body, **rest)

    def put(self, path: str, body: object = None, **rest: Any) -> TestResponse:
        return self.call("PUT", path, body, **rest)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        **rest: Any,
    ) -> TestResponse:
        if body is not None:
            rest["json"] = body
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        response = self.client.open(f"/api/v1{path}", method=method, headers=sent, **rest)
        self._check(method, f"/api/v1{path.partition('?')[0]}", response)
        return response

    @property
    def document(self) -> dict[str, Any]:
        return _document()

    def schema(self, schema: dict[str, Any]) -> Draft202012Validator:
        return _validator(json.dumps(schema))

    def _check(self, method: str, path: str, response: TestResponse) -> None:
        operation = _operation(method, path)
        if operation is None:
            assert response.status_code in {401, 404, 405}
            content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        else:
            assert str(response.status_code) in operation["responses"], response.get_data(as_text=True)
            content = operation["responses"][str(response.status_code)]["content"]
        assert response.mimetype in content
        schema = content[response.mimetype]["schema"]
        if schema.get("format") != "binary":
            self.schema(schema).validate(json.loads(response.data))


@cache
def _document() -> dict[str, Any]:
    """The same whatever is behind the API: made once, for it takes half a second."""
    client = create_app(Backend().services()).test_client()
    document: dict[str, Any] = json.loads(client.get("/api/v1/openapi.json").data)
    return document


@cache
def _validator(schema: str) -> Draft202012Validator:
    components = _document()["components"]
    return Draft202012Validator(
        {**json.loads(schema), "components": components}, format_checker=FormatChecker()
    )


@cache
def _operation(method: str, path: str) -> dict[str, Any] | None:
    parts = path.split("/")
    for template, operations in _document()["paths"].items():
        wanted = template.split("/")
        if len(wanted) == len(parts) and all(
            want == part or want.startswith("{") for want, part in zip(wanted, parts, strict=True)
        ):
            operation: dict[str, Any] | None = operations.get(method.lower())
            return operation
    return None
