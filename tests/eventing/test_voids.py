"""The data of `usage.voided`, read to the letter."""

import json
from typing import Any

import pytest

from eventing.voids import read_event
from shared.domain.errors import Malformed, Rejected

VOID = {"source": "/spool/1", "id": "4-abc", "reason": "a load test"}


def read(sent: object) -> list[tuple[str, str, str, str]]:
    requests = read_event(json.dumps(sent).encode(), "demo")
    assert {(request.tenant_ref, request.tenant_field) for request in requests} <= {("demo", "tenantid")}
    return [(request.source, request.id, request.reason, request.place) for request in requests]


def test_one_void_or_a_list_of_them_is_read() -> None:
    assert read(VOID) == [("/spool/1", "4-abc", "a load test", "")]
    assert read({"voids": [VOID, VOID | {"id": "ä\tb"}]}) == [
        ("/spool/1", "4-abc", "a load test", "voids[0]"),
        ("/spool/1", "ä\tb", "a load test", "voids[1]"),
    ]
    assert len(read({"voids": [VOID] * 100})) == 100


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ([VOID], ["data"]),
        ("void", ["data"]),
        ({}, ["id", "reason", "source"]),
        ({"voids": [VOID] * 101}, ["voids"]),
        ({"voids": None, "id": "x"}, ["id", "voids"]),
        (VOID | {"tenant_id": "other"}, ["tenant_id"]),
        (VOID | {"request_id": "r"}, ["request_id"]),
        (
            {"voids": [VOID, VOID | {"id": ""}, None, {"id": 1}]},
            ["voids[1].id", "voids[2]", "voids[3].id", "voids[3].reason", "voids[3].source"],
        ),
    ],
)
def test_every_fault_is_named_by_its_path(sent: Any, fields: list[str]) -> None:
    with pytest.raises(Rejected) as refusal:
        read(sent)
    assert sorted(fault.field for fault in refusal.value.faults) == fields


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"id": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_event(data, "demo")


def test_a_name_that_comes_twice_is_a_fault() -> None:
    with pytest.raises(Rejected, match="id: is given twice"):
        read_event(b'{"source": "/s", "id": "a", "id": "b", "reason": "x"}', "demo")


def test_half_a_surrogate_pair_is_a_fault() -> None:
    with pytest.raises(Rejected):
        read_event(b'{"source": "/s", "id": "\\ud800", "reason": "x"}', "demo")
