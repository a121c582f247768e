from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from functions.billing_api.schemas.usage import LEFT_ALONE_MAX
from shared.domain.aggregate import Series, WindowKey
from shared.domain.errors import Conflict
from shared.domain.windows import WindowSize
from shared.service.ingest import Outcome
from shared.service.rebuild import Rebuilt
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend

DAY = datetime(2025, 10, 15, tzinfo=UTC)
REQUEST = {"tenant_id": "demo", "start_time": "2025-10-15T00:00:00Z", "end_time": "2025-10-16T00:00:00Z"}


@pytest.fixture
def tenant(api: Described) -> Any:
    return api.post("/tenants", {"name": "Demo", "currency": "EUR"}).get_json()


def test_the_bytes_of_an_ingest_reach_the_service_as_they_are(api: Described, backend: Backend) -> None:
    backend.outcome = Outcome(accepted=2, duplicate=1)
    body = b' [ {"duration_seconds": 0.10} ] '
    answer = api.post("/metrics/ingest", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()) == (202, {"accepted": 2, "duplicate": 1})
    assert backend.ingested == [(body, None)]


def test_an_idempotency_key_goes_with_them(api: Described, backend: Backend) -> None:
    api.post("/metrics/ingest", [{}], headers={"Idempotency-Key": "batch 7"})
    assert backend.ingested == [(b"[{}]", "batch 7")]


@pytest.mark.parametrize("key", ["", "x" * 257, "schl\u00fcssel", "a\tb"])
def test_an_idempotency_key_that_is_none_is_422(api: Described, backend: Backend, key: str) -> None:
    answer = api.post("/metrics/ingest", [{}], headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.get_json(force=True)["errors"][0]["field"] == "Idempotency-Key"
    assert backend.ingested == []


def test_a_reused_identity_with_other_records_is_422(api: Described, backend: Backend) -> None:
    backend.failure = Conflict.because("id", "was used before for other records")
    assert api.post("/metrics/ingest", [{}]).status_code == 422


def test_a_rebuild_says_what_it_did(api: Described, backend: Backend, tenant: Any) -> None:
    left = WindowKey(WindowSize.D1, DAY, Series(UUID(int=1), UUID(int=2)))
    backend.rebuilt = Rebuilt(3, (left,))
    assert api.post("/metrics/aggregate", REQUEST).get_json() == {
        "rebuilt": 3,
        "left_alone": [
            {
                "window_size": "1d",
                "window_start": "2025-10-15T00:00:00Z",
                "service_id": str(UUID(int=1)),
                "revision_id": str(UUID(int=2)),
            }
        ],
        "left_alone_count": 1,
    }


def test_of_many_windows_left_alone_a_thousand_are_listed(
    api: Described, backend: Backend, tenant: Any
) -> None:
    left = WindowKey(WindowSize.D1, DAY, Series(UUID(int=1), UUID(int=2)))
    backend.rebuilt = Rebuilt(0, (left,) * 2_500)
    answer = api.post("/metrics/aggregate", REQUEST).get_json()
    assert (len(answer["left_alone"]), answer["left_alone_count"]) == (LEFT_ALONE_MAX, 2_500)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant_id": "nobody"}, "tenant_id"),
        ({"tenant_id": None}, "tenant_id"),
        ({"start_time": 1_760_529_600}, "start_time"),
        ({"start_time": "2025-10-15"}, "start_time"),
        ({"start_time": None}, "start_time"),
        ({"end_time": "2025-10-15T00:00:00Z"}, "end_time"),
        ({"end_time": "2025-10-14T00:00:00Z"}, "end_time"),
        ({"end_time": "2045-10-14T00:00:00Z"}, "end_time"),
        ({"start_time": "8999-12-31T00:00:00Z", "end_time": "8999-12-30T00:00:00Z"}, "end_time"),
        ({"window": "1h"}, "window"),
    ],
)
def test_a_faulty_field_of_a_rebuild_is_named(
    api: Described, tenant: Any, change: dict[str, Any], field: str
) -> None:
    answer = api.post("/metrics/aggregate", REQUEST | change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == [field]
