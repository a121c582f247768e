"""What the embedded broker alone has or shows; the contract is in conformance."""

from tests.runtime.broker.rig import Reply, RunningBroker, Subscriber, until

QUICK = {"retry": 3, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S", "timeout": "PT1S"}


def test_21_a_subscriber_that_is_not_there_yet_is_tried_again(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    with broker.trigger("late", "late", delivery={**QUICK, "retry": 9}):
        broker.name_services()
        assert broker.send(type="late") == 202
        until(lambda: broker.counted("failed_attempts", "late"))
        broker.name_services(late=subscriber.url)
        until(lambda: subscriber.received)
        until(lambda: broker.outstanding("late") == 0)


def test_34_a_dead_letter_names_a_service_as_a_cluster_does(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    broker.name_services(letters=letters.url, refuser=subscriber.url)
    subscriber.default = Reply(422)
    with broker.trigger("named", "refuser"):
        assert broker.send(type="named") == 202
        headers = until(lambda: letters.received)[0].headers
    assert headers["ce-knativeerrordest"] == "http://refuser.billing.svc.cluster.local"


def test_a_subscriber_with_a_filter_on_tenantid_gets_that_tenant_alone(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    with broker.trigger("tenant", subscriber, filters=[{"exact": {"tenantid": "demo"}}]):
        for number, (tenant, kind) in enumerate(
            [("demo", "a"), ("other", "a"), ("demo", "b"), ("demo2", "b")]
        ):
            assert broker.send(type=kind, id=str(number), tenantid=tenant) == 202
        assert broker.send(type="a", id="none") == 202
        until(lambda: len(subscriber.received) == 2 and broker.outstanding("tenant") == 0)
    assert sorted(subscriber.ids()) == ["0", "2"]


def test_a_trigger_added_while_running_sees_events_from_then_on(
    broker: RunningBroker, subscriber: Subscriber
) -> None:
    assert broker.send(type="later", id="before") == 202
    with broker.trigger("later", subscriber):
        assert broker.send(type="later", id="after") == 202
        until(lambda: broker.outstanding("later") == 0)
    assert subscriber.ids() == ["after"]


def test_a_trigger_taken_away_gets_nothing_more(broker: RunningBroker, subscriber: Subscriber) -> None:
    with broker.trigger("brief", subscriber):
        assert broker.send(type="brief", id="1") == 202
        until(lambda: broker.outstanding("brief") == 0)
    assert broker.send(type="brief", id="2") == 202
    with broker.trigger("brief", subscriber):
        assert broker.send(type="brief", id="3") == 202
        until(lambda: broker.outstanding("brief") == 0)
    assert subscriber.ids() == ["1", "3"]


def test_what_no_sink_takes_is_parked_not_lost(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    subscriber.default = letters.default = Reply(422)
    before = broker.backlog()["parked"]
    with broker.trigger("unwanted", subscriber):
        assert broker.send(type="unwanted", id="kept") == 202
        until(lambda: broker.outstanding("unwanted") == 0)
        assert broker.backlog()["parked"] == before + 1
        assert broker.counted("parked_events", "unwanted") == 1
    assert "ERROR runtime.broker.dispatcher: Trigger unwanted: kept parked: answered 422, and" in broker.log


def test_data_that_cannot_go_into_json_is_an_error_and_a_dead_letter(
    broker: RunningBroker, subscriber: Subscriber, letters: Subscriber
) -> None:
    with broker.trigger("whole", subscriber, delivery={"format": "json"}):
        assert broker.send(b"{not json", type="whole") == 202
        (letter,) = until(lambda: letters.received)
    assert letter.body == b"{not json"
    assert subscriber.received == []
    assert "ERROR runtime.broker.dispatcher: Trigger whole: 1" in broker.log


def test_what_is_over_32_mib_is_413(broker: RunningBroker) -> None:
    assert broker.send(bytes(32 * 2**20 + 1)) == 413


def test_an_event_that_nobody_wants_leaves_nothing(broker: RunningBroker) -> None:
    before = broker.backlog()["outstanding"]
    assert broker.send(type="nobody") == 202
    assert broker.backlog()["outstanding"] == before


def test_pages_for_development(broker: RunningBroker) -> None:
    assert broker.request("GET", "/health")[0] == 200
    assert b"faasbilling_broker_accepted_events_total" in broker.request("GET", "/metrics")[2]
    backlog = broker.backlog()
    assert {"aggregator-usage", "pricing-usage"} <= backlog["by_trigger"].keys()
    assert backlog["outstanding"] == sum(backlog["by_trigger"].values())
