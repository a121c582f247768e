"""Night and spot prices as users enter them: plans, dimensions and usage over HTTP, on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Any

import pytest

from functions.billing_api.app import create_app
from shared.adapters.postgres.accruals import PostgresAccruals
from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id
from shared.service.accrual import AccrueCost
from tests.functions.billing_api.described import Described
from tests.functions.billing_api.fakes import KEY
from tests.functions.billing_api.over_postgres import services_over
from tests.functions.billing_api.published import amounts, quantities
from tests.functions.billing_api.seller import MONTH, NOW, Seller

Json = dict[str, Any]
NIGHT = {"name": "night", "from": "22:00", "to": "06:00"}
DAY = {"name": "day", "from": "06:00", "to": "22:00"}
CALL = {"kind": "per_unit", "meter": "invocations"}
NIGHT_AND_DAY = (CALL | {"amount": "0.02", "band": DAY}, CALL | {"amount": "0.01", "band": NIGHT})


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def seller(database: Database, clock: Clock) -> Seller:
    services, _ = services_over(database, clock)
    accruals = AccrueCost(
        tenants=PostgresTenants(database), accruals=PostgresAccruals(database, new_id), clock=clock
    )
    api = Described(create_app(services).test_client(), KEY)
    return Seller(api, PostgresPlans(database), accruals, count())


def buyer(seller: Seller, name: str, *prices: Json, timezone: str = "UTC") -> str:
    """A tenant in a zone, with a plan of these prices."""
    seller.offer(f"of-{name}", *prices)
    tenant = {"name": name, "slug": name, "currency": "USD", "timezone": timezone}
    assert seller.api.post("/tenants", tenant).status_code == 201
    assert seller.api.put(f"/tenants/{name}/pricing-plan", {"plan": f"of-{name}"}).status_code == 200
    return name


def use(seller: Seller, tenant: str, at: str, calls: int, **more: Any) -> None:
    record = {"tenant_id": tenant, "service_name": "api", "timestamp": at, "invocations": calls, **more}
    assert seller.api.post("/metrics/ingest", record).get_json() == {"accepted": 1, "duplicate": 0}


def ask(seller: Seller, path: str, status: int = 200, **body: Any) -> Json:
    answer = seller.api.post(f"/billing/{path}", {"period_start": MONTH[0], "period_end": MONTH[1]} | body)
    assert answer.status_code == status, answer.data
    found: Json = answer.get_json()
    return found


def faults(answer: Json) -> dict[str, str]:
    return {fault["field"]: fault["message"] for fault in answer["errors"]}


@pytest.mark.parametrize(
    ("timezone", "day", "night"),
    [
        # By local clocks, 00:20Z is 05:50 in Kolkata and 06:05 in Kathmandu.
        ("UTC", 200, 500),
        ("Europe/Moscow", 100, 600),
        ("Asia/Kolkata", 100, 600),
        ("Asia/Kathmandu", 500, 200),
    ],
)
def test_calls_of_the_night_cost_less_where_the_tenant_is(
    seller: Seller, timezone: str, day: int, night: int
) -> None:
    tenant = buyer(seller, "owl", *NIGHT_AND_DAY, timezone=timezone)
    for at, calls in (("00:20", 400), ("05:30", 100), ("20:30", 200)):
        use(seller, tenant, f"2025-10-15T{at}:00Z", calls)
    bill = seller.bill(tenant)
    # Where the tenant's November has begun, there are lines of it, too.
    assert quantities(bill)[:2] == [str(day), str(night)]
    assert amounts(bill)[:2] == [f"{day * 0.02:.2f}", f"{night * 0.01:.2f}"]
    assert [(line["part"], line["description"]) for line in bill["lines"][:2]] == [
        ("day", "0.02 per invocation in day (06:00 to 22:00)"),
        ("night", "0.01 per invocation in night (22:00 to 06:00)"),
    ]


def test_days_of_a_month_with_bands_sum_to_the_month_and_to_what_has_accrued(
    seller: Seller, database: Database
) -> None:
    weekend = {"name": "weekend", "from": "00:00", "to": "00:00", "weekdays": ["sat", "sun"]}
    tiers = [{"up_to": "1000", "amount": "0.003"}, {"amount": "0.001", "flat": "1"}]
    surcharge = CALL | {"amount": "0.0005", "band": weekend, "included": "10"}
    graduated = {"kind": "graduated", "meter": "invocations", "tiers": tiers}
    tenant = buyer(seller, "week", graduated, surcharge, timezone="America/Havana")
    for day in range(1, 32):
        use(seller, tenant, f"2025-10-{day:02}T03:55:00Z", 100 + day)
    whole = seller.bill(tenant, "2025-10-01T04:00:00Z", "2025-11-01T04:00:00Z")
    bounds = [f"2025-10-{day:02}T04:00:00Z" for day in range(1, 32)] + ["2025-11-01T04:00:00Z"]
    parts = [seller.bill(tenant, start, end) for start, end in pairwise(bounds)]
    for number, line in enumerate(whole["lines"]):
        in_cents = [round(float(part["lines"][number]["amount"]) * 100) for part in parts]
        assert sum(in_cents) == round(float(line["amount"]) * 100)
    # By Havana's clock 03:55Z is 23:55 of the day before: Saturdays 4, 11, 18, 25 and Sundays 5, 12, 19, 26.
    assert whole["lines"][2]["quantity"] == str(8 * 100 + sum((5, 6, 12, 13, 19, 20, 26, 27)))
    seller.accruals.accrue(tenant)
    with database.statement() as connection:
        rows = connection.execute(
            "SELECT amount::text FROM accrued_cost WHERE period_start = '2025-10-01T04:00:00Z'"
        ).fetchall()
    assert [f"{float(amount):.2f}" for (amount,) in rows] == [whole["total"]]


def test_what_a_band_counts_is_explained_by_who_used_it_in_the_band(seller: Seller) -> None:
    tenant = buyer(seller, "owl", *NIGHT_AND_DAY)
    use(seller, tenant, "2025-10-15T12:00:00Z", 300, service_name="web")
    use(seller, tenant, "2025-10-15T23:00:00Z", 100, service_name="web")
    use(seller, tenant, "2025-10-16T01:00:00Z", 200, service_name="job")
    day, night = ask(seller, "explain", tenant_id=tenant)["lines"]
    assert [(of["service_name"], of["quantity"]) for of in day["breakdown"]] == [("web", "300")]
    shares = {of["service_name"]: (of["quantity"], of["amount"]) for of in night["breakdown"]}
    assert shares == {"web": ("100", "1.00"), "job": ("200", "2.00")}


def test_a_band_has_its_tiers_to_itself_and_an_explanation_says_which(seller: Seller) -> None:
    tiers = [{"up_to": "100", "amount": "1"}, {"amount": "0.5"}]
    tenant = buyer(
        seller, "tiers", {"kind": "graduated", "meter": "invocations", "tiers": tiers, "band": NIGHT}
    )
    use(seller, tenant, "2025-10-15T12:00:00Z", 1_000)
    use(seller, tenant, "2025-10-15T23:00:00Z", 150)
    first, second = ask(seller, "explain", tenant_id=tenant)["lines"]
    assert (first["part"], first["amount"], first["tier"]["number"]) == ("night, tier 1", "100.00", 1)
    assert (second["part"], second["amount"], second["tier"]["over"]) == ("night, tier 2", "25.00", "100")


def test_supposed_usage_is_spread_over_bands_by_their_hours(seller: Seller) -> None:
    plan = {"name": "supposed", "currency": "USD", "prices": NIGHT_AND_DAY}
    october: Json = {"period_start": "2025-09-30T18:30:00Z", "period_end": "2025-10-31T18:30:00Z"}
    supposed: Json = {"quantities": {"invocations": "3000"}, "pricing_plan": plan, "timezone": "Asia/Kolkata"}
    bill = ask(seller, "calculate", **october, **supposed)
    assert quantities(bill) == ["2000", "1000"]


def test_all_usage_times_a_factor_is_that_of_every_band(seller: Seller) -> None:
    tenant = buyer(seller, "owl", *NIGHT_AND_DAY)
    use(seller, tenant, "2025-10-15T12:00:00Z", 300)
    use(seller, tenant, "2025-10-15T23:00:00Z", 100)
    assert quantities(ask(seller, "calculate", tenant_id=tenant, usage_factor="2.5")) == ["750", "250"]


def test_a_plan_with_bands_is_answered_as_it_was_sent(seller: Seller) -> None:
    spot = {
        "band": NIGHT | {"weekdays": ["sat", "sun"]},
        "where": {"capacity": ["spot"]},
        "except": {"region": ["", "eu"]},
    }
    sent = CALL | {"amount": "0.01", "per": "1", "included": "0"}
    assert seller.offer("parts", sent | spot, sent)["prices"] == [sent | spot, sent]


def test_bands_that_overlap_are_refused_and_nothing_is_stored(seller: Seller) -> None:
    late = CALL | {"amount": "1", "band": {"name": "late", "from": "05:00", "to": "07:03"}}
    body = {"name": "over", "currency": "USD", "prices": [*NIGHT_AND_DAY, late]}
    answer = seller.api.post("/pricing-plans", body)
    assert answer.status_code == 422
    assert "nearest is 07:05" in faults(answer.get_json())["prices[2].band.to"]
    late["band"] = {"name": "late", "from": "05:00", "to": "07:00"}
    answer = seller.api.post("/pricing-plans", body)
    assert answer.status_code == 422
    (said,) = faults(answer.get_json()).values()
    assert "late (05:00 to 07:00) overlaps" in said
    assert seller.api.get("/pricing-plans/over").status_code == 404


SPOT = (
    {"kind": "per_unit", "meter": "gb_seconds", "amount": "0.00004", "except": {"capacity": "spot"}},
    {"kind": "per_unit", "meter": "gb_seconds", "amount": "0.00001", "where": {"capacity": "spot"}},
)


def run(seller: Seller, tenant: str, at: str, hours: int, **labels: str) -> None:
    use(seller, tenant, at, 1, duration_seconds=hours * 3600, memory_mb=1024, labels=labels)


def declare(seller: Seller, tenant: str, *labels: str, effective_from: str) -> None:
    body = {"dimensions": labels, "effective_from": effective_from}
    answer = seller.api.put(f"/tenants/{tenant}/dimensions", body)
    assert answer.status_code == 200, answer.data


def test_spot_capacity_has_a_price_of_its_own(seller: Seller, clock: Clock) -> None:
    clock.now = datetime(2025, 9, 20, tzinfo=UTC)
    tenant = buyer(seller, "spotty", *SPOT)
    declare(seller, tenant, "capacity", effective_from="2025-10-01T00:00:00Z")
    clock.now = NOW
    run(seller, tenant, "2025-10-10T00:00:00Z", 100, capacity="spot")
    run(seller, tenant, "2025-10-11T00:00:00Z", 50, capacity="reserved")
    run(seller, tenant, "2025-10-12T00:00:00Z", 50)
    bill = seller.bill(tenant)
    assert quantities(bill) == ["360000", "360000"]
    assert amounts(bill) == ["14.40", "3.60"]
    regular, spot = ask(seller, "explain", tenant_id=tenant)["lines"]
    for line in (regular, spot):
        assert [(of["service_name"], of["quantity"]) for of in line["breakdown"]] == [("api", "360000")]
    assert spot["description"] == "0.00001 per GB-second where capacity is spot"


def test_usage_of_before_a_dimension_was_declared_is_refused_with_the_first_instant(
    seller: Seller, clock: Clock
) -> None:
    clock.now = datetime(2025, 10, 5, tzinfo=UTC)
    tenant = buyer(seller, "late", *SPOT)
    run(seller, tenant, "2025-10-04T12:00:00Z", 1, capacity="spot")
    declare(seller, tenant, "capacity", effective_from="2025-10-08T00:00:00Z")
    clock.now = NOW
    run(seller, tenant, "2025-10-10T00:00:00Z", 1, capacity="spot")
    said = faults(ask(seller, "calculate", 422, tenant_id=tenant))
    assert "2025-10-08T00:00:00Z" in said["where"]
    undeclared = buyer(seller, "never", *SPOT)
    run(seller, undeclared, "2025-10-04T12:00:00Z", 1, capacity="spot")
    assert "'capacity'" in faults(ask(seller, "calculate", 422, tenant_id=undeclared))["where"]


def test_spot_at_night_is_what_is_both(seller: Seller, clock: Clock) -> None:
    clock.now = datetime(2025, 9, 20, tzinfo=UTC)
    both = CALL | {"amount": "1", "band": NIGHT, "where": {"capacity": "spot"}}
    tenant = buyer(seller, "both", both, CALL | {"amount": "1", "where": {"capacity": ""}})
    declare(seller, tenant, "capacity", effective_from="2025-10-01T00:00:00Z")
    clock.now = NOW
    for hour, calls, labels in ((12, 1, {"capacity": "spot"}), (23, 10, {"capacity": "spot"}), (23, 100, {})):
        use(seller, tenant, f"2025-10-15T{hour}:00:00Z", calls, labels=labels)
    assert quantities(seller.bill(tenant)) == ["10", "100"]
    night, unlabelled = ask(seller, "explain", tenant_id=tenant)["lines"]
    assert [line["breakdown"][0]["quantity"] for line in (night, unlabelled)] == ["10", "100"]


def define(seller: Seller, name: str, **definition: Any) -> None:
    answer = seller.api.post("/meters", {"name": name, "unit": "token", **definition})
    assert answer.status_code == 201, answer.data


def test_a_custom_meter_is_counted_by_bands_and_by_its_own_dimensions(seller: Seller) -> None:
    define(seller, "tokens", aggregation="sum", value="quantities.tokens", dimensions=["tier", "model"])
    per_token = {"kind": "per_unit", "meter": "custom.tokens", "amount": "1"}
    tenant = buyer(
        seller,
        "talker",
        per_token | {"band": NIGHT},
        per_token | {"where": {"model": ["large", "huge"]}},
        per_token | {"except": {"model": "large"}, "where": {"tier": ""}},
    )
    for hour, tokens, labels in (
        (12, 1, {"model": "large"}),
        (23, 20, {"model": "large", "tier": "a"}),
        (23, 300, {"model": "small"}),
        (12, 4000, {}),
    ):
        use(seller, tenant, f"2025-10-15T{hour}:00:00Z", 1, quantities={"tokens": str(tokens)}, labels=labels)
    assert quantities(seller.bill(tenant)) == ["320", "21", "4300"]


def test_unique_users_are_counted_by_dimension_and_not_by_band(seller: Seller) -> None:
    define(seller, "users", aggregation="unique", of="labels.user", dimensions=["region"])
    per_user = {"kind": "per_unit", "meter": "custom.users", "amount": "1"}
    tenant = buyer(seller, "social", per_user | {"where": {"region": "eu"}})
    for minute, (user, region) in enumerate((("a", "eu"), ("a", "eu"), ("b", "eu"), ("c", "us"))):
        labels = {"user": user, "region": region}
        use(seller, tenant, f"2025-10-15T12:0{minute}:00Z", 1, labels=labels)
    assert quantities(seller.bill(tenant)) == ["2"]
