"""A third party's subscriber, added by a Trigger file with a filter on `tenantid` and nothing else.

How often exactly it is called, and after which waits, is in tests/conformance (numbers 21 and 22): this is
what any subscriber of an at-least-once Broker may assume.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.product import Product, until
from tests.runtime.broker.rig import Received, Reply, Subscriber

TRIGGER = """
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: third-party-of-{tenant}, namespace: billing}}
spec:
  broker: default
  filters: [{{exact: {{tenantid: {tenant}}}}}]
  subscriber: {{uri: "{url}"}}
"""
RECORD = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","duration_seconds":0.1}'
COSTLY = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter","invocations":2000000}'
RECORDED = "dev.faasbilling.usage.recorded.v1"
AGGREGATED = "dev.faasbilling.usage.aggregated.v1"
ACCRUED = "dev.faasbilling.cost.accrued.v1"
LIMIT_S = 40.0


@contextmanager
def subscribed(product: Product, subscriber: Subscriber, tenant: str) -> Iterator[None]:
    manifest = TRIGGER.format(tenant=tenant, url=subscriber.url)
    with product.trigger(f"third-party-of-{tenant}", manifest):
        yield


def of_type(subscriber: Subscriber, type: str) -> set[str]:
    return {request.id for request in subscriber.received if request.headers["ce-type"] == type}


def attempts(subscriber: Subscriber, id: str) -> list[Received]:
    return [request for request in subscriber.received if request.id == id]


def send(product: Product, tenant: str, id: str, data: bytes = RECORD) -> None:
    answer = product.send_event(data, {"id": id, "type": RECORDED, "tenantid": tenant})
    assert answer.status == 202, answer


def test_a_subscriber_gets_every_event_of_its_tenant_and_no_others(
    product: Product, subscriber: Subscriber
) -> None:
    ours, others = product.tenant("subscribed"), product.tenant("not-subscribed")
    with subscribed(product, subscriber, ours):
        sent = {"costly": COSTLY, **{f"ours-{number}": RECORD for number in range(9)}}
        for id, data in sent.items():
            send(product, ours, id, data)
        send(product, others, "theirs")
        until(lambda: of_type(subscriber, RECORDED) == sent.keys(), LIMIT_S)
        until(lambda: bool(of_type(subscriber, AGGREGATED)), LIMIT_S)
        until(lambda: bool(of_type(subscriber, ACCRUED)), LIMIT_S)
        product.settle()
        assert "theirs" not in of_type(subscriber, RECORDED)
    for request in subscriber.received:
        assert request.headers["ce-tenantid"] == ours
        assert request.headers["ce-specversion"] == "1.0"
        assert request.headers["content-type"] == "application/json"
        if request.headers["ce-type"] == RECORDED:
            assert request.body == sent[request.id]


def test_what_a_subscriber_cannot_take_now_comes_again_until_it_does(
    product: Product, subscriber: Subscriber
) -> None:
    tenant = product.tenant("subscribed-again")
    subscriber.default = Reply(503)
    with subscribed(product, subscriber, tenant):
        send(product, tenant, "comes-again")
        until(lambda: len(attempts(subscriber, "comes-again")) >= 2, LIMIT_S)
        refused = len(attempts(subscriber, "comes-again"))
        subscriber.default = Reply(204)
        until(lambda: len(attempts(subscriber, "comes-again")) > refused, LIMIT_S)
        product.settle()
        assert not [kept for kept in product.dead_letters() if kept.entry.tenant == tenant]
    assert {request.body for request in attempts(subscriber, "comes-again")} == {RECORD}


def test_what_a_subscriber_refuses_is_in_the_dead_letters_and_comes_no_more(
    product: Product, subscriber: Subscriber
) -> None:
    tenant = product.tenant("subscribed-refusing")
    subscriber.default = Reply(422, b"not this one")
    with subscribed(product, subscriber, tenant):
        send(product, tenant, "refused")
        until(lambda: bool(attempts(subscriber, "refused")), LIMIT_S)
        product.settle()
        subscriber.default = Reply(204)
        came = len(attempts(subscriber, "refused"))
        (letter,) = (
            kept.letter for kept in product.dead_letters() if kept.letter.attributes["id"] == "refused"
        )
        assert (letter.status, letter.answer, letter.data) == ("422", "not this one", RECORD)
        assert letter.destination == subscriber.url
    assert len(attempts(subscriber, "refused")) == came
