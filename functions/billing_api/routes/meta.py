"""What the API says about itself, to everybody."""

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.document import OPEN, problems, routes
from functions.billing_api.schemas.health import Health
from functions.once import once


def meta_routes(check: Callable[[], None], document: Callable[[], dict[str, Any]]) -> APIBlueprint:
    """`check` raises Unavailable while the database is away; `document` is asked for once."""
    api = routes("meta", "The API itself")
    document = once(document)

    @api.get("/health", responses={200: Health, **problems(open=True)}, openapi_extensions=OPEN)
    def health() -> Response:
        """Whether the API and its database answer"""
        check()
        return answer(Health())

    @api.get(
        "/openapi.json",
        responses={
            200: {"content": {"application/json": {"schema": {"type": "object"}}}},
            **problems(open=True),
        },
        openapi_extensions=OPEN,
    )
    def openapi() -> Response:
        """This document: OpenAPI 3.1"""
        return jsonify(document())

    return api


OPEN_ENDPOINTS = frozenset({"meta.health", "meta.openapi"})
"""What answers without a key."""
