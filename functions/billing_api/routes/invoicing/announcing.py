"""What requests leave in the outbox is sent at once."""

from typing import TYPE_CHECKING

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

if TYPE_CHECKING:
    from functions.invoicing import InvoicingServices

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def announcing(api: APIBlueprint, invoicing: "InvoicingServices") -> APIBlueprint:
    """The routes, after whose changes what is announced is sent."""

    def told(response: Response) -> Response:
        if request.method not in _READING and response.status_code < 400:
            invoicing.announced()
        return response

    api.after_request(told)
    return api
