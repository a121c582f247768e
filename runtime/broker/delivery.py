"""What an answer means, how long to wait before the next attempt, and what a dead letter says. No I/O."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from eventing.codec import STRUCTURED
from runtime.broker.manifests import DeliveryPolicy
from runtime.broker.message import TTL, Message, is_event, receive_reply
from shared.domain.errors import Rejected

RETRIED_BELOW_500: Final = frozenset({404, 408, 409, 429})
ERROR_BODY_BYTES_MAX: Final = 512
ERROR_DATA_BYTES_MAX: Final = 768  # 1,024 characters in base64


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by name in lower case; `url` is who was asked, by the name a cluster would use."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    reply: Message | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """`code` is None where a dead letter does not say why: after a timeout, or an answer that is no event.

    `breach` names the numbered behaviour that a real Broker would choke on.
    """

    reason: str
    url: str
    retryable: bool
    code: int | None = None
    data: bytes = b""
    breach: int | None = None

    def __str__(self) -> str:
        number = f"number {self.breach}: " if self.breach is not None else ""
        return f"{number}{self.url} {self.reason}"


Outcome = Delivered | Failed


def judge(answer: Answer, ingress_url: str) -> Outcome:
    """What an answer of a subscriber means, whose replies go to `ingress_url`."""
    status = answer.status
    if 200 <= status < 300:
        return _judge_success(answer, ingress_url)
    reason, breach = f"answered {status}", None
    if 300 <= status < 400:
        reason, breach = f"answered with a redirect, {status}, which can lose the event", 33
    elif len(answer.body) > ERROR_BODY_BYTES_MAX:
        reason, breach = f"answered {status} with a body over {ERROR_BODY_BYTES_MAX} bytes", 36
    retryable = status >= 500 or status in RETRIED_BELOW_500
    return Failed(reason, answer.url, retryable, code=status, data=answer.body, breach=breach)


def judge_sink(answer: Answer) -> Outcome:
    """What an answer of a dead-letter sink means: its reply is ignored."""
    return Delivered() if 200 <= answer.status < 300 else judge(answer, "")


def unreachable(url: str, error: str) -> Failed:
    return Failed(error, url, retryable=True, code=500, data=f"dispatch error: {error}".encode())


def timed_out(url: str) -> Failed:
    return Failed("did not answer in time", url, retryable=True)


def refused(ingress_url: str, error: Rejected) -> Failed:
    """A reply can be told apart, but the Broker does not take it."""
    reason = f"replied with an event that is refused: {error}"
    return Failed(reason, ingress_url, retryable=False, code=400, breach=31)


def wait_s(policy: DeliveryPolicy, retry: int) -> float:
    """Seconds before retry number `retry`, from 0. The first linear one is immediate."""
    if policy.backoff is None:
        return 0.0
    return policy.delay_s * (2.0**retry if policy.backoff == "exponential" else retry)


def subscriber_request(
    event: Message, namespace: str, *, structured: bool = False
) -> tuple[dict[str, str], bytes]:
    """Headers and body. Raises ValueError where the data cannot go into JSON."""
    seen, ours = event.without(TTL), {"kn-namespace": namespace, "prefer": "reply"}
    if structured:
        return {**event.headers, "content-type": STRUCTURED, **ours}, seen.structured()
    return {**event.headers, **seen.binary_headers(), **ours}, event.body


def sink_headers(event: Message, namespace: str) -> dict[str, str]:
    """Those of a dead-letter sink, which sees the hops left and cannot reply."""
    return {**event.headers, **event.binary_headers(), "kn-namespace": namespace}


def letter(event: Message, failure: Failed) -> Message:
    """The event as a dead-letter sink gets it."""
    if failure.code is None:
        return event
    data = base64.b64encode(failure.data[:ERROR_DATA_BYTES_MAX]).decode()
    return event.with_attributes(
        knativeerrordest=failure.url, knativeerrorcode=str(failure.code), knativeerrordata=data
    )


def _judge_success(answer: Answer, ingress_url: str) -> Outcome:
    if is_event(answer.headers):
        try:
            return Delivered(receive_reply(answer.headers, answer.body))
        except Rejected as error:
            if {fault.field for fault in error.faults} <= {"id", "source", "type"}:
                return refused(ingress_url, error)
            return Failed(f"replied with a malformed event: {error}", answer.url, retryable=True, breach=30)
    if answer.body:
        reason = f"answered {answer.status} with a body that is no event"
        return Failed(reason, answer.url, retryable=True, breach=29)
    return Delivered()
