"""The HTTP side: POST /<namespace>/<broker> as a Broker answers it, and three pages for development."""

from collections.abc import Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.broker.exchange import Exchange
from runtime.broker.message import receive
from shared.domain.errors import Rejected, TooLarge, Unavailable

BODY_BYTES_MAX: Final = 32 * 2**20
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ALLOW: Final = {"Allow": "POST, OPTIONS"}
HOW_TO_POST: Final = {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}


def create_app(exchange: Exchange) -> Starlette:
    async def health(_: Request) -> Response:
        return Response()

    async def metrics(_: Request) -> Response:
        return Response(exchange.metrics.text(), media_type=METRICS_TYPE)

    async def backlog(_: Request) -> Response:
        try:
            return JSONResponse(await exchange.backlog())
        except Unavailable as error:
            return JSONResponse({"error": str(error)}, status_code=503)

    return Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/backlog", backlog, methods=["GET"]),
            Mount("/", _ingress(exchange)),
        ]
    )


def _ingress(exchange: Exchange) -> ASGIApp:
    async def ingress(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            response = Response(headers={**ALLOW, **HOW_TO_POST})
        else:
            response = Response(status_code=await _status(exchange, request), headers=ALLOW)
        await response(scope, receive, send)

    return ingress


async def _status(exchange: Exchange, request: Request) -> int:
    if request.method != "POST":
        return 405
    target = _target(request.scope)
    if target == "/":
        return 404
    if target.removesuffix("/").count("/") != 2:
        return 400
    try:
        event = receive(_headers(request.scope), await _body(request))
        if target.removesuffix("/") != exchange.broker.path:
            return 404
        await exchange.accept(event)
    except TooLarge:
        return 413
    except (Rejected, ClientDisconnect):
        return 400
    except Unavailable:
        return 503
    return 202


def _target(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return str(scope["raw_path"].decode("latin-1")) + (f"?{query}" if query else "")


def _headers(scope: Scope) -> Mapping[str, str]:
    """The first of each name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge.because("", f"over {BODY_BYTES_MAX} bytes")
    return bytes(body)
