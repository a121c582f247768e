"""The test switches behind all other tests here, and what is the same without them."""

import time
from collections import Counter
from collections.abc import Mapping

import pytest

from runtime.broker.chaos import HELD_BACK_S, Switches
from tests.e2e.product import Product, until
from tests.e2e.readme_event import post_every_way
from tests.runtime.broker.rig import Subscriber

WITHIN_S = 2.0
LIMIT_S = 30.0
TYPE = "dev.faasbilling.test.switched"
TRIGGER = """
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: switched, namespace: billing}}
spec:
  broker: default
  filters: [{{exact: {{type: {type}}}}}]
  subscriber: {{uri: "{url}"}}
"""
ON = "test switches are on: "


def test_without_switches_the_readme_event_is_counted_within_two_seconds(plain: Product) -> None:
    assert ON not in plain.broker_log()
    assert post_every_way(plain) == [202, 202, 202, 202]
    until(lambda: plain.invocations("demo") == 4, WITHIN_S)
    plain.settle_usage()
    assert plain.invocations("demo") == 4


def test_without_switches_the_run_prints_the_bills_of_the_trace(plain: Product) -> None:
    printed = [line.split() for line in plain.output().decode().splitlines()]
    assert ["13", "in", "all", "199", "10,599,170", "0.04420309665975", "0.03"] in printed


def test_with_switches_a_delivery_comes_twice_and_another_is_overtaken(
    product: Product, subscriber: Subscriber
) -> None:
    """All that the other tests say of such a Broker would be empty without it."""
    switches = Switches.read(product.switches)
    if not switches.duplicate or not switches.reorder:
        pytest.skip(f"switched off by BROKER_CHAOS: {switches}")
    assert f"{ON}{switches}" in product.broker_log()
    sent: dict[str, float] = {}

    def both_seen() -> bool:
        id = f"event-{len(sent)}"
        assert product.send_event(b"{}", {"id": id, "type": TYPE}).status == 202
        sent[id] = time.monotonic()
        return is_doubled(subscriber) and is_overtaken(subscriber, sent)

    with product.trigger("switched", TRIGGER.format(type=TYPE, url=subscriber.url)):
        until(both_seen, LIMIT_S, lambda: (len(sent), subscriber.ids()))
        product.settle()
    assert set(subscriber.ids()) == set(sent)


def is_doubled(subscriber: Subscriber) -> bool:
    """One acceptance was delivered twice; what a producer sends again has another time of arrival."""
    accepted = Counter(
        (request.id, request.headers["ce-knativearrivaltime"]) for request in subscriber.received
    )
    return max(accepted.values(), default=0) > 1


def is_overtaken(subscriber: Subscriber, sent: Mapping[str, float]) -> bool:
    """A delivery came so late that it was held back, and after one of an event that was sent later."""
    came = [(request.at, sent[request.id]) for request in subscriber.received if request.id in sent]
    return any(
        held_at - its_sending > 0.9 * HELD_BACK_S
        and any(at < held_at and sending > its_sending for at, sending in came)
        for held_at, its_sending in came
    )
