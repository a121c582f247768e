"""How the API describes itself: OpenAPI 3.1."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ParametersTuple, ResponseDict
from flask_openapi3.utils import parse_parameters

from functions.billing_api.problems import MEDIA_TYPE
from functions.billing_api.schemas import record

PREFIX = "/api/v1"
INFO = Info(
    title="FaaS Billing",
    version="1.0.0",
    description=(
        "Usage metering, pricing and invoicing for serverless functions.\n\n"
        "Times are RFC 3339 in UTC, periods half-open. Money, and quantities on a bill, are decimal strings. "
        'A list is `{"items": [...], "next_cursor": ...}`: pass `next_cursor` back as `cursor` until it is '
        "null. Every error is a problem (RFC 9457) that names each bad field."
    ),
)
SECURITY_SCHEMES: dict[str, SecurityScheme | dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <API key>`"}
}
SECURITY: dict[str, Any] = {"security": [{"bearer": []}]}
"""What the document says of every operation unless the operation says otherwise."""
OPEN: dict[str, Any] = {"security": []}
"""Of an operation that needs no key."""

_ALWAYS = (422, 500, 503)
_WITH_BODY = (400, 413, 415)


def problems(*more: int, body: bool = False, open: bool = False) -> ResponseDict:
    """The problems an operation may answer with: `body` where it reads one, `open` where it needs no key."""
    statuses = sorted({*_ALWAYS, *more, *(_WITH_BODY if body else ()), *(() if open else (401,))})
    return {status: _problem(status) for status in statuses}


class Group(APIBlueprint):
    """Operations that are described when the document is asked for: that takes longer than all else of a
    cold start."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(
            name,
            __name__,
            url_prefix=PREFIX,
            abp_tags=[Tag(name=name, description=description)],
            operation_id_callback=_operation_id,
        )
        self._undescribed: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    def _collect_openapi_info(self, rule: str, func: Callable[..., Any], **operation: Any) -> ParametersTuple:
        self._undescribed.append((rule, func, operation))
        return parse_parameters(func, doc_ui=False)

    def describe(self) -> None:
        """Makes what `register_api` would have found."""
        for rule, func, operation in self._undescribed:
            super()._collect_openapi_info(rule, func, **operation)
        self._undescribed.clear()


def routes(name: str, description: str) -> APIBlueprint:
    """An empty group of operations under /api/v1."""
    return Group(name, description)


def document(app: OpenAPI) -> dict[str, Any]:
    """The document of the app's routes, with the one schema that is not pydantic's. To be made once."""
    for group in app.blueprints.values():
        if isinstance(group, Group):
            group.describe()
            app.tags += group.tags
            app.paths |= group.paths
            app.components_schemas |= group.components_schemas
    described: dict[str, Any] = app.api_doc
    described["components"]["schemas"][record.NAME] = record.record_schema()
    return described


def _operation_id(*, name: str, **_: str) -> str:
    return name


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
