"""The REST API over HTTP."""

from functools import cache
from threading import Lock

from flask import Flask, Request
from werkzeug.wrappers import Response

from eventing.delivery import health_and_metrics
from eventing.metrics import EventMetrics
from functions.billing_api.app import create_app
from functions.billing_api.services import services

_metrics = EventMetrics()
_making = Lock()


def start() -> None:
    """Fold what an earlier process left behind."""
    services()


def handle(request: Request) -> Response:
    if (answer := health_and_metrics(request, _metrics)) is not None:
        return answer
    with _making:
        app = api()
    return Response.from_app(app.wsgi_app, request.environ)


@cache
def api() -> Flask:
    """The app, made on the first request."""
    return create_app(services())
