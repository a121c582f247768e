"""The Broker and its Triggers as the deployable YAML has them.

Read strictly: an unknown field, a wrong type or a misspelt duration is a fault that names its file and field.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Final, Literal

from runtime.broker import filters
from runtime.manifest_documents import (
    BrokerDocument,
    DeliverySpec,
    Destination,
    Filter,
    TriggerDocument,
    convert,
    documents,
    of_kind,
)
from shared.domain.errors import Rejected

logger = getLogger(__name__)

# What the webhook gives a Broker that says nothing about delivery.
DEFAULT_DELIVERY: Final = DeliverySpec(retry=10, backoff_policy="exponential", backoff_delay="PT0.2S")
_DURATION: Final = re.compile(
    r"P(?=\d|T\d)(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d)\d*)?S)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How often and how patiently to deliver; without `timeout_s` as long as a channel waits."""

    retries: int = 0
    backoff: Literal["linear", "exponential"] | None = None
    delay_s: float = 0.0
    timeout_s: float | None = None
    dead_letter_sink: Destination | None = None


@dataclass(frozen=True, slots=True)
class Broker:
    namespace: str
    name: str
    delivery: DeliveryPolicy

    @property
    def path(self) -> str:
        return f"/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """`filters`, where there are any, stand in the place of `attributes`; `delivery` is complete.

    A `structured` one is sent events in one piece of JSON.
    """

    name: str
    namespace: str
    subscriber: Destination
    delivery: DeliveryPolicy
    attributes: Mapping[str, str]
    filters: tuple[Filter, ...]
    structured: bool = False


def load_broker(folder: Path) -> Broker:
    """The one Broker among the files of `folder`. Raises Rejected."""
    found = of_kind(folder, "Broker", BrokerDocument)
    if len(found) != 1:
        raise Rejected.because(str(folder), f"one Broker is expected here, found {len(found)}")
    file, document = found[0]
    policy = _policy(f"{file}: spec.delivery", document.spec.delivery or DEFAULT_DELIVERY)
    return Broker(document.metadata.namespace or "default", document.metadata.name, policy)


def load_triggers(file: Path, broker: Broker) -> tuple[Trigger, ...]:
    """The Triggers of one file, which holds nothing else, for this Broker. Raises Rejected."""
    return tuple(
        _trigger(f"{file}: {place}", convert(file, place, document, TriggerDocument), broker)
        for place, document in documents(file)
    )


def seconds(duration: str) -> float:
    """ISO 8601 to seconds; one decimal counts, as in Knative: PT0.25S is 0.2. Raises ValueError."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"invalid value: {duration}")
    days, hours, minutes, whole, tenths = (int(group or 0) for group in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + whole + tenths / 10


def _trigger(place: str, document: TriggerDocument, broker: Broker) -> Trigger:
    spec, namespace = document.spec, document.metadata.namespace or broker.namespace
    if namespace != broker.namespace:
        raise Rejected.because(f"{place}metadata.namespace", f"the Broker is in namespace {broker.namespace}")
    if spec.broker != broker.name:
        raise Rejected.because(f"{place}spec.broker", f"there is no Broker {spec.broker}, only {broker.name}")
    _check_destination(f"{place}spec.subscriber", spec.subscriber)
    for warning in filters.check(spec.filters, spec.filter.attributes, f"{place}spec."):
        logger.warning("%s", warning)
    return Trigger(
        name=document.metadata.name,
        namespace=namespace,
        subscriber=spec.subscriber,
        delivery=_policy(f"{place}spec.delivery", spec.delivery, broker.delivery),
        attributes=spec.filter.attributes,
        filters=tuple(spec.filters),
        structured=spec.delivery is not None and spec.delivery.format == "json",
    )


def _policy(place: str, spec: DeliverySpec | None, inherited: DeliveryPolicy | None = None) -> DeliveryPolicy:
    """A delivery replaces what it would inherit as a whole, but for the dead-letter sink."""
    inherited = inherited or DeliveryPolicy()
    if spec is None:
        return inherited
    if spec.retry < 0:
        raise Rejected.because(f"{place}.retry", f"invalid value: {spec.retry}")
    if spec.dead_letter_sink is not None:
        _check_destination(f"{place}.deadLetterSink", spec.dead_letter_sink)
    return DeliveryPolicy(
        retries=spec.retry,
        backoff=spec.backoff_policy,
        delay_s=_seconds_at(f"{place}.backoffDelay", spec.backoff_delay),
        timeout_s=_seconds_at(f"{place}.timeout", spec.timeout) if spec.timeout else None,
        dead_letter_sink=spec.dead_letter_sink or inherited.dead_letter_sink,
    )


def _seconds_at(place: str, duration: str) -> float:
    try:
        return seconds(duration)
    except ValueError as error:
        raise Rejected.because(place, str(error)) from error


def _check_destination(place: str, destination: Destination) -> None:
    if destination.ref is not None:
        if destination.ref.kind != "Service":
            raise Rejected.because(f"{place}.ref.kind", f"Service is expected, not {destination.ref.kind}")
    elif not destination.uri.startswith(("http://", "https://")):
        raise Rejected.because(place, "expected at least one, got none: ref, uri (http or https)")
