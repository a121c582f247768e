"""What goes wrong is seen, put right, and counted once: dead letters, gaps and conflicts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e.product import Answer, Product, until

RECORDED = "dev.faasbilling.usage.recorded.v1"
LIMIT_S = 20.0


def record(**changes: Any) -> bytes:
    good = {"timestamp": "2025-10-15T12:00:00Z", "service_name": "waiter", "invocations": 3}
    return json.dumps(good | changes).encode()


def send(product: Product, tenant: str, source: str, number: int, data: bytes) -> None:
    attributes = {"id": f"{source}-{number}", "source": source, "type": RECORDED}
    answer = product.send_event(data, attributes | {"tenantid": tenant, "sequence": str(number)})
    assert answer.status == 202, answer


def letters(product: Product, tenant: str, **query: object) -> Sequence[Mapping[str, Any]]:
    answer = product.api("GET", "/dead-letters", query={"tenant_id": tenant, **query})
    assert answer.status == 200, answer
    items: Sequence[Mapping[str, Any]] = answer.json["items"]
    return items


def act(product: Product, path: str, body: Mapping[str, Any]) -> Answer:
    """Asked again while the Broker could not take an event: what is done already is not done twice."""
    answers: list[Answer] = []

    def acted() -> bool:
        answers.append(product.api("POST", f"/dead-letters/{path}", body))
        return answers[-1].status != 503

    until(acted, LIMIT_S, lambda: answers[-1])
    assert answers[-1].status == 200, answers[-1]
    return answers[-1]


def replay_all(product: Product, tenant: str) -> int:
    """How many letters of a tenant were sent; it goes on where the Broker stopped it."""
    replayed, cursor = 0, None

    def all_sent() -> bool:
        nonlocal replayed, cursor
        answer = act(product, "replay", {"tenant_id": tenant, "cursor": cursor}).json
        assert answer["refused"] == [], answer
        replayed, cursor = replayed + answer["replayed"], answer["next_cursor"] or cursor
        return not answer["stopped"]

    until(all_sent, LIMIT_S)
    return replayed


def gaps(product: Product, tenant: str) -> list[tuple[str, int, int]]:
    answer = product.api("GET", "/metering-gaps", query={"tenant_id": tenant})
    assert answer.status == 200, answer
    return [(gap["source"], gap["first"], gap["last"]) for gap in answer.json["items"]]


def test_a_bad_event_is_listed_and_corrected_and_counts_once_and_its_gap_closes(product: Product) -> None:
    tenant = product.tenant("letters-corrected")
    send(product, tenant, "/letters/1", 1, record())
    send(product, tenant, "/letters/1", 2, record(memory_mb=-1, duration_seconds="long"))
    send(product, tenant, "/letters/1", 3, record())
    product.settle_usage()
    until(lambda: gaps(product, tenant) == [("/letters/1", 2, 2)], LIMIT_S)
    assert product.invocations(tenant) == 6

    (listed,) = letters(product, tenant, state="waiting")
    assert (listed["event_id"], listed["status"]) == ("/letters/1-2", "422")
    shown = product.api("GET", f"/dead-letters/{listed['id']}").json
    assert {fault["field"] for fault in shown["faults"]} == {"memory_mb", "duration_seconds"}
    assert json.loads(shown["answer"])["faults"] == 2
    assert (shown["checked"], shown["counted"]) == (True, False)
    assert json.loads(shown["data"])["memory_mb"] == -1

    correction = {"reason": "the sender mixed up two fields", "data": json.loads(record(memory_mb=64))}
    for _ in range(2):
        answer = act(product, f"{listed['id']}/correct", correction)
    product.settle_usage()
    assert product.invocations(tenant) == 9
    until(lambda: gaps(product, tenant) == [], LIMIT_S)

    act(product, f"{answer.json['correction']['id']}/replay", {})
    product.settle_usage()
    assert product.invocations(tenant) == 9
    assert [letter["state"] for letter in letters(product, tenant)] == ["replayed", "corrected"]
    assert letters(product, tenant, state="waiting") == []


def test_what_was_refused_for_want_of_a_tenant_is_replayed_when_there_is_one(product: Product) -> None:
    send(product, "letters-early", "/letters/2", 1, record())
    send(product, "letters-early", "/letters/2", 2, record(invocations=2))
    product.settle()
    assert {letter["state"] for letter in letters(product, "letters-early")} == {"waiting"}

    assert replay_all(product, "letters-early") == 2
    product.settle()
    again = letters(product, "letters-early")
    assert [(letter["state"], letter["replays"]) for letter in again] == [("waiting", 1)] * 2
    assert all(letter["failures"] > 1 for letter in again)

    product.tenant("letters-early")
    assert replay_all(product, "letters-early") == 2
    product.settle_usage()
    assert product.invocations("letters-early") == 5
    assert {letter["state"] for letter in letters(product, "letters-early")} == {"replayed"}


def test_an_identity_used_twice_is_a_conflict_and_a_letter_that_can_be_dropped(product: Product) -> None:
    tenant = product.tenant("letters-conflict")
    send(product, tenant, "/letters/3", 1, record())
    product.settle()
    send(product, tenant, "/letters/3", 1, record(invocations=4))
    key = {"Idempotency-Key": "letters"}
    product.api("POST", "/metrics/ingest", json.loads(record(tenant_id=tenant)), headers=key)
    reused = product.api(
        "POST", "/metrics/ingest", json.loads(record(tenant_id=tenant, errors=1)), headers=key
    )
    assert reused.status == 422, reused
    product.settle_usage()

    conflicts = product.api("GET", "/usage-conflicts", query={"tenant_id": tenant}).json["items"]
    assert {conflict["event_id"] for conflict in conflicts} == {"/letters/3-1", "key:letters"}
    (letter,) = letters(product, tenant)
    answer = act(product, f"{letter['id']}/drop", {"reason": "sent by mistake"})
    assert answer.json["state"] == "dropped", answer
    history = product.api("GET", f"/dead-letters/{letter['id']}").json["history"]
    assert [(act["by"], act["action"]) for act in history] == [("broker", "failed"), ("admin", "dropped")]
    assert product.invocations(tenant) == 6
