from pathlib import Path

import pytest

from runtime.broker.manifests import Broker, DeliveryPolicy, load_broker, load_triggers, seconds
from runtime.manifest_documents import Destination, Ref
from shared.domain.errors import Rejected

SINK = Destination(uri="http://letters")
BROKER = Broker("billing", "default", DeliveryPolicy(12, "exponential", 1.0, 30.0, SINK))
HEAD = "apiVersion: eventing.knative.dev/v1\nkind: {kind}\nmetadata: {{name: x, namespace: billing}}\n"
SUBSCRIBER = "subscriber: {uri: 'http://x'}"


def trigger_file(folder: Path, spec: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(HEAD.format(kind="Trigger") + f"spec: {{{spec}}}\n")
    return path


def broker_folder(folder: Path, spec: str) -> Path:
    (folder / "broker.yaml").write_text(HEAD.format(kind="Broker") + f"spec: {{{spec}}}\n")
    return folder


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PT1S", 1.0),
        ("PT0.2S", 0.2),
        ("PT0.25S", 0.2),
        ("PT0.05S", 0.0),
        ("PT1M30S", 90.0),
        ("PT2H", 7200.0),
        ("P1DT1S", 86_401.0),
    ],
)
def test_24_durations_count_to_one_decimal(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0.5s", "1", "PT", "P", "P1DT", "PT1X", "-PT1S", ""])
def test_24_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid value"):
        seconds(text)


def test_23_a_broker_without_delivery_has_the_default_of_the_webhook(tmp_path: Path) -> None:
    assert load_broker(broker_folder(tmp_path, "")).delivery == DeliveryPolicy(10, "exponential", 0.2)


def test_23_a_delivery_without_retry_never_retries(tmp_path: Path) -> None:
    assert load_broker(broker_folder(tmp_path, "delivery: {timeout: PT5S}")).delivery.retries == 0


def test_27_a_trigger_without_delivery_has_the_brokers(tmp_path: Path) -> None:
    (trigger,) = load_triggers(trigger_file(tmp_path, SUBSCRIBER), BROKER)
    assert trigger.delivery == BROKER.delivery


def test_27_a_triggers_delivery_replaces_all_but_the_dead_letter_sink(tmp_path: Path) -> None:
    (trigger,) = load_triggers(trigger_file(tmp_path, f"{SUBSCRIBER}, delivery: {{timeout: PT5S}}"), BROKER)
    assert trigger.delivery == DeliveryPolicy(0, None, 0.0, 5.0, SINK)


def test_27_a_triggers_own_dead_letter_sink_comes_first(tmp_path: Path) -> None:
    spec = f"{SUBSCRIBER}, delivery: {{retry: 1, deadLetterSink: {{ref: {{kind: Service, name: own}}}}}}"
    (trigger,) = load_triggers(trigger_file(tmp_path, spec), BROKER)
    assert trigger.delivery.dead_letter_sink == Destination(ref=Ref("Service", "own"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (f"{SUBSCRIBER}, brocker: default", "x.yaml: spec: Object contains unknown field `brocker`"),
        (f"{SUBSCRIBER}, filters: {{type: x}}", "x.yaml: spec.filters: Expected `array`"),
        (f"{SUBSCRIBER}, filter: {{attributes: {{sequence: 5}}}}", "x.yaml: spec.filter.attributes"),
        (f"{SUBSCRIBER}, broker: other", "x.yaml: spec.broker: there is no Broker other"),
        ("broker: default", "x.yaml: spec: Object missing required field `subscriber`"),
        ("subscriber: {}", "x.yaml: spec.subscriber: expected at least one, got none: ref, uri"),
        ("subscriber: {uri: /path}", "x.yaml: spec.subscriber: expected at least one"),
        ("subscriber: {ref: {kind: Deployment, name: x}}", "x.yaml: spec.subscriber.ref.kind: "),
        (
            f"{SUBSCRIBER}, delivery: {{backoffDelay: 0.5s}}",
            "spec.delivery.backoffDelay: invalid value: 0.5s",
        ),
        (f"{SUBSCRIBER}, delivery: {{timeout: 5}}", "x.yaml: spec.delivery.timeout: Expected `str`"),
        (f"{SUBSCRIBER}, delivery: {{retry: -1}}", "x.yaml: spec.delivery.retry: invalid value: -1"),
        (f"{SUBSCRIBER}, delivery: {{retryAfterMax: PT1S}}", "unknown field `retryAfterMax`"),
        (f"{SUBSCRIBER}, delivery: {{backoffPolicy: never}}", "x.yaml: spec.delivery.backoffPolicy: "),
        (f"{SUBSCRIBER}, {SUBSCRIBER}", "x.yaml: subscriber given twice"),
    ],
)
def test_a_fault_names_its_file_and_field(tmp_path: Path, spec: str, message: str) -> None:
    with pytest.raises(Rejected) as refused:
        load_triggers(trigger_file(tmp_path, spec), BROKER)
    assert message in str(refused.value)


def test_a_name_that_a_cluster_would_refuse_is_refused(tmp_path: Path) -> None:
    path = trigger_file(tmp_path, SUBSCRIBER)
    path.write_text(path.read_text().replace("name: x,", "name: Aggregator_Usage,"))
    with pytest.raises(Rejected, match=r"x\.yaml: metadata\.name: "):
        load_triggers(path, BROKER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "x.yaml: "),
        ("- 1", "x.yaml: : a mapping is expected"),
        ("kind: Service\napiVersion: v1\nmetadata: {name: x}\nspec: {subscriber: {}}", "x.yaml: "),
        ("kind: Trigger", "missing required field"),
    ],
)
def test_a_file_that_holds_no_trigger_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(Rejected) as refused:
        load_triggers(path, BROKER)
    assert message in str(refused.value)


def test_a_document_of_many_is_named_by_its_number(tmp_path: Path) -> None:
    path = trigger_file(tmp_path, SUBSCRIBER)
    good = path.read_text()
    bad = trigger_file(tmp_path, f"{SUBSCRIBER}, oops: 1").read_text()
    path.write_text(f"{good}---\n{bad}")
    with pytest.raises(Rejected, match=r"x\.yaml: \[1\]\.spec: .*oops"):
        load_triggers(path, BROKER)


def test_a_trigger_of_another_namespace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"metadata\.namespace: the Broker is in namespace other"):
        load_triggers(trigger_file(tmp_path, SUBSCRIBER), Broker("other", "default", DeliveryPolicy()))


def test_a_folder_has_one_broker(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="one Broker is expected here, found 0"):
        load_broker(tmp_path)
