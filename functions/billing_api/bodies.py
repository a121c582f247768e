"""Request bodies: bounded, of a known type, and JSON to the letter."""

import json
from decimal import Decimal
from typing import Any, NoReturn

import msgspec
from flask import Request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from shared.domain.errors import Malformed, TooLarge

JSON = "application/json"
BODY_BYTES_MAX = 1024 * 1024
_DRAIN_BYTES_MAX = 64 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024


class StrictJson(DefaultJSONProvider):
    """JSON in UTF-8 without NaN, Infinity or repeated names; fractions read as Decimal, never as float."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        text = s.decode() if isinstance(s, bytes) else s
        try:
            value = json.loads(
                text,
                parse_float=Decimal,
                parse_constant=_refuse_constant,
                object_pairs_hook=_without_repeated_names,
                **kwargs,
            )
            if "\\u" in text:
                msgspec.json.encode(value)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except UnicodeEncodeError:
            raise ValueError("a text holds half of a surrogate pair") from None
        return value


class ApiRequest(Request):
    """A request that refuses what is not JSON in the terms of the domain."""

    def on_json_loading_failure(self, e: ValueError | None) -> NoReturn:
        reason = f"byte {e.start} is not UTF-8" if isinstance(e, UnicodeDecodeError) else str(e)
        raise Malformed.because("", f"the body is not JSON: {reason}")


def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body, kept in the request for later reads.

    Raises TooLarge beyond `bytes_max`, announced or not, and answers 415 unless it is said to be JSON.
    """
    _check_type(request)
    # One byte more than allowed, since werkzeug cuts a body of unknown length at its limit in silence.
    request.max_content_length = bytes_max + 1
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > bytes_max:
        raise TooLarge.because("", f"the body is larger than {bytes_max} bytes")
    return body


def discard_body(request: Request) -> None:
    """Read what is left of the body, so that a client that is still sending gets its answer.

    A client that waits for permission to send (Expect) gets it sooner; one that sends without end never.
    """
    if "Expect" in request.headers or (request.content_length or 0) > _DRAIN_BYTES_MAX:
        return
    if not request.environ.get("wsgi.input_terminated"):
        return
    source, left = request.environ["wsgi.input"], _DRAIN_BYTES_MAX
    while left > 0 and (chunk := source.read(_CHUNK_BYTES)):
        left -= len(chunk)


def _check_type(request: Request) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != JSON or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"send Content-Type: {JSON}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("send the body without Content-Encoding")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object names a field twice")
    return result
