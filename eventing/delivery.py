"""Handler → receiver that answers a Knative broker as it must be answered.

A broker repeats after 404, 408, 409, 429 and 5xx and takes every other 4xx as final; it takes a 2xx with
a body for a failure, ce- headers for a reply, and chokes on long errors. Hence: 204 and nothing else
where the event was taken or had been taken before, 422 and 413 for what is wrong with the event, 503
for what is not, 500 for a bug; 405 for anything that is no event.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

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
JSON: Final = "application/json"


class Typed(Protocol):
    """Anything with the type of an event, to count it under."""

    @property
    def type(self) -> str: ...


E = TypeVar("E", bound=Typed)
Function = Callable[[Request], Response]


class Answer(NamedTuple):
    """`body` is JSON, or empty."""

    status: int
    body: bytes = b""


TAKEN: Final = Answer(204)


class Receiver(Generic[E]):
    """Hands each event that is POSTed to `consume`, which returns once its effect is safe and raises what
    `shared.domain.errors` names. Others than `decode` may read the request in a way of their own."""

    def __init__(
        self,
        consume: Callable[[E], None],
        read: Callable[[Mapping[str, str], bytes], E],
        *,
        metrics: EventMetrics | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self._consume = consume
        self._read = read
        self._metrics = metrics or EventMetrics()
        self.body_bytes_max = body_bytes_max

    def take(self, headers: Mapping[str, str], body: Callable[[], bytes]) -> Answer:
        """The answer to a POST with these headers (lower-case names). Raises nothing."""
        started = time.monotonic()
        event_type = ""
        try:
            event = self._read(headers, body())
            event_type = event.type
            self._consume(event)
            outcome, answer = "accepted", TAKEN
        except Exception as error:
            outcome, answer = _refusal(error, headers)
        self._metrics.observe(event_type, outcome, time.monotonic() - started)
        return answer

    def function(self) -> Function:
        """The HTTP function for functions-framework, with probes and metrics."""

        def handle(request: Request) -> Response:
            if (answer := health_and_metrics(request, self._metrics)) is not None:
                return answer
            if request.method != "POST":
                return _not_allowed("POST")
            headers = {name.lower(): value for name, value in request.headers.items()}
            return _response(self.take(headers, lambda: _body(request, self.body_bytes_max)))

        return handle


def event_receiver(
    consume: Callable[[Event], None],
    *,
    metrics: EventMetrics | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> Receiver[Event]:
    """Of CloudEvents."""
    return Receiver(consume, decode, metrics=metrics, body_bytes_max=body_bytes_max)


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


def _refusal(error: Exception, headers: Mapping[str, str]) -> tuple[str, Answer]:
    """What to count the failure as, and what to answer. Logs it, without the payload."""
    which = f"event {clip(headers.get('ce-id', ''))} of {clip(headers.get('ce-source', ''))}"
    if isinstance(error, Rejected):
        first = clip(str(error.faults[0]), ANSWER_BYTES_MAX)
        logger.warning("refused %s: %d faults, first: %s", which, len(error.faults), first)
        outcome, status = ("too_large", 413) if isinstance(error, TooLarge) else ("rejected", 422)
        return outcome, Answer(status, refusal_body(error.faults))
    if isinstance(error, Unavailable):
        logger.warning("cannot take %s now: %s", which, error)
        return "unavailable", Answer(503, b'{"error":"unavailable, repeat later"}')
    logger.error("failed on %s", which, exc_info=error)
    return "failed", Answer(500, b'{"error":"internal error"}')


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
    if request.content_length is not None:
        check_length(size, request.content_length)
    return b"".join(pieces)


def check_length(size: int, announced: int) -> None:
    """Raises Rejected where less of the body came than was announced."""
    if size != announced:
        raise Rejected.because("body", f"ended after {size} of {announced} bytes")


def _not_allowed(methods: str) -> Response:
    response = _response(Answer(405, b'{"error":"method not allowed"}'))
    response.headers["Allow"] = methods
    return response


def _response(answer: Answer) -> Response:
    if not answer.body:
        response = Response(status=answer.status)
        del response.headers["Content-Type"]
        return response
    # An iterable without a length: else functions-framework reads the rest of the request into memory.
    response = Response(iter((answer.body,)), status=answer.status, content_type=JSON)
    response.content_length = len(answer.body)
    return response
