import json
import logging

import pytest

from functions.billing_api.problems import FAULTS_MAX
from shared.domain.errors import Fault, Malformed, Rejected, TooLarge, Unavailable
from tests.functions.billing_api.described import PROBLEM, Described
from tests.functions.billing_api.fakes import Backend


def test_an_unknown_address_is_a_problem(api: Described) -> None:
    answer = api.get("/nothing")
    assert (answer.status_code, answer.mimetype) == (404, PROBLEM)
    assert answer.get_json(force=True)["title"] == "Not Found"


@pytest.mark.parametrize("path", ["//tenants", "/tenants/", "/tenants//pricing-plan", "/tenants/a/b/c"])
def test_an_address_that_is_almost_right_is_not_redirected(api: Described, path: str) -> None:
    assert api.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/tenants", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("GET", "/metrics/ingest", {"OPTIONS", "POST"}),
        ("PATCH", "/tenants/demo/pricing-plan", {"GET", "HEAD", "OPTIONS", "PUT"}),
        ("PROPFIND", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_a_route_does_not_know_is_405_with_those_it_does(
    api: Described, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.call(method, path)
    assert (answer.status_code, answer.mimetype) == (405, PROBLEM)
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_a_bug_is_500_without_its_secrets(
    api: Described, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.failure = ZeroDivisionError("secret")
    with caplog.at_level(logging.CRITICAL):
        answer = api.get("/health")
    assert (answer.status_code, answer.mimetype) == (500, PROBLEM)
    assert "secret" not in answer.get_data(as_text=True)


def test_a_bug_is_logged(api: Described, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    backend.failure = ZeroDivisionError("what went wrong")
    api.get("/health")
    assert "what went wrong" in caplog.text


def test_what_is_away_is_503_and_says_when_to_come_again(api: Described, backend: Backend) -> None:
    backend.failure = Unavailable("PostgreSQL: password=secret")
    answer = api.get("/health")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "secret" not in answer.get_data(as_text=True)


def test_all_faults_are_counted_and_a_thousand_listed(api: Described, backend: Backend) -> None:
    backend.failure = Rejected(*(Fault(f"[{n}].memory_mb", "must not be negative") for n in range(2_500)))
    problem = api.post("/metrics/ingest", [{}]).get_json(force=True)
    assert problem["error_count"] == 2_500
    assert len(problem["errors"]) == FAULTS_MAX
    assert problem["errors"][1] == {"field": "[1].memory_mb", "message": "must not be negative"}


def test_faults_that_were_only_counted_are_told(api: Described, backend: Backend) -> None:
    backend.failure = Rejected(Fault("[0].memory_mb", "must not be negative"), total=40_000)
    assert api.post("/metrics/ingest", [{}]).get_json(force=True)["error_count"] == 40_000


def test_a_fault_is_never_longer_than_half_a_kilobyte(api: Described, backend: Backend) -> None:
    backend.failure = Rejected(Fault("x" * 100_000, "\u00e9" * 100_000))
    answer = api.post("/metrics/ingest", [{}])
    assert answer.status_code == 422
    assert len(answer.data) < 10_000


def test_a_field_that_no_encoding_can_express_is_still_answered(api: Described, backend: Backend) -> None:
    backend.failure = Rejected.because("\ud800", "unknown field")
    answer = api.post("/metrics/ingest", [{}])
    assert json.loads(answer.data)["errors"] == [{"field": "\ud800", "message": "unknown field"}]


@pytest.mark.parametrize(
    ("refusal", "status"), [(Malformed.because("", "no"), 400), (TooLarge.because("", "no"), 413)]
)
def test_what_a_service_refuses_has_the_status_of_its_kind(
    api: Described, backend: Backend, refusal: Rejected, status: int
) -> None:
    backend.failure = refusal
    assert api.post("/metrics/ingest", [{}]).status_code == status
