"""Binary events past the framework: one POST with ce- headers and a body of known length is a third of the
work when it is read from the WSGI environment; functions-framework and Flask take all the rest."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

from eventing.delivery import HEALTH_PATHS, JSON, METRICS_PATH, Receiver, check_length

Environ = dict[str, Any]
StartResponse = Callable[..., object]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

LENGTH_DIGITS_MAX: Final = 12
OTHER_PATHS: Final = HEALTH_PATHS | {METRICS_PATH}
"""What is there is no place for events."""
_STATUS: Final = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}


def shortcut(receiver: Receiver[Any], application: Application) -> Application:
    """The application, whose binary events the receiver takes directly. Answers are the same either way."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        length = _length(environ)
        if not 0 <= length <= receiver.body_bytes_max:
            return application(environ, start_response)
        headers = {"content-type": environ.get("CONTENT_TYPE", "")}
        for name, value in environ.items():
            if name.startswith("HTTP_"):
                headers[name[5:].replace("_", "-").lower()] = value
        status, body = receiver.take(headers, lambda: _body(environ, length))
        described = [("Content-Type", JSON), ("Content-Length", str(len(body)))] if body else []
        start_response(_STATUS[status], described)
        return [body] if body else []

    return serve


def _length(environ: Environ) -> int:
    """Of the body of a binary event; -1 for any other request, and for one whose length is not said."""
    if environ["REQUEST_METHOD"] != "POST" or "HTTP_CE_SPECVERSION" not in environ:
        return -1
    if environ["PATH_INFO"] in OTHER_PATHS:
        return -1
    length = environ.get("CONTENT_LENGTH") or ""
    is_plain = length.isdecimal() and length.isascii() and len(length) <= LENGTH_DIGITS_MAX
    return int(length) if is_plain and "HTTP_TRANSFER_ENCODING" not in environ else -1


def _body(environ: Environ, length: int) -> bytes:
    """Raises Rejected where it ended early."""
    pieces, missing = [], length
    while missing and (piece := environ["wsgi.input"].read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    check_length(length - missing, length)
    return b"".join(pieces)
