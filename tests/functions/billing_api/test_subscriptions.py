"""Which plan a tenant has from when on, over the API."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.service.unrated import UnratedUsage
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import NOW, Backend

CALLS = {"kind": "per_unit", "meter": "invocations", "amount": "2"}
LATER = "2025-11-20T12:00:00Z"
DECEMBER = "2025-12-01T00:00:00Z"


@pytest.fixture(autouse=True)
def plans(api: Described) -> None:
    api.post("/tenants", {"name": "Demo", "currency": "EUR"})
    for name in ("basic", "other"):
        api.post("/pricing-plans", {"name": name, "currency": "EUR", "prices": [CALLS]})
    api.put("/tenants/demo/pricing-plan", {"plan": "basic"})


def subscriptions(api: Described) -> list[tuple[str, str | None, str | None, str]]:
    items = api.get("/tenants/demo/subscriptions").get_json()["items"]
    return [(item["plan"], item["starts_at"], item["ends_at"], item["state"]) for item in items]


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in answer.get_json(force=True)["errors"]]


def test_a_plan_starts_with_the_first_month_from_an_instant_on_or_at_it(api: Described) -> None:
    choice = {"plan": "other", "starts_at": LATER}
    assert api.put("/tenants/demo/pricing-plan", choice).get_json()["upcoming"]["starts_at"] == DECEMBER
    has = api.put("/tenants/demo/pricing-plan", choice | {"applies": "immediately"}).get_json()
    assert has["upcoming"]["starts_at"] == has["ends_at"] == LATER
    assert subscriptions(api) == [
        ("basic", None, LATER, "current"),
        ("other", LATER, None, "upcoming"),
    ]


def test_a_start_that_would_change_what_is_rated_is_422(api: Described) -> None:
    for starts_at in ("2025-10-15T00:00:00Z", "2025-11-20T12:00:01Z"):
        choice = {"plan": "other", "starts_at": starts_at, "applies": "immediately"}
        answer = api.put("/tenants/demo/pricing-plan", choice)
        assert (answer.status_code, fields(answer)) == (422, ["starts_at"])


def test_what_is_to_come_is_cancelled_by_its_start_or_end(api: Described) -> None:
    api.put("/tenants/demo/pricing-plan", {"plan": "other", "starts_at": DECEMBER})
    assert api.call("DELETE", f"/tenants/demo/subscriptions/{DECEMBER}").get_json()["upcoming"] is None
    assert api.post("/tenants/demo/pricing-plan/end", {"ends_at": LATER}).get_json()["ends_at"] == LATER
    assert subscriptions(api) == [("basic", None, LATER, "current")]
    assert api.call("DELETE", f"/tenants/demo/subscriptions/{LATER}").status_code == 200
    assert subscriptions(api) == [("basic", None, None, "current")]
    assert api.call("DELETE", f"/tenants/demo/subscriptions/{LATER}").status_code == 404
    assert api.call("DELETE", "/tenants/demo/subscriptions/soon").status_code == 422


def test_what_has_begun_is_not_cancelled(api: Described, backend: Backend) -> None:
    (book,) = backend.plans.books()
    (plan,) = (subscription.plan for subscription in book.history())
    book.add(replace(book.history()[0], starts_at=NOW, plan=plan))
    assert api.call("DELETE", "/tenants/demo/subscriptions/2025-10-16T00:00:00Z").status_code == 409


def test_a_plan_ends_with_the_month_unless_it_is_said_when(api: Described) -> None:
    has = api.post("/tenants/demo/pricing-plan/end", {}).get_json()
    assert (has["plan"]["name"], has["ends_at"]) == ("basic", "2025-11-01T00:00:00Z")
    for ends_at in ("2025-10-15T00:00:00Z", "2025-11-01T00:00:01Z"):
        answer = api.post("/tenants/demo/pricing-plan/end", {"ends_at": ends_at})
        assert (answer.status_code, fields(answer)) == (422, ["ends_at"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "subscriptions", None),
        ("DELETE", f"subscriptions/{LATER}", None),
        ("POST", "pricing-plan/end", {}),
    ],
)
def test_the_subscriptions_of_a_tenant_that_is_not_there_are_404(
    api: Described, method: str, path: str, body: Any
) -> None:
    answer = api.call(method, f"/tenants/nobody/{path}", body)
    assert (answer.status_code, fields(answer)) == (404, ["tenant"])


def unrated(number: int) -> UnratedUsage:
    used = datetime(2025, 10, number, tzinfo=UTC)
    return UnratedUsage(UUID(int=1), "demo", None, datetime(2025, 11, 1, tzinfo=UTC), used, NOW, 7)


def test_unrated_usage_is_listed_page_by_page(api: Described, backend: Backend) -> None:
    backend.unrated.found = [unrated(number) for number in (1, 2, 3)]
    first = api.get("/usage/unrated?limit=2").get_json()
    rest = api.get(f"/usage/unrated?limit=2&cursor={first['next_cursor']}").get_json()
    assert first["items"][0] == {
        "tenant_id": str(UUID(int=1)),
        "tenant": "demo",
        "no_plan_from": None,
        "no_plan_until": "2025-11-01T00:00:00Z",
        "used_from": "2025-10-01T00:00:00Z",
        "used_until": "2025-10-16T00:00:00Z",
        "invocations": 7,
    }
    assert [len(page["items"]) for page in (first, rest)] == [2, 1]
    assert rest["next_cursor"] is None
    assert api.get("/usage/unrated?cursor=nonsense").status_code == 422


def test_unrated_usage_of_a_tenant_is_asked_for_by_any_name(api: Described, backend: Backend) -> None:
    assert api.get("/usage/unrated?tenant_id=demo").status_code == 200
    assert backend.unrated.asked == UUID(int=1)
    assert fields(api.get("/usage/unrated?tenant_id=nobody")) == ["tenant_id"]
