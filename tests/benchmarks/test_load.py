"""What is sent, and what it must sum to."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from benchmarks.load import SPAN_S, Load, Request, Shape, requests

BEGAN = "2026-03-10T11:55:00+00:00"
LOAD = Load(shape="uniform", batch=100, events=50, seed=7, began=BEGAN, tenants=20)


def parsed(request: Request) -> tuple[dict[str, str], list[dict[str, object]]]:
    head, _, body = request.wire.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(body)
    data = json.loads(body)
    return headers, data.get("records", [data])


def test_the_truth_is_what_the_records_sum_to() -> None:
    for request in requests(LOAD, "/"):
        _, records = parsed(request)
        if request.sums is not None:
            sums = [sum(record[name] for record in records) for name in request.sums._fields[1:]]  # type: ignore[misc]
            assert [len(records), *sums] == list(request.sums)


def test_request_ids_differ_in_all_that_is_sent() -> None:
    ids = [r["request_id"] for one in requests(LOAD, "/") if one.sums for r in parsed(one)[1]]
    assert len(set(ids)) == len(ids) == 5_000


def test_about_one_in_twenty_events_comes_again_as_it_was() -> None:
    sent = list(requests(replace(LOAD, batch=1, events=2_000), "/"))
    first, again = [r for r in sent if r.sums], [r for r in sent if r.sums is None]
    assert 60 < len(again) < 140
    assert {r.wire for r in again} <= {r.wire for r in first}
    assert len({parsed(r)[0]["ce-id"] for r in first}) == len(first)


def test_a_record_has_about_340_bytes_and_ended_within_ten_minutes() -> None:
    (request,) = requests(replace(LOAD, batch=1_000, events=1), "/")
    _, records = parsed(request)
    assert 300 < len(request.wire) / 1_000 < 380
    began = datetime.fromisoformat(BEGAN)
    ended = [datetime.fromisoformat(str(record["timestamp"])) for record in records]
    assert began <= min(ended)
    assert max(ended) < began + timedelta(seconds=SPAN_S)


@pytest.mark.parametrize(
    ("shape", "tenants", "revisions"), [("uniform", 20, 10), ("hot", 1, 1), ("touch", 20, 10)]
)
def test_shapes_spread_over_tenants_and_revisions(shape: Shape, tenants: int, revisions: int) -> None:
    sent = [parsed(request) for request in requests(replace(LOAD, shape=shape), "/")]
    assert len({headers["ce-tenantid"] for headers, _ in sent}) == tenants
    assert len({(r["service_name"], r["revision"]) for _, records in sent for r in records}) == revisions
