"""What needs a Broker of one's own, or where the embedded one is stricter; not run against another."""

from collections import Counter
from http.client import HTTPException

import pytest

from shared.config import environment
from tests.runtime.broker.rig import Reply, RunningBroker, Subscriber, until

pytestmark = pytest.mark.skipif(
    bool(environment().get("CONFORMANCE_BROKER_URL")), reason="needs a Broker of its own"
)

WITHOUT_DELIVERY = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default, namespace: billing}
"""
AGAIN_SOON = {"retry": 9, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S"}
AGAIN_IN_AN_HOUR = {"retry": 1, "backoffPolicy": "exponential", "backoffDelay": "PT1H"}


def send_until_taken(broker: RunningBroker, **attributes: str) -> None:
    """As a sound producer does: until there is a 202."""

    def taken() -> bool:
        try:
            return broker.send_event(attributes) == 202
        except (OSError, HTTPException):
            return False

    until(taken, f"for a 202 to {attributes}")


def test_23_a_broker_without_delivery_has_the_webhooks(
    own_broker: RunningBroker, subscriber: Subscriber
) -> None:
    (own_broker.home / "overlay" / "broker.yaml").write_text(WITHOUT_DELIVERY)
    own_broker.start()
    subscriber.replies.extend([Reply(503)] * 3)
    with own_broker.trigger("plain", subscriber):
        assert own_broker.send(type="plain") == 202
        until(lambda: len(subscriber.received) == 4)
    first, *_, last = (request.at for request in subscriber.received)
    assert last - first >= (0.2 + 0.4 + 0.8) * 0.99


def test_27_a_trigger_with_a_delivery_still_has_the_brokers_dead_letter_sink(
    own_broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    own_broker.start()
    own_broker.name_services(letters=letters.url)
    subscriber.default = Reply(503)
    with own_broker.trigger("inherits", subscriber, delivery={"timeout": "PT1S"}):
        assert own_broker.send(type="inherits") == 202
        until(lambda: letters.received)
    assert len(subscriber.received) == 1, "but not its retries"


def test_29_and_33_and_36_what_a_real_broker_would_choke_on_fails_loudly(
    own_broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    own_broker.start()
    own_broker.name_services(letters=letters.url)
    redirect = {"location": "/elsewhere"}
    for number, answer, code in [
        (29, Reply(200, b"OK"), None),
        (33, Reply(302, b"", redirect), "302"),
        (33, Reply(307, b"", redirect), "307"),
        (36, Reply(422, b"x" * 2000), "422"),
        (36, Reply(503, b"x" * 513), "503"),
    ]:
        subscriber.default, name = answer, f"choke-{answer.status}"
        subscriber.received.clear()
        letters.received.clear()
        with own_broker.trigger(name, subscriber, delivery={"timeout": "PT5S"}):
            assert own_broker.send(type=name) == 202
            (letter,) = until(lambda: letters.received)
        assert len(subscriber.received) == 1
        assert letter.headers.get("ce-knativeerrorcode") == code
        assert len(letter.headers.get("ce-knativeerrordata", "")) <= 1024
        assert f"ERROR runtime.broker.dispatcher: Trigger {name}: number {number}: " in own_broker.log


def test_38_a_trigger_that_is_not_understood_is_an_error_that_names_file_and_field(
    own_broker: RunningBroker, subscriber: Subscriber
) -> None:
    own_broker.start()
    own_broker.write_trigger("sql", subscriber, filters=[{"cesql": "type = 'x'"}])
    own_broker.write_trigger("two", subscriber, filters=[{"exact": {"a": "1"}, "prefix": {"a": "1"}}])
    until(lambda: "sql.yaml: spec.filters[0].cesql: the embedded broker does not evaluate" in own_broker.log)
    until(lambda: "two.yaml: spec.filters[0]: multiple dialects found" in own_broker.log)
    assert not {"sql", "two"} & own_broker.backlog()["by_trigger"].keys()


def test_39_with_every_switch_on_all_arrives_some_of_it_twice_and_late(
    own_broker: RunningBroker, subscriber: Subscriber
) -> None:
    own_broker.chaos = "seed=7,duplicate=0.2,reorder=0.3,delay=0.2s,drop=0.1,restart=0.03"
    own_broker.write_trigger("all", subscriber, delivery=AGAIN_SOON)
    own_broker.start()
    ids = [str(number) for number in range(100)]
    for id in ids:
        send_until_taken(own_broker, type="all", id=id)
    until(lambda: own_broker.outstanding("all") == 0)
    came = Counter(subscriber.ids())
    assert set(came) == set(ids)
    assert max(came.values()) > 1
    assert list(came) != ids, "in another order"
    assert own_broker.log.count("test switches are on") > 1, "it has started anew"


def test_40_a_kill_between_202_and_delivery_loses_nothing(
    own_broker: RunningBroker, subscriber: Subscriber
) -> None:
    kept = {"filters": [{"exact": {"type": "kept"}}]}
    own_broker.write_trigger("kept", "nobody", **kept, delivery=AGAIN_IN_AN_HOUR)
    own_broker.start()
    ids = {str(number) for number in range(50)}
    for id in ids:
        assert own_broker.send(type="kept", id=id) == 202
    own_broker.kill()
    own_broker.write_trigger("kept", subscriber, **kept)
    own_broker.start()
    until(lambda: own_broker.outstanding("kept") == 0)
    assert set(subscriber.ids()) == ids
