from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.service.oversight import MeteringGap, UsageConflict
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import Backend

SINCE = datetime(2025, 10, 15, 12, tzinfo=UTC)
GAP = MeteringGap(UUID(int=1), "demo", UUID(int=5), "/spool/1", 9, 3, 5, SINCE)
CONFLICT = UsageConflict(
    UUID(int=1), "demo", UUID(int=6), "/spool/1", "4-abc", b"\x01" * 32, b"\x02" * 32, SINCE, SINCE, 2
)


def test_gaps_are_listed_with_source_numbers_and_age(api: Described, backend: Backend) -> None:
    backend.oversight.open = [GAP]
    assert api.get("/metering-gaps").get_json() == {
        "items": [
            {
                "tenant_id": str(UUID(int=1)),
                "tenant": "demo",
                "source": "/spool/1",
                "first": 3,
                "last": 5,
                "missing": 3,
                "highest": 9,
                "since": "2025-10-15T12:00:00Z",
            }
        ],
        "next_cursor": None,
    }


def test_conflicts_are_listed_with_both_digests(api: Described, backend: Backend) -> None:
    backend.oversight.found = [CONFLICT]
    (item,) = api.get("/usage-conflicts").get_json()["items"]
    assert (item["source"], item["event_id"], item["count"]) == ("/spool/1", "4-abc", 2)
    assert (item["kept_digest"], item["refused_digest"]) == ("01" * 32, "02" * 32)


@pytest.mark.parametrize("path", ["/metering-gaps", "/usage-conflicts"])
def test_a_tenant_is_asked_for_by_any_name(api: Described, backend: Backend, path: str) -> None:
    tenant = api.post("/tenants", {"name": "Demo", "currency": "EUR", "aliases": ["the-demo"]}).get_json()
    assert api.get(f"{path}?tenant_id=the-demo").status_code == 200
    assert backend.oversight.asked == UUID(tenant["id"])
    assert api.get(f"{path}?tenant_id=nobody").status_code == 422
    assert api.get(f"{path}?tenant=demo").status_code == 422


def test_both_are_read_a_page_at_a_time(api: Described, backend: Backend) -> None:
    backend.oversight.open = [replace(GAP, first=n, last=n) for n in range(1, 6)]
    backend.oversight.found = [replace(CONFLICT, event_key=UUID(int=n)) for n in range(6, 1, -1)]
    for path in ("/metering-gaps", "/usage-conflicts"):
        sizes: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = api.get(f"{path}?limit=2{cursor}").get_json()
            sizes.append(len(page["items"]))
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        assert sizes == [2, 2, 1]
        assert api.get(f"{path}?cursor=nonsense").status_code == 422
