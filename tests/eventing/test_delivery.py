"""What a Knative broker is answered, for everything a function can meet."""

import json
import logging
from collections.abc import Callable, Mapping
from io import BytesIO

import pytest
from flask import Request, Response
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from eventing import types
from eventing.codec import Event
from eventing.delivery import (
    ANSWER_BYTES_MAX,
    DRAIN_BYTES_MAX,
    event_receiver,
    health_and_metrics,
    refusal_body,
)
from eventing.metrics import EventMetrics
from shared.domain.errors import Conflict, Fault, NotFound, Rejected, TooLarge, Unavailable

BINARY = {
    "Ce-Specversion": "1.0",
    "Ce-Id": "1",
    "Ce-Source": "/s",
    "Ce-Type": types.USAGE_RECORDED,
    "Content-Type": "application/json",
}
RETRIED = {404, 408, 409, 429}


def request_of(
    body: bytes = b"{}", *, method: str = "POST", path: str = "/", headers: Mapping[str, str] = BINARY
) -> Request:
    return Request(
        EnvironBuilder(path, method=method, data=body, headers=list(headers.items())).get_environ()
    )


class Endless(BytesIO):
    """A chunked body without an end, that counts what is taken of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0, "nobody asks an endless body for all of it"
        self.taken += size
        return b"x" * size


def chunked(body: BytesIO) -> Request:
    environ = request_of(b"").environ
    environ |= {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    environ.pop("CONTENT_LENGTH", None)
    return Request(environ)


def raising(error: Exception) -> Callable[[Event], None]:
    def consume(event: Event) -> None:
        raise error

    return consume


def faults_of(response: Response) -> list[str]:
    return [fault["field"] for fault in json.loads(response.data)["errors"]]


def test_a_taken_event_is_answered_with_an_empty_204() -> None:
    taken: list[Event] = []
    response = event_receiver(taken.append).function()(request_of(b'{"n": 1.50}'))
    assert (response.status_code, response.data, list(response.headers)) == (204, b"", [])
    assert [(event.id, event.data) for event in taken] == [("1", b'{"n": 1.50}')]


def test_any_path_takes_events() -> None:
    taken: list[Event] = []
    for path in ("/", "/a/b/", "/health", "/metrics/x"):
        assert event_receiver(taken.append).function()(request_of(path=path)).status_code == 204
    assert len(taken) == 4


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (Rejected.because("records[0].memory_mb", "must not be negative"), 422, "rejected"),
        (Conflict.because("id", "was used for other content"), 422, "rejected"),
        (NotFound.because("tenantid", "is unknown"), 422, "rejected"),
        (TooLarge.because("data", "is larger than 768 KiB"), 413, "too_large"),
        (Unavailable("PostgreSQL is away: password=secret"), 503, "unavailable"),
        (ZeroDivisionError("secret"), 500, "failed"),
        (RecursionError(), 500, "failed"),
    ],
)
def test_each_failure_has_its_status(error: Exception, status: int, outcome: str) -> None:
    metrics = EventMetrics()
    response = event_receiver(raising(error), metrics=metrics).function()(request_of())
    assert response.status_code == status
    assert response.status_code not in RETRIED
    assert len(response.data) <= ANSWER_BYTES_MAX
    assert not [name for name, _ in response.headers if name.lower().startswith("ce-")]
    assert b"secret" not in response.data
    line = f'faas_billing_events_total{{outcome="{outcome}",type="{types.USAGE_RECORDED}"}} 1.0'
    assert line in metrics.exposition().decode()


def test_a_bug_is_logged_with_its_traceback_and_no_payload(caplog: pytest.LogCaptureFixture) -> None:
    event_receiver(raising(ZeroDivisionError("oops"))).function()(request_of(b'{"payload": "private"}'))
    assert "ZeroDivisionError: oops" in caplog.text
    assert "event 1 of /s" in caplog.text
    assert "private" not in caplog.text


def test_what_is_no_event_is_refused_with_its_faults(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    function = event_receiver(raising(AssertionError("not to be called"))).function()
    response = function(request_of(headers={"Content-Type": "application/json"}))
    assert (response.status_code, faults_of(response)) == (422, ["content-type"])
    response = function(request_of(headers={"Ce-Id": "a\tb\x85", "Ce-Type": ""}))
    assert (response.status_code, faults_of(response)) == (422, ["id", "specversion", "source", "type"])
    assert "\n" not in caplog.records[-1].getMessage()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405_and_never_a_retry(method: str) -> None:
    response = event_receiver(raising(AssertionError())).function()(request_of(b"", method=method))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    taken: list[Event] = []
    function = event_receiver(taken.append, body_bytes_max=100).function()
    assert function(request_of(b"x" * 100)).status_code == 204
    assert function(chunked(BytesIO(b"x" * 100))).status_code == 204
    for request in (request_of(b"x" * 101), chunked(BytesIO(b"x" * 101))):
        response = function(request)
        assert (response.status_code, faults_of(response)) == (413, ["body"])
    assert [len(event.data) for event in taken] == [100, 100]


def test_an_endless_body_is_left_after_a_while_and_not_read_by_the_framework_either() -> None:
    body = Endless()
    response = event_receiver(raising(AssertionError()), body_bytes_max=100).function()(chunked(body))
    assert response.status_code == 413
    assert response.is_streamed, "else functions-framework reads the request to its end"
    assert body.taken < 2 * DRAIN_BYTES_MAX


def test_a_body_that_ends_early_is_not_taken_for_the_whole() -> None:
    request = request_of(b"[1,2]")
    request.environ |= {"wsgi.input_terminated": True, "CONTENT_LENGTH": "10"}
    response = event_receiver(raising(AssertionError())).function()(Request(request.environ))
    assert (response.status_code, faults_of(response)) == (422, ["body"])


# ---- health and metrics


@pytest.mark.parametrize("path", ["/health/liveness", "/health/readiness"])
def test_probes_are_answered_without_asking_anything(path: str) -> None:
    function = event_receiver(raising(AssertionError())).function()
    response = function(request_of(b"", method="GET", path=path, headers={}))
    assert (response.status_code, response.data) == (200, b"ok\n")
    assert function(request_of(path=path)).status_code == 405


def test_metrics_count_by_type_and_outcome_and_senders_cannot_add_types() -> None:
    metrics = EventMetrics()
    taken: list[Event] = []
    function = event_receiver(taken.append, metrics=metrics).function()
    for n in range(100):
        function(request_of(headers={**BINARY, "Ce-Type": f"made.up.{n}"}))
    function(request_of())
    response = function(request_of(b"", method="GET", path="/metrics", headers={}))
    assert response.status_code == 200
    text = response.data.decode()
    assert 'faas_billing_events_total{outcome="accepted",type="other"} 100.0' in text
    assert (
        'faas_billing_events_total{outcome="accepted",type="dev.faasbilling.usage.recorded.v1"} 1.0' in text
    )
    assert 'faas_billing_event_duration_seconds_count{type="other"} 100.0' in text
    assert 'le="+Inf",type="other"} 100.0' in text
    assert "process_resident_memory_bytes" in text
    assert "made.up" not in text


def test_the_same_routes_can_be_had_by_a_function_that_is_not_for_events() -> None:
    metrics = EventMetrics()
    assert health_and_metrics(request_of(path="/api/v1/tenants"), metrics) is None
    answer = health_and_metrics(request_of(b"", method="GET", path="/health/readiness"), metrics)
    assert answer is not None
    assert answer.status_code == 200


# ---- the body of a refusal

_faults = st.lists(
    st.builds(
        Fault,
        st.text(max_size=40) | st.text(min_size=300, max_size=700),
        st.text(max_size=90) | st.text(min_size=300, max_size=700),
    ),
    min_size=1,
    max_size=20,
).map(tuple)


@given(_faults)
def test_a_refusal_fits_and_says_how_many_faults_there_are(faults: tuple[Fault, ...]) -> None:
    body = refusal_body(faults)
    assert len(body) <= ANSWER_BYTES_MAX
    said = json.loads(body.decode())
    assert said["faults"] == len(faults)
    assert 1 <= len(said["errors"]) <= len(faults)
    for fault, error in zip(faults, said["errors"], strict=False):
        assert fault.field.startswith(error["field"])
        assert fault.message.startswith(error["message"])


def test_a_refusal_shows_as_many_faults_as_fit() -> None:
    faults = tuple(Fault(f"records[{n}].memory_mb", "must not be negative") for n in range(1203))
    said = json.loads(refusal_body(faults))
    assert said["faults"] == 1203
    assert len(said["errors"]) == 7
    assert said["errors"][0] == {"field": "records[0].memory_mb", "message": "must not be negative"}


def test_half_a_surrogate_pair_does_not_break_the_answer() -> None:
    assert json.loads(refusal_body((Fault("\ud800", "é"),)))["errors"] == [{"field": "?", "message": "é"}]
