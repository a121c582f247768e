"""The YAML that is deployed: what it promises, and that production and the runtime are told the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from eventing import types
from runtime.broker.manifests import load_broker, load_triggers
from runtime.manifest_documents import Filter, SinkBindingDocument, of_kind
from runtime.ping_manifests import load_ping_sources
from shared.domain.dead_letters import CORRECTS

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = CHECKOUT / "eventing" / "manifests" / "base"
IN_MEMORY = CHECKOUT / "eventing" / "manifests" / "overlays" / "in-memory"
TRIGGERS = CHECKOUT / "triggers"


def documents(folder: Path) -> list[dict[str, Any]]:
    return [item for file in sorted(folder.glob("*.yaml")) for item in yaml.safe_load_all(file.read_text())]


def of(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [item for item in documents(folder) if item["kind"] == kind]


def test_production_is_the_kafka_broker_with_letters_in_a_topic() -> None:
    (broker,) = of(BASE, "Broker")
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "Kafka"}
    assert broker["spec"]["delivery"]["deadLetterSink"]["ref"]["kind"] == "KafkaSink"


def test_the_runtime_is_told_the_same_schedule_as_production() -> None:
    (kafka,), (memory,) = of(BASE, "Broker"), of(IN_MEMORY, "Broker")
    for document in (kafka, memory):
        del document["spec"]["delivery"]["deadLetterSink"]
    assert kafka["spec"]["delivery"] == memory["spec"]["delivery"]
    broker = load_broker(IN_MEMORY)
    assert broker.path == "/billing/default"
    policy = broker.delivery
    assert (policy.retries, policy.backoff, policy.delay_s, policy.timeout_s) == (
        12,
        "exponential",
        1.0,
        30.0,
    )
    assert policy.dead_letter_sink is not None
    assert policy.dead_letter_sink.ref is not None
    assert policy.dead_letter_sink.ref.name == "billing-dead-letter"


@pytest.mark.parametrize("folder", [BASE, IN_MEMORY])
def test_a_kustomization_names_every_file_beside_it(folder: Path) -> None:
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    patches = [patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
    named = {name for name in [*kustomization["resources"], *patches] if name.endswith(".yaml")}
    assert named == {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}


def test_the_in_memory_overlay_replaces_the_broker_and_leaves_out_what_needs_kafka() -> None:
    base = {(item["kind"], item["metadata"]["name"]) for item in documents(BASE) if "metadata" in item}
    (broker,) = of(IN_MEMORY, "Broker")
    assert (broker["kind"], broker["metadata"]["name"]) in base
    kustomization = yaml.safe_load((IN_MEMORY / "kustomization.yaml").read_text())
    patches = [yaml.safe_load(item["patch"]) for item in kustomization["patches"] if "patch" in item]
    assert {item["$patch"] for item in patches} == {"delete"}
    without = {(item["kind"], item["metadata"]["name"]) for item in patches}
    assert without == {(kind, name) for kind, name in base if kind.startswith("Kafka")}


def test_everything_is_in_the_namespace_billing() -> None:
    found = [*documents(BASE), *documents(IN_MEMORY), *documents(TRIGGERS)]
    assert {item["metadata"]["namespace"] for item in found if "metadata" in item} == {"billing"}


def test_triggers_are_one_to_a_file_and_carry_no_delivery_of_their_own() -> None:
    broker = load_broker(IN_MEMORY)
    for file in sorted(TRIGGERS.glob("*.yaml")):
        (trigger,) = load_triggers(file, broker)
        assert trigger.name == file.stem
        assert trigger.delivery is broker.delivery
        assert trigger.filters, "a Trigger without a filter gets everything"


def test_usage_and_voids_go_to_the_aggregator_and_its_announcements_to_pricing() -> None:
    wanted = {
        "aggregator-usage": (types.USAGE_RECORDED, "billing-aggregator"),
        "aggregator-voids": (types.USAGE_VOIDED, "billing-aggregator"),
        "pricing-usage": (types.USAGE_AGGREGATED, "billing-pricing"),
    }
    for name, (event_type, service) in wanted.items():
        (trigger,) = load_triggers(TRIGGERS / f"{name}.yaml", load_broker(IN_MEMORY))
        assert trigger.filters == (Filter(exact={"type": event_type}),)
        assert trigger.subscriber.ref is not None
        assert trigger.subscriber.ref.name == service


def test_the_tick_of_the_sweep_goes_to_aggregator_and_pricing_and_no_other_tick_does() -> None:
    for function in ("aggregator", "pricing"):
        (trigger,) = load_triggers(TRIGGERS / f"{function}-sweep.yaml", load_broker(IN_MEMORY))
        assert trigger.filters == (Filter(exact={"type": types.PING, "source": types.SOURCE_SWEEP}),)
        assert trigger.subscriber.ref is not None
        assert trigger.subscriber.ref.name == f"billing-{function}"


def test_triggers_ask_for_types_and_sources_that_there_are() -> None:
    ours = {value for value in vars(types).values() if isinstance(value, str)}
    broker = load_broker(IN_MEMORY)
    for file in sorted(TRIGGERS.glob("*.yaml")):
        (trigger,) = load_triggers(file, broker)
        (only,) = trigger.filters
        assert only == Filter(exact=only.exact), file
        assert only.exact.keys() in ({"type"}, {"type", "source"}), file
        assert set(only.exact.values()) <= ours, file
        if only.exact["type"] == types.PING:
            assert only.exact["source"] in {source.event.source for source in load_ping_sources(BASE)}


def test_the_sweep_ticks_every_quarter_of_an_hour_for_the_broker() -> None:
    sweep, _ = load_ping_sources(BASE)
    assert (sweep.event.type, sweep.event.source) == (types.PING, types.SOURCE_SWEEP)
    assert (sweep.event.data, sweep.event.extensions) == (b"", {})
    assert str(sweep.schedule) == "*/15 * * * * (UTC)"
    assert sweep.sink.ref is not None
    assert (sweep.sink.ref.kind, sweep.sink.ref.name) == ("Broker", "default")


def test_the_close_ticks_five_minutes_past_each_hour_for_pricing() -> None:
    _, close = load_ping_sources(BASE)
    assert (close.event.type, close.event.source) == (types.PING, types.SOURCE_CLOSE)
    assert str(close.schedule) == "5 * * * * (UTC)"
    (trigger,) = load_triggers(TRIGGERS / "pricing-close.yaml", load_broker(IN_MEMORY))
    assert trigger.filters == (Filter(exact={"type": types.PING, "source": types.SOURCE_CLOSE}),)
    assert trigger.subscriber.ref is not None
    assert trigger.subscriber.ref.name == "billing-pricing"


def test_every_type_has_an_event_type_and_none_has_one_that_is_unknown() -> None:
    declared = {
        attribute["value"]: item["spec"]
        for item in of(BASE, "EventType")
        for attribute in item["spec"]["attributes"]
        if attribute["name"] == "type"
    }
    ours = {value for value in vars(types).values() if str(value).startswith("dev.faasbilling.")}
    assert declared.keys() == ours
    for spec in declared.values():
        required = {item["name"] for item in spec["attributes"] if item["required"]}
        assert {"type", "source", "specversion", "id", types.TENANT_ID} <= required
        assert spec["reference"]["name"] == "default"


def test_a_correction_may_name_the_event_that_it_replaces() -> None:
    (attributes,) = (
        item["spec"]["attributes"] for item in of(BASE, "EventType") if _is_of(item, types.USAGE_RECORDED)
    )
    assert {"name": CORRECTS, "required": False} in attributes


def _is_of(event_type: dict[str, Any], name: str) -> bool:
    return {"name": "type", "required": True, "value": name} in event_type["spec"]["attributes"]


def test_functions_that_ask_for_it_publish_to_the_broker() -> None:
    ((_, binding),) = of_kind(BASE, "SinkBinding", SinkBindingDocument)
    assert binding.spec.subject.selector.match_labels == {"faasbilling.dev/publishes": "true"}
    assert (binding.spec.subject.api_version, binding.spec.subject.kind) == (
        "serving.knative.dev/v1",
        "Service",
    )
    assert binding.spec.sink.ref is not None
    assert (binding.spec.sink.ref.kind, binding.spec.sink.ref.name) == ("Broker", "default")
