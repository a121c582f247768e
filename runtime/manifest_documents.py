"""Kubernetes documents of eventing, field by field, and how they are read from files.

Unknown fields are faults, as with strict decoding in an API server.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from runtime.strict_yaml import read_documents
from shared.domain.errors import Fault, Rejected

Model = TypeVar("Model")
_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Metadata(Strict, frozen=True):
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Ref(Strict, frozen=True):
    kind: str
    name: str
    api_version: str = ""
    namespace: str = ""


class Destination(Strict, frozen=True):
    """Where events go: a Service or Broker by name, an absolute address, or a path on what is named."""

    ref: Ref | None = None
    uri: str = ""


class DeliverySpec(Strict, frozen=True):
    retry: int = 0
    backoff_policy: Literal["linear", "exponential"] | None = None
    backoff_delay: str = "PT0S"
    timeout: str = ""
    dead_letter_sink: Destination | None = None
    format: Literal["json", "binary"] = "binary"


class BrokerSpec(Strict, frozen=True):
    config: Ref | None = None
    delivery: DeliverySpec | None = None


class BrokerDocument(Strict, frozen=True):
    api_version: Literal["eventing.knative.dev/v1"]
    kind: Literal["Broker"]
    metadata: Metadata
    spec: BrokerSpec = BrokerSpec()


class LegacyFilter(Strict, frozen=True):
    attributes: dict[str, str] = {}


class Filter(Strict, frozen=True):
    """One object of `filters`: one dialect of these, or none."""

    exact: dict[str, str] = {}
    prefix: dict[str, str] = {}
    suffix: dict[str, str] = {}
    all: list["Filter"] = []
    any: list["Filter"] = []
    not_: "Filter | None" = msgspec.field(default=None, name="not")
    cesql: str = ""


class TriggerSpec(Strict, frozen=True):
    subscriber: Destination
    broker: str = "default"
    filter: LegacyFilter = LegacyFilter()
    filters: list[Filter] = []
    delivery: DeliverySpec | None = None


class TriggerDocument(Strict, frozen=True):
    api_version: Literal["eventing.knative.dev/v1"]
    kind: Literal["Trigger"]
    metadata: Metadata
    spec: TriggerSpec


class Selector(Strict, frozen=True):
    match_labels: dict[str, str]


class Subject(Strict, frozen=True):
    api_version: str
    kind: str
    selector: Selector
    namespace: str = ""


class BrokerRef(Ref, frozen=True):
    kind: Literal["Broker"]


class BrokerSink(Strict, frozen=True):
    ref: BrokerRef


class SinkBindingSpec(Strict, frozen=True):
    subject: Subject
    sink: BrokerSink


class SinkBindingDocument(Strict, frozen=True):
    api_version: Literal["sources.knative.dev/v1"]
    kind: Literal["SinkBinding"]
    metadata: Metadata
    spec: SinkBindingSpec


class CeOverrides(Strict, frozen=True):
    extensions: dict[str, str] = {}


class PingSourceSpec(Strict, frozen=True):
    schedule: str
    sink: Destination
    timezone: str = ""
    content_type: str = ""
    data: str = ""
    ce_overrides: CeOverrides = CeOverrides()


class PingSourceDocument(Strict, frozen=True):
    api_version: Literal["sources.knative.dev/v1"]
    kind: Literal["PingSource"]
    metadata: Metadata
    spec: PingSourceSpec


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files of a folder in order of name; none where there is no folder."""
    return sorted(path for path in folder.glob("*.y*ml") if not path.name.startswith("."))


def of_kind(folder: Path, kind: str, model: type[Model]) -> list[tuple[Path, Model]]:
    """The documents of one kind among the files of `folder`. Raises Rejected."""
    return [
        (file, convert(file, place, document, model))
        for file in yaml_files(folder)
        for place, document in documents(file)
        if document.get("kind") == kind
    ]


def documents(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mapping of a file with the prefix of its fields. Raises Rejected."""
    found = read_documents(file)
    for number, document in enumerate(found):
        place = f"[{number}]." if len(found) > 1 else ""
        if not isinstance(document, dict):
            raise Rejected.because(f"{file}: {place}", "a mapping is expected")
        yield place, document


def convert(file: Path, place: str, document: dict[str, Any], model: type[Model]) -> Model:
    """Raises Rejected naming file and field."""
    try:
        return msgspec.convert(document, model)
    except msgspec.ValidationError as error:
        match = _PLACE.match(str(error))
        assert match is not None
        raise Rejected(Fault(f"{file}: {place}{match['field'] or ''}", match["what"])) from error
