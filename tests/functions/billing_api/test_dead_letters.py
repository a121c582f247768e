from base64 import b64encode
from typing import Any

import pytest

from functions.billing_api.schemas import dead_letters
from shared.domain.dead_letters import DRAINS_MAX, LetterState
from shared.domain.errors import Fault, Rejected, Unavailable
from shared.service.ingest import Examination
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend
from tests.shared.service.letter_fakes import MemoryLetters, letter


@pytest.fixture
def letters(backend: Backend) -> MemoryLetters:
    assert backend.letters is not None
    return backend.letters


def listed(api: Described, query: str = "") -> list[str]:
    items: list[dict[str, Any]] = api.get(f"/dead-letters?{query}").get_json()["items"]
    return [item["event_id"] for item in items]


def test_letters_are_listed_and_filtered(api: Described, letters: MemoryLetters) -> None:
    for n, (status, tenant) in enumerate([("422", "demo"), ("", "the-demo"), ("503", "other")]):
        letters.keep(letter(str(n), status=status, tenant=tenant))
    api.post("/tenants", {"name": "Demo", "currency": "EUR", "aliases": ["the-demo"]})
    assert listed(api) == ["2", "1", "0"]
    assert listed(api, "order=oldest") == ["0", "1", "2"]
    assert listed(api, "tenant_id=demo") == ["1", "0"]
    assert listed(api, "tenant_id=other") == ["2"]
    assert listed(api, "status=503") == ["2"]
    assert listed(api, "status=none") == ["1"]
    assert listed(api, "state=dropped") == []
    assert listed(api, "type=com.example.other") == []
    page = api.get("/dead-letters?limit=2").get_json()
    assert listed(api, f"cursor={page['next_cursor']}") == ["0"]


@pytest.mark.parametrize(
    "query",
    ["status=teapot", "state=lost", "order=random", "limit=0", "cursor=x", "a=b", "exhausted=tired"],
)
def test_a_bad_question_is_422(api: Described, query: str) -> None:
    assert api.get(f"/dead-letters?{query}").status_code == 422


def test_a_letter_shows_the_answer_and_beside_it_all_faults(
    api: Described, backend: Backend, letters: MemoryLetters
) -> None:
    id = letters.keep(letter(data=b'{"n": 1.50}'))
    faults = tuple(Fault(f"records[{n}].\ud800", "x" * 9_000) for n in range(1_500))
    backend.examiner.found[b'{"n": 1.50}'] = Examination(faults, 2_000)
    shown = api.get(f"/dead-letters/{id}").get_json()
    assert (shown["status"], shown["answer"], shown["destination"]) == ("422", "said", "http://a")
    assert (len(shown["faults"]), shown["fault_count"]) == (1_000, 2_000)
    assert len(shown["faults"][0]["message"]) == 512
    assert (shown["data"], shown["data_base64"], shown["data_bytes"]) == ('{"n": 1.50}', None, 11)
    assert shown["attributes"]["knativebrokerttl"] == "254"
    assert [(a["by"], a["action"]) for a in shown["history"]] == [("broker", "failed")]
    assert (shown["checked"], shown["counted"]) == (True, False)


def test_what_every_destination_said_stands_side_by_side(api: Described, letters: MemoryLetters) -> None:
    letters.keep(letter(status="503", destination="http://aggregator"))
    letters.keep(letter(status="", destination=""))
    id = letters.keep(letter(status="422", destination="http://party"))
    (listed,) = api.get("/dead-letters?status=503").get_json()["items"]
    shown = api.get(f"/dead-letters/{id}").get_json()
    for item in (listed, shown):
        assert (item["status"], item["destination"], item["failures"]) == ("422", "http://party", 3)
        said = [(one["destination"], one["status"], one["count"]) for one in item["destinations"]]
        assert said == [("http://party", "422", 1), (None, None, 1), ("http://aggregator", "503", 1)]
        assert item["destinations"][2]["reason"] == "503 from http://aggregator"
        assert (item["destinations_left_out"], item["drains"], item["exhausted"]) == (0, 0, False)
    assert api.post("/dead-letters/drain", {}).get_json()["replayed"] == 1
    assert api.get(f"/dead-letters/{id}").get_json()["destinations"] == []


def test_what_was_drained_in_vain_is_said_and_can_be_asked_for(
    api: Described, letters: MemoryLetters
) -> None:
    for n in range(DRAINS_MAX):
        letters.keep(letter(status="503", arrival=f"{n}"))
        assert api.post("/dead-letters/drain", {}).get_json()["replayed"] == 1
    letters.keep(letter(status="503", arrival="at last"))
    letters.keep(letter("2"))
    drained = api.post("/dead-letters/drain", {}).get_json()
    assert (drained["replayed"], drained["exhausted"]) == (0, 1)
    (item,) = api.get("/dead-letters?exhausted=true").get_json()["items"]
    assert (item["state"], item["exhausted"], item["drains"]) == ("waiting", True, DRAINS_MAX)
    assert listed(api, "exhausted=false") == ["2"]
    assert api.post("/dead-letters/replay", {"exhausted": True}).get_json()["replayed"] == 1


def test_data_that_is_no_text_or_very_long_is_shown_as_far_as_it_goes(
    api: Described, letters: MemoryLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "DATA_SHOWN_BYTES_MAX", 4)
    binary, long = letters.keep(letter("1", b"\xff\x00")), letters.keep(letter("2", "ééé".encode()))
    shown = api.get(f"/dead-letters/{binary}").get_json()
    assert (shown["data"], shown["data_base64"]) == (None, b64encode(b"\xff\x00").decode())
    shown = api.get(f"/dead-letters/{long}").get_json()
    assert (shown["data"], shown["data_bytes"]) == ("éé", 6)


def test_a_letter_is_replayed_by_whoever_asks(
    api: Described, backend: Backend, letters: MemoryLetters
) -> None:
    id = letters.keep(letter())
    replayed = api.post(f"/dead-letters/{id}/replay", {"note": "now"}).get_json()
    assert (replayed["state"], replayed["replays"]) == ("replayed", 1)
    assert backend.sink.ids == ["1"]
    (_, action) = api.get(f"/dead-letters/{id}").get_json()["history"]
    assert (action["by"], action["action"], action["note"]) == ("admin", "replayed", "now")


def test_many_are_replayed_and_what_was_not_is_said(
    api: Described, backend: Backend, letters: MemoryLetters
) -> None:
    ids = [letters.keep(letter(str(n), status="422" if n else "503")) for n in range(4)]
    backend.sink.fails = {"2": Rejected.because("event", "too large")}
    answer = api.post("/dead-letters/replay", {"status": "422", "limit": 2}).get_json()
    assert (answer["replayed"], answer["stopped"], backend.sink.ids) == (1, False, ["1"])
    assert [refused["id"] for refused in answer["refused"]] == [ids[2]]
    rest = {"status": "422", "cursor": answer["next_cursor"]}
    assert api.post("/dead-letters/replay", rest).get_json()["replayed"] == 1
    backend.sink.is_away = True
    assert api.post("/dead-letters/replay", {}).get_json()["stopped"] is True


def test_the_drain_is_for_what_was_away(api: Described, backend: Backend, letters: MemoryLetters) -> None:
    for n, status in enumerate(("503", "422", "")):
        letters.keep(letter(str(n), status=status))
    backend.failure = Unavailable("PostgreSQL is away")
    assert api.post("/dead-letters/drain", {}).status_code == 503
    backend.failure = None
    assert api.post("/dead-letters/drain", {}).get_json()["replayed"] == 2
    assert backend.sink.ids == ["0", "2"]


def test_corrected_data_is_sent_byte_for_byte(
    api: Described, backend: Backend, letters: MemoryLetters
) -> None:
    id = letters.keep(letter())
    body = b'{"reason": "a typo", "data": {"n":  1.50, "m": 12345678901234567890}}'
    answer = api.post(f"/dead-letters/{id}/correct", data=body, content_type="application/json").get_json()
    assert backend.sink.sent[0][1] == b'{"n":  1.50, "m": 12345678901234567890}'
    assert answer["letter"]["corrected_by"] == answer["correction"]["id"]
    assert (answer["letter"]["state"], answer["correction"]["state"]) == ("corrected", "replayed")
    assert answer["correction"]["corrects"] == id


def test_attributes_and_binary_data_can_be_corrected_too(
    api: Described, backend: Backend, letters: MemoryLetters
) -> None:
    id = letters.keep(letter())
    body = {
        "reason": "another tenant",
        "attributes": {"tenantid": "globex", "sequence": "7", "traceparent": None},
        "data_base64": b64encode(b"\xff").decode(),
    }
    assert api.post(f"/dead-letters/{id}/correct", body).status_code == 200
    ((attributes, data),) = backend.sink.sent
    assert (attributes["tenantid"], attributes["sequence"], data) == ("globex", "7", b"\xff")
    assert "traceparent" not in attributes


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "r"}, "data"),
        ({"data": {}}, "reason"),
        ({"data": {}, "reason": ""}, "reason"),
        ({"data": {}, "data_base64": "", "reason": "r"}, "data_base64"),
        ({"data_base64": "é", "reason": "r"}, "data_base64"),
        ({"attributes": {"id": "mine"}, "reason": "r"}, "attributes.id"),
        ({"attributes": {"a": 1}, "reason": "r"}, "attributes.a"),
        ({"data": "still bad", "reason": "r"}, "records[0].memory_mb"),
        ({"data": {}, "reason": "r", "who": "me"}, "who"),
    ],
)
def test_a_bad_correction_is_refused_with_its_fields_and_changes_nothing(
    api: Described, backend: Backend, letters: MemoryLetters, body: object, field: str
) -> None:
    id = letters.keep(letter())
    backend.examiner.found[b'"still bad"'] = Examination((Fault("records[0].memory_mb", "is bad"),), 1)
    answer = api.post(f"/dead-letters/{id}/correct", body)
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.get_json(force=True)["errors"]}
    assert letters.letters[id].entry.state is LetterState.WAITING
    assert backend.sink.sent == []


def test_a_letter_is_dropped_with_a_reason_and_stays(api: Described, letters: MemoryLetters) -> None:
    id = letters.keep(letter())
    assert api.post(f"/dead-letters/{id}/drop", {}).status_code == 422
    assert api.post(f"/dead-letters/{id}/drop", {"reason": "ours"}).get_json()["state"] == "dropped"
    assert listed(api, "state=dropped") == ["1"]
    assert api.post(f"/dead-letters/{id}/drop", {"reason": "ours"}).status_code == 409
    assert api.post(f"/dead-letters/{id}/correct", {"reason": "r", "data": 1}).status_code == 409


@pytest.mark.parametrize("action", ["", "/replay", "/correct", "/drop"])
def test_an_unknown_letter_is_404(api: Described, action: str) -> None:
    path = f"/dead-letters/1-2{action}"
    body = {"/correct": {"reason": "r", "data": 1}, "/drop": {"reason": "r"}}.get(action, {})
    answer = api.post(path, body) if action else api.get(path)
    assert answer.status_code == 404


def test_without_redis_the_letters_are_away_and_all_else_is_there(api: Described, backend: Backend) -> None:
    backend.letters = None
    for answer in (
        api.get("/dead-letters"),
        api.get("/dead-letters/1-0"),
        api.post("/dead-letters/1-0/replay", {}),
        api.post("/dead-letters/replay", {}),
        api.post("/dead-letters/drain", {}),
        api.post("/dead-letters/1-0/correct", {"reason": "r", "data": 1}),
        api.post("/dead-letters/1-0/drop", {"reason": "r"}),
    ):
        assert answer.status_code == 503
    assert api.get("/health").status_code == 200
    assert api.get("/metering-gaps").status_code == 200


def test_the_letters_need_no_database(api: Described, backend: Backend, letters: MemoryLetters) -> None:
    id = letters.keep(letter())

    def away(ref: str) -> None:
        raise Unavailable("PostgreSQL is away")

    backend.directory.find = away  # type: ignore[method-assign]
    assert listed(api, "tenant_id=acme") == ["1"]
    assert api.post(f"/dead-letters/{id}/drop", {"reason": "r"}).status_code == 200


def test_nobody_sees_letters_without_the_key(api: Described) -> None:
    assert api.get("/dead-letters", headers={"Authorization": "Bearer guess"}).status_code == 401
