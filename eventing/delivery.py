"""Handler → HTTP function that answers a Knative broker as it must be answered.

A broker repeats after 404, 408, 409, 429 and 5xx and takes every other 4xx as final; it takes a 2xx with
a body for a failure, ce- headers for a reply, and chokes on long errors. Hence: 204 and nothing else
where the event was taken or had been taken before, 422 and 413 for what is wrong with the event, 503
for what is not, 500 for a bug; 405 for anything that is no event.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec
from flask import Request, Response

from eventing.codec import Event, decode
from eventing.event import clip
from eventing.metrics import CONTENT_TYPE, EventMetrics
from shared.domain.errors import Fault, Rejected, TooLarge, Unavailable

logger = logging.getLogger(__name__)

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""Room for the largest data, 768 KiB, in base64 and with its attributes."""
ANSWER_BYTES_MAX: Final = 512
DRAIN_BYTES_MAX: Final = 16 * 1024 * 1024
CHUNK_BYTES: Final = 256 * 1024
HEALTH_PATHS: Final = frozenset(("/health/liveness", "/health/readiness"))
METRICS_PATH: Final = "/metrics"


class Typed(Protocol):
    """Anything with the type of an event, to count it under."""

    @property
    def type(self) -> str: ...


E = TypeVar("E", bound=Typed)
Function = Callable[[Request], Response]


def event_function(
    consume: Callable[[Event], None],
    *,
    metrics: EventMetrics | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> Function:
    """An HTTP function that hands each CloudEvent to `consume`, which returns once its effect is safe
    and raises what `shared.domain.errors` names."""
    return receiver(decode, consume, metrics=metrics, body_bytes_max=body_bytes_max)


def receiver(
    read: Callable[[Mapping[str, str], bytes], E],
    consume: Callable[[E], None],
    *,
    metrics: EventMetrics | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> Function:
    """As `event_function`, for those who read the request in a way of their own."""
    counted = metrics or EventMetrics()

    def handle(request: Request) -> Response:
        if (answer := health_and_metrics(request, counted)) is not None:
            return answer
        if request.method != "POST":
            return _not_allowed("POST")
        started = time.monotonic()
        event_type = ""
        headers = dict(request.headers.items())
        try:
            event = read(headers, _body(request, body_bytes_max))
            event_type = event.type
            consume(event)
            outcome, answer = "accepted", _empty()
        except Exception as error:
            outcome, answer = _refusal(error, headers)
        counted.observe(event_type, outcome, time.monotonic() - started)
        return answer

    return handle


def health_and_metrics(request: Request, metrics: EventMetrics) -> Response | None:
    """The answer of the routes that every function has; None for any other path."""
    if request.path not in HEALTH_PATHS and request.path != METRICS_PATH:
        return None
    if request.method not in ("GET", "HEAD"):
        return _not_allowed("GET, HEAD")
    if request.path == METRICS_PATH:
        return Response(metrics.exposition(), content_type=CONTENT_TYPE)
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def refusal_body(faults: tuple[Fault, ...]) -> bytes:
    """The number of faults and the first of them, as JSON of at most 512 bytes."""
    body = _shortened(faults[0], len(faults))
    for shown in range(1, len(faults) + 1):
        longer = _refusal_json(len(faults), faults[:shown])
        if len(longer) > ANSWER_BYTES_MAX:
            break
        body = longer
    return body


def _shortened(fault: Fault, count: int) -> bytes:
    field, message = fault.field[:ANSWER_BYTES_MAX], fault.message[:ANSWER_BYTES_MAX]
    while len(body := _refusal_json(count, [Fault(field, message)])) > ANSWER_BYTES_MAX:
        if len(field) > len(message):
            field = field[:-1]
        else:
            message = message[:-1]
    return body


def _refusal_json(count: int, faults: Sequence[Fault]) -> bytes:
    errors = [{"field": _utf8(fault.field), "message": _utf8(fault.message)} for fault in faults]
    return msgspec.json.encode({"faults": count, "errors": errors})


def _utf8(text: str) -> str:
    """The text without half surrogate pairs, which cannot be written."""
    return text.encode(errors="replace").decode()


def _refusal(error: Exception, headers: Mapping[str, str]) -> tuple[str, Response]:
    """What to count the failure as, and what to answer. Logs it, without the payload."""
    which = f"event {clip(headers.get('Ce-Id', ''))} of {clip(headers.get('Ce-Source', ''))}"
    if isinstance(error, Rejected):
        first = clip(str(error.faults[0]), ANSWER_BYTES_MAX)
        logger.warning("refused %s: %d faults, first: %s", which, len(error.faults), first)
        outcome, status = ("too_large", 413) if isinstance(error, TooLarge) else ("rejected", 422)
        return outcome, _answer(status, refusal_body(error.faults))
    if isinstance(error, Unavailable):
        logger.warning("cannot take %s now: %s", which, error)
        return "unavailable", _answer(503, b'{"error":"unavailable, repeat later"}')
    logger.error("failed on %s", which, exc_info=error)
    return "failed", _answer(500, b'{"error":"internal error"}')


def _body(request: Request, bytes_max: int) -> bytes:
    """The whole body, in pieces, so that what is too large is never held. Raises TooLarge, Rejected.

    Of that, a further part is read and dropped: a sender that is still sending would not see the answer.
    """
    pieces: list[bytes] = []
    size = 0
    while size <= bytes_max + DRAIN_BYTES_MAX and (piece := request.stream.read(CHUNK_BYTES)):
        size += len(piece)
        if size <= bytes_max:
            pieces.append(piece)
    if size > bytes_max:
        raise TooLarge.because("body", f"is larger than {bytes_max} bytes")
    if request.content_length not in (None, size):
        raise Rejected.because("body", f"ended after {size} of {request.content_length} bytes")
    return b"".join(pieces)


def _empty() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def _not_allowed(methods: str) -> Response:
    response = _answer(405, b'{"error":"method not allowed"}')
    response.headers["Allow"] = methods
    return response


def _answer(status: int, body: bytes) -> Response:
    # An iterable without a length: else functions-framework reads the rest of the request into memory.
    response = Response(iter((body,)), status=status, content_type="application/json")
    response.content_length = len(body)
    return response
