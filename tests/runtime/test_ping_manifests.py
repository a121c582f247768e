from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.manifest_documents import Destination, Ref
from runtime.ping_manifests import PingSource, load_ping_sources
from shared.domain.errors import Rejected

HEAD = "apiVersion: sources.knative.dev/v1\nkind: PingSource\n"
SINK = "sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: default}}"
EVERY = 'schedule: "*/15 * * * *"'


def document(spec: str, metadata: str = "name: x, namespace: billing") -> str:
    return f"{HEAD}metadata: {{{metadata}}}\nspec: {{{spec}}}\n"


def load(folder: Path, *documents: str) -> tuple[PingSource, ...]:
    (folder / "pings.yaml").write_text("---\n".join(documents))
    return load_ping_sources(folder)


def test_a_ping_source_says_when_to_whom_and_what(tmp_path: Path) -> None:
    data = "timezone: Asia/Kathmandu, contentType: application/json, data: '{\"a\": 1}'"
    more = "ceOverrides: {extensions: {cluster: c1}}"
    (source,) = load(tmp_path, document(f"{EVERY}, {SINK}, {data}, {more}"))
    assert str(source) == "PingSource billing/x"
    assert str(source.schedule) == "*/15 * * * * (Asia/Kathmandu)"
    assert source.sink == Destination(ref=Ref("Broker", "default", "eventing.knative.dev/v1"))
    event = source.event
    assert event.type == "dev.knative.sources.ping"
    assert event.source == "/apis/v1/namespaces/billing/pingsources/x"
    assert (event.data, event.datacontenttype) == (b'{"a": 1}', "application/json")
    assert event.extensions == {"cluster": "c1"}


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    spec = f"{EVERY}, sink: {{uri: 'https://example.com/x'}}, contentType: text/plain"
    (source,) = load(tmp_path, document(spec, "name: x"))
    assert source.event.source == "/apis/v1/namespaces/default/pingsources/x"
    assert (source.event.data, source.event.datacontenttype) == (b"", None)
    at = datetime(2025, 10, 15, 12, tzinfo=UTC)
    assert source.schedule.after(at) == at.replace(minute=15)


def test_documents_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    others = "kind: Broker\nanything: 1\n"
    assert [source.name for source in load(tmp_path, others, document(f"{EVERY}, {SINK}"), others)] == ["x"]
    assert load_ping_sources(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            f'schedule: "* * * *", {SINK}',
            "pings.yaml: spec.schedule: expected 5 to 6 fields, found 4: [* * * *]",
        ),
        (f'schedule: "0 0 30 2 *", {SINK}', "pings.yaml: spec.schedule: never comes: "),
        (SINK, "pings.yaml: spec: Object missing required field `schedule`"),
        (f"schedule: 5, {SINK}", "pings.yaml: spec.schedule: Expected `str`"),
        (EVERY, "pings.yaml: spec: Object missing required field `sink`"),
        (f"{EVERY}, sink: {{}}", "pings.yaml: spec.sink: expected at least one, got none: ref, uri"),
        (f"{EVERY}, sink: {{uri: /path}}", "pings.yaml: spec.sink.uri: is not an absolute http"),
        (f"{EVERY}, sink: {{uri: 'http://x:y/'}}", "pings.yaml: spec.sink.uri: is not an absolute http"),
        (
            f"{EVERY}, sink: {{ref: {{kind: Channel, name: x}}}}",
            "pings.yaml: spec.sink.ref.kind: Broker or Service is expected, not Channel",
        ),
        (f"{EVERY}, {SINK}, timezone: Mars/Base", "spec.timezone: 'Mars/Base' is not an IANA time zone"),
        (
            f"{EVERY}, {SINK}, contentType: application/json, data: 'x'",
            "spec.data: is not a JSON object: ",
        ),
        (f"{EVERY}, {SINK}, contentType: application/json, data: '[]'", "spec.data: is not a JSON object: "),
        (f'{EVERY}, {SINK}, contentType: "a\\nb", data: x', "spec.contentType: has a control character"),
        (
            f"{EVERY}, {SINK}, dataBase64: eA==",
            "pings.yaml: spec: Object contains unknown field `dataBase64`",
        ),
        (
            f"{EVERY}, {SINK}, ceOverrides: {{extensions: {{a_b: x}}}}",
            "spec.ceOverrides.extensions.a_b: is not a name of an attribute",
        ),
        (
            f"{EVERY}, {SINK}, ceOverrides: {{extensions: {{type: x}}}}",
            "spec.ceOverrides.extensions.type: is not an extension",
        ),
        (
            f"{EVERY}, {SINK}, ceOverrides: {{extensions: {{number: 5}}}}",
            "spec.ceOverrides.extensions[...]: Expected `str`",
        ),
    ],
)
def test_a_fault_names_its_file_and_field(tmp_path: Path, spec: str, message: str) -> None:
    with pytest.raises(Rejected) as refused:
        load(tmp_path, document(spec))
    assert message in str(refused.value)


def test_every_fault_of_every_document_is_named(tmp_path: Path) -> None:
    bad = 'schedule: "x", timezone: X, sink: {}'
    with pytest.raises(Rejected) as refused:
        load(tmp_path, document(bad), document(f"{EVERY}, {SINK}"), document("oops: 1"))
    fields = [fault.field.rpartition(": ")[2] for fault in refused.value.faults]
    assert fields == ["[0].spec.timezone", "[0].spec.schedule", "[0].spec.sink", "[2].spec"]
