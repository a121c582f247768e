from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from eventing.types import SOURCE_HTTP_INGEST
from shared.domain.errors import Rejected, Unavailable
from shared.domain.voids import Void
from tests.functions.billing_api.described import JSON, Described
from tests.functions.billing_api.fakes import Backend
from tests.functions.billing_api.void_fakes import NOW

VOID = {"tenant_id": "demo", "source": "/spool/1", "id": "4-abc", "reason": "a load test"}
KEYED = {"tenant_id": "demo", "idempotency_key": "batch 7", "reason": "a load test"}
REQUESTED = {"tenant_id": "demo", "request_id": "4f1c", "reason": "a load test"}
KEPT = Void(
    UUID(int=1), "demo", UUID(int=6), "/spool/1", "4-abc", "a load test", NOW, "ann", NOW, True, 3, 12_000_000
)
SHOWN = {
    "tenant_id": str(UUID(int=1)),
    "tenant": "demo",
    "source": "/spool/1",
    "id": "4-abc",
    "reason": "a load test",
    "voided_at": "2025-10-16T00:00:00Z",
    "voided_by": "ann",
    "received_at": "2025-10-16T00:00:00Z",
    "counted": True,
    "records": 3,
    "invocations": 12_000_000,
}


def test_a_void_by_itself_is_answered_with_what_it_took_back(api: Described, backend: Backend) -> None:
    answer = api.post("/usage/voids", VOID)
    assert answer.status_code == 200
    assert answer.get_json() == {
        "voided": 1,
        "duplicate": 0,
        "items": [
            SHOWN
            | {"voided_by": "admin", "received_at": None, "counted": False, "records": 0}
            | {"invocations": 0}
        ],
    }
    (asked,) = backend.voids.asked
    assert (asked.tenant_ref, asked.source, asked.id, asked.reason) == tuple(VOID.values())
    assert backend.voids.by == "admin"


def test_what_was_sent_over_http_is_named_as_it_was_sent(api: Described, backend: Backend) -> None:
    answer = api.post("/usage/voids", {"voids": [KEYED, REQUESTED, VOID]})
    assert (answer.get_json()["voided"], answer.get_json()["duplicate"]) == (1, 2)
    assert [(asked.source, asked.id, asked.place) for asked in backend.voids.asked] == [
        (SOURCE_HTTP_INGEST, "key:batch 7", "voids[0]"),
        (SOURCE_HTTP_INGEST, "req:4f1c", "voids[1]"),
        ("/spool/1", "4-abc", "voids[2]"),
    ]


def without(sent: dict[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in sent.items() if name not in names}


BAD: dict[str, tuple[Any, set[str]]] = {
    "nothing": ({}, {"tenant_id", "source", "id", "reason"}),
    "no reason": (without(VOID, "reason"), {"reason"}),
    "a blank reason": (VOID | {"reason": "  "}, {"reason"}),
    "no id": (without(VOID, "id"), {"id"}),
    "a number": (VOID | {"id": 7, "tenant_id": None}, {"id", "tenant_id"}),
    "empty": (VOID | {"source": "", "id": ""}, {"source", "id"}),
    "NUL": (VOID | {"id": "a\0b", "reason": "a\0b"}, {"id", "reason"}),
    "too long": (VOID | {"id": "ä" * 2049, "reason": "x" * 257}, {"id", "reason"}),
    "a key and an id": (KEYED | {"id": "x", "source": "/s"}, {"id", "source"}),
    "two keys": (KEYED | REQUESTED, {"request_id"}),
    "an odd key": (KEYED | {"idempotency_key": "a\tb"}, {"idempotency_key"}),
    "unknown": (VOID | {"voids_": []}, {"voids_"}),
    "an empty list": ({"voids": []}, {"voids"}),
    "no list": ({"voids": VOID}, {"voids"}),
    "a list and more": ({"voids": [VOID], "tenant_id": "demo"}, {"tenant_id"}),
    "101": ({"voids": [VOID] * 101}, {"voids"}),
    "several bad ones": (
        {"voids": [VOID, 7, without(VOID, "id"), KEYED | {"reason": ""}]},
        {"voids[1]", "voids[2].id", "voids[3].reason"},
    ),
}


@pytest.mark.parametrize(("sent", "fields"), BAD.values(), ids=BAD)
def test_every_fault_is_named_and_nothing_is_void(
    api: Described, backend: Backend, sent: object, fields: set[str]
) -> None:
    answer = api.post("/usage/voids", sent)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.get_json(force=True)["errors"]} == fields
    assert backend.voids.asked == []


def test_what_is_no_object_or_no_json_is_refused(api: Described) -> None:
    assert api.post("/usage/voids", [VOID]).status_code == 422
    assert api.post("/usage/voids", data=b"{", content_type=JSON).status_code == 400
    assert api.post("/usage/voids", data=b'{"id":"a","id":"b"}', content_type=JSON).status_code == 400


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Rejected.because("voids[0].id", "is too old"), 422), (Unavailable("PostgreSQL"), 503)],
)
def test_refusals_and_outages_are_told_apart(
    api: Described, backend: Backend, failure: Exception, status: int
) -> None:
    def fail() -> None:
        raise failure

    backend.voids.check = fail
    assert api.post("/usage/voids", {"voids": [VOID]}).status_code == status


def test_voids_need_the_key(app: Flask) -> None:
    assert app.test_client().post("/api/v1/usage/voids", json=VOID).status_code == 401
    assert app.test_client().get("/api/v1/usage/voids").status_code == 401


def test_voids_are_listed_with_what_they_took_back(api: Described, backend: Backend) -> None:
    backend.voids.kept = [KEPT, replace(KEPT, event_key=UUID(int=5), received_at=None)]
    listed = api.get("/usage/voids").get_json()
    assert listed == {"items": [SHOWN, SHOWN | {"received_at": None}], "next_cursor": None}


def test_the_voids_of_a_tenant_are_asked_for_by_any_name(api: Described, backend: Backend) -> None:
    tenant = api.post("/tenants", {"name": "Demo", "currency": "EUR", "aliases": ["the-demo"]}).get_json()
    assert api.get("/usage/voids?tenant_id=the-demo").status_code == 200
    assert backend.voids.listed_of == UUID(tenant["id"])
    assert api.get("/usage/voids?tenant_id=nobody").status_code == 422


def test_voids_are_read_a_page_at_a_time(api: Described, backend: Backend) -> None:
    backend.voids.kept = [replace(KEPT, voided_at=NOW - timedelta(seconds=n)) for n in range(5)]
    sizes: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(f"/usage/voids?limit=2{cursor}").get_json()
        sizes.append(len(page["items"]))
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert sizes == [2, 2, 1]
    assert api.get("/usage/voids?cursor=nonsense").status_code == 422


@pytest.mark.parametrize("sent", [VOID, KEYED, REQUESTED, {"voids": [VOID, KEYED]}])
def test_what_is_accepted_is_what_is_described(api: Described, sent: dict[str, Any]) -> None:
    body = api.document["paths"]["/api/v1/usage/voids"]["post"]["requestBody"]["content"][JSON]
    validator = api.schema(body["schema"])
    validator.validate(body["example"])
    validator.validate(sent)
    assert not validator.is_valid({**sent, "why": "x"})
