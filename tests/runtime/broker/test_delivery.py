import base64

import pytest

from runtime.broker.delivery import (
    Answer,
    Delivered,
    Failed,
    judge,
    judge_sink,
    letter,
    sink_headers,
    subscriber_request,
    timed_out,
    unreachable,
    wait_s,
)
from runtime.broker.manifests import DeliveryPolicy
from runtime.broker.message import Message

URL = "http://function.billing.svc.cluster.local"
INGRESS = "http://ingress/billing/default"
EVENT = Message(
    {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "tenantid": "demo",
        "datacontenttype": "application/json",
        "knativebrokerttl": "255",
    },
    b"{}",
    {"x-request-id": "r"},
)
REPLY = {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/r", "ce-type": "reply"}


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(URL, status, headers, body)


def failure(status: int, body: bytes = b"") -> Failed:
    outcome = judge(answer(status, body), INGRESS)
    assert isinstance(outcome, Failed)
    return outcome


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504, 599])
def test_21_these_are_retried(status: int) -> None:
    assert failure(status).retryable


@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 413, 415, 418, 422, 425])
def test_21_every_other_fails_at_once(status: int) -> None:
    assert not failure(status).retryable


def test_21_no_connection_and_no_answer_in_time_are_retried() -> None:
    assert unreachable(URL, "refused").retryable
    assert timed_out(URL).retryable


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_28_an_empty_success_is_done(status: int) -> None:
    assert judge(answer(status), INGRESS) == Delivered()


def test_29_a_success_with_another_body_fails_without_a_code() -> None:
    outcome = failure(200, b"OK")
    assert (outcome.retryable, outcome.code, outcome.breach) == (True, None, 29)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_30_a_success_with_an_event_is_a_reply(status: int) -> None:
    outcome = judge(Answer(URL, status, {**REPLY, "content-type": "application/json"}, b"{}"), INGRESS)
    assert isinstance(outcome, Delivered)
    assert outcome.reply is not None
    assert outcome.reply.attributes["type"] == "reply"


def test_30_a_malformed_reply_is_retried_and_has_no_code() -> None:
    outcome = judge(Answer(URL, 200, {**REPLY, "ce-time": "yesterday"}, b""), INGRESS)
    assert isinstance(outcome, Failed)
    assert (outcome.retryable, outcome.code, outcome.breach) == (True, None, 30)


def test_31_a_reply_without_an_id_fails_the_original_at_the_ingress() -> None:
    headers = {name: text for name, text in REPLY.items() if name != "ce-id"}
    outcome = judge(Answer(URL, 200, headers, b""), INGRESS)
    assert isinstance(outcome, Failed)
    assert (outcome.retryable, outcome.code, outcome.url) == (False, 400, INGRESS)


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_33_redirects_fail_loudly(status: int) -> None:
    outcome = failure(status)
    assert (outcome.retryable, outcome.code, outcome.breach) == (False, status, 33)


def test_36_an_error_body_over_512_bytes_is_loud() -> None:
    assert failure(500, b"x" * 512).breach is None
    assert failure(500, b"x" * 513).breach == 36
    assert failure(422, b"x" * 513).breach == 36


@pytest.mark.parametrize(
    ("backoff", "delay_s", "waits"),
    [
        ("exponential", 0.3, [0.3, 0.6, 1.2, 2.4]),
        ("linear", 0.3, [0.0, 0.3, 0.6, 0.9]),
        (None, 0.3, [0.0, 0.0, 0.0, 0.0]),
        ("exponential", 0.0, [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_22_waits(backoff: str, delay_s: float, waits: list[float]) -> None:
    policy = DeliveryPolicy(retries=4, backoff=backoff, delay_s=delay_s)  # type: ignore[arg-type]
    assert [wait_s(policy, retry) for retry in range(4)] == pytest.approx(waits)


def test_10_and_14_a_subscriber_is_sent_a_binary_event_and_asked_to_reply() -> None:
    headers, body = subscriber_request(EVENT, "billing")
    assert body == EVENT.body
    assert headers == {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-tenantid": "demo",
        "content-type": "application/json",
        "x-request-id": "r",
        "kn-namespace": "billing",
        "prefer": "reply",
    }


def test_12_a_dead_letter_sink_sees_the_hops_left_and_cannot_reply() -> None:
    headers = sink_headers(EVENT, "billing")
    assert headers["ce-knativebrokerttl"] == "255"
    assert "prefer" not in headers


def test_34_a_dead_letter_says_who_answered_what() -> None:
    attributes = letter(EVENT, failure(422, b"memory_mb: negative")).attributes
    assert attributes["knativeerrordest"] == URL
    assert attributes["knativeerrorcode"] == "422"
    assert base64.b64decode(attributes["knativeerrordata"]) == b"memory_mb: negative"


def test_34_error_data_is_cut_at_1024_characters() -> None:
    assert len(letter(EVENT, failure(422, b"x" * 5000)).attributes["knativeerrordata"]) == 1024


def test_34_no_connection_is_a_500() -> None:
    attributes = letter(EVENT, unreachable(URL, "refused")).attributes
    assert attributes["knativeerrorcode"] == "500"
    assert base64.b64decode(attributes["knativeerrordata"]) == b"dispatch error: refused"


@pytest.mark.parametrize("outcome", [timed_out(URL), failure(200, b"OK")])
def test_34_a_timeout_or_a_bad_body_says_nothing(outcome: Failed) -> None:
    assert letter(EVENT, outcome) == EVENT


def test_35_whatever_a_dead_letter_sink_says_with_a_success_is_ignored() -> None:
    assert judge_sink(answer(200, b"OK")) == Delivered()
    assert judge_sink(Answer(URL, 200, REPLY, b"")) == Delivered()
    assert isinstance(judge_sink(answer(422)), Failed)
