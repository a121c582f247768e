"""Everything that goes wrong, as RFC 9457 problem details."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from functions.billing_api.auth import Unauthenticated
from shared.domain.errors import Conflict, Fault, Malformed, NotFound, Rejected, TooLarge, Unavailable

MEDIA_TYPE = "application/problem+json"
FAULTS_MAX = 1_000
_TEXT_MAX = 512
_RETRY_AFTER_S = 1
_DETAILS = {
    404: "there is nothing at this address",
    405: "the address does not know this method",
    500: "something went wrong here; the request may be sent again",
}
_log = logging.getLogger(__name__)


def problem(
    status: int, detail: str, refusal: Rejected | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem of that status; of a refusal's faults the first 1,000 are listed and all are counted."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail[:_TEXT_MAX],
    }
    if refusal is not None:
        body["errors"] = [
            {"field": fault.field[:_TEXT_MAX], "message": fault.message[:_TEXT_MAX]}
            for fault in refusal.faults[:FAULTS_MAX]
        ]
        body["error_count"] = refusal.total
    # In ASCII: a field name that a client made up may hold what UTF-8 cannot express.
    return Response(json.dumps(body), status, headers, content_type=MEDIA_TYPE)


def rejected(error: Rejected) -> Response:
    """The problem that a refusal is: 400, 404, 409, 413 or 422."""
    match error:
        case Malformed():
            status = HTTPStatus.BAD_REQUEST
        case TooLarge():
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        case NotFound():
            status = HTTPStatus.NOT_FOUND
        case Conflict():
            status = HTTPStatus.CONFLICT
        case _:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(status, str(error.faults[0]), error)


def refuse(error: ValidationError) -> Response:
    """The problem of what pydantic complains of: one fault for each field."""
    return rejected(
        Rejected(
            *(
                Fault(_path(part["loc"]), part["msg"].removeprefix("Value error, "))
                for part in error.errors(include_url=False, include_context=False, include_input=False)
            )
        )
    )


def register_problems(app: Flask) -> None:
    """Answer every error of the app, expected or not, with a problem."""
    app.register_error_handler(Rejected, rejected)
    app.register_error_handler(Unauthenticated, _unauthenticated)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _http)


def _unauthenticated(error: Unauthenticated) -> Response:
    return problem(HTTPStatus.UNAUTHORIZED, str(error), headers={"WWW-Authenticate": error.challenge})


def _unavailable(error: Unavailable) -> Response:
    _log.warning("%s %s: %s", request.method, request.path, error)
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "a dependency is away; send the same request again",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )


def _http(error: HTTPException) -> Response:
    allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, _DETAILS.get(status, error.description or ""), headers=allowed)


def _path(location: tuple[int | str, ...]) -> str:
    """`("lines", 3, "amount")` as `lines[3].amount`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
