"""The PingSources as the deployable YAML has them, read as strictly as a webhook does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from eventing import types
from eventing.event import CORE, Event, build
from runtime import cron
from runtime.manifest_documents import (
    Destination,
    PingSourceDocument,
    PingSourceSpec,
    convert,
    documents,
    yaml_files,
)
from shared.domain.errors import Fault, Rejected
from shared.domain.period import read_zone

JSON: Final = "application/json"
UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class PingSource:
    """`event` is what every tick sends, but for its id and time."""

    name: str
    namespace: str
    schedule: cron.Schedule
    sink: Destination
    event: Event

    def __str__(self) -> str:
        return f"PingSource {self.namespace}/{self.name}"


def load_ping_sources(folder: Path) -> tuple[PingSource, ...]:
    """Those among the files of `folder`. Raises Rejected with every fault, by file and field."""
    sources: list[PingSource] = []
    faults: list[Fault] = []
    for file in yaml_files(folder):
        for place, document in documents(file):
            if document.get("kind") != "PingSource":
                continue
            try:
                sources.append(
                    _ping_source(f"{file}: {place}", convert(file, place, document, PingSourceDocument))
                )
            except Rejected as refusal:
                faults += refusal.faults
    if faults:
        raise Rejected(*faults)
    return tuple(sources)


def _ping_source(place: str, document: PingSourceDocument) -> PingSource:
    name, namespace = document.metadata.name, document.metadata.namespace or "default"
    spec = document.spec
    faults: list[Fault] = []
    zone, schedule, event = UTC, None, None
    try:
        zone = read_zone(spec.timezone) if spec.timezone else UTC
    except Rejected as refusal:
        faults += (Fault("timezone", fault.message) for fault in refusal.faults)
    try:
        schedule = cron.read(spec.schedule, zone)
    except ValueError as error:
        faults.append(Fault("schedule", str(error)))
    try:
        event = _event(f"/apis/v1/namespaces/{namespace}/pingsources/{name}", spec)
    except Rejected as refusal:
        faults += refusal.faults
    faults += [*_data_faults(spec), *_sink_faults(spec.sink)]
    if faults or schedule is None or event is None:
        raise Rejected(*(Fault(f"{place}spec.{fault.field}", fault.message) for fault in faults))
    return PingSource(name, namespace, schedule, spec.sink, event)


def _event(source: str, spec: PingSourceSpec) -> Event:
    own = {"specversion": "1.0", "id": "0", "type": types.PING, "source": source}
    if spec.data and spec.content_type:
        own["datacontenttype"] = spec.content_type
    extensions = spec.ce_overrides.extensions
    known = [Fault(name, "is not an extension") for name in sorted(CORE & extensions.keys())]
    try:
        return build({**extensions, **own}, spec.data.encode(), *known)
    except Rejected as refusal:
        raise Rejected(
            *(
                Fault(
                    "contentType"
                    if field == "datacontenttype" and field not in extensions
                    else f"ceOverrides.extensions.{field}",
                    message,
                )
                for field, message in refusal.faults
            )
        ) from refusal


def _data_faults(spec: PingSourceSpec) -> Iterator[Fault]:
    if spec.data and spec.content_type == JSON:
        try:
            msgspec.json.decode(spec.data.encode(), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            yield Fault("data", f"is not a JSON object: {error}")


def _is_address(uri: str) -> bool:
    try:
        url = urlsplit(uri)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _sink_faults(sink: Destination) -> Iterator[Fault]:
    if sink.ref is None:
        if not sink.uri:
            yield Fault("sink", "expected at least one, got none: ref, uri")
        elif not _is_address(sink.uri):
            yield Fault("sink.uri", f"is not an absolute http or https address: {sink.uri}")
    elif sink.ref.kind not in ("Broker", "Service"):
        yield Fault("sink.ref.kind", f"Broker or Service is expected, not {sink.ref.kind}")
