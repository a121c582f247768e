from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.meters import METERS
from shared.domain.plan import Plan, Subscription, in_force, upcoming
from shared.domain.plan_document import FLAT_COLUMNS, plan_from_dict, plan_to_dict, short_form
from shared.domain.rating.kinds import PRICE_KINDS
from shared.domain.rating.per_unit import PerUnit

ID = UUID(int=1)
AT = datetime(2026, 1, 1, tzinfo=UTC)
PRICE = PerUnit("invocations", Decimal("17.28"), Decimal(1_000_000), Decimal(1_000_000))

decimals = st.decimals(0, 10**19, allow_nan=False, allow_infinity=False, places=6)
prices = st.builds(
    PerUnit,
    meter=st.sampled_from(sorted(METERS)),
    amount=decimals,
    per=st.sampled_from([Decimal(1), Decimal(1_000_000), Decimal("0.5")]),
    included=st.one_of(st.just(Decimal(0)), decimals, st.integers(0, 10**9).map(Decimal)),
)


def read(**fields: Any) -> Plan:
    return plan_from_dict({"name": "basic", "currency": "RUB", **fields}, id=ID, created_at=AT)


def refusal_of(**fields: Any) -> list[str]:
    with pytest.raises(Rejected) as refusal:
        read(**fields)
    return [str(fault) for fault in refusal.value.faults]


@given(
    st.builds(
        Plan,
        id=st.uuids(),
        name=st.text("abc -é", min_size=1),
        currency=st.sampled_from(["RUB", "JPY", "KWD", "CLF"]),
        prices=st.lists(prices, min_size=1, max_size=6).map(tuple),
        created_at=st.just(AT),
        tenant_id=st.none() | st.uuids(),
        active=st.booleans(),
    )
)
def test_a_plan_is_read_back_as_it_was_written(plan: Plan) -> None:
    document = plan_to_dict(plan)
    assert plan_from_dict(document) == plan
    assert set(FLAT_COLUMNS) < document.keys()


def test_amounts_are_written_as_published() -> None:
    document = plan_to_dict(
        read(prices=[{"kind": "per_unit", "meter": "errors", "amount": "0.20", "per": 7}])
    )
    assert document["prices"] == [
        {"kind": "per_unit", "meter": "errors", "amount": "0.20", "per": "7", "included": "0"}
    ]


def test_the_flat_columns_are_short_for_prices_of_one_unit() -> None:
    plan = read(
        price_per_invocation="0.0000002",
        free_tier_invocations=1_000_000,
        price_per_mb_ms="0.0000000016",
        free_tier_mb_ms="400000000",
        price_per_cold_start="0.001",
        price_per_cpu_ms=0,
        prices=[{"kind": "per_unit", "meter": "egress_gib", "amount": "1.6524", "included": 100}],
    )
    assert plan.prices == (
        PerUnit("invocations", Decimal("0.0000002"), included=Decimal(1_000_000)),
        PerUnit("mb_ms", Decimal("0.0000000016"), included=Decimal(400_000_000)),
        PerUnit("cold_starts", Decimal("0.001")),
        PerUnit("cpu_ms", Decimal(0)),
        PerUnit("egress_gib", Decimal("1.6524"), included=Decimal(100)),
    )


def test_null_and_zero_flat_columns_without_a_price_are_no_price() -> None:
    plan = read(
        price_per_invocation=None,
        free_tier_invocations=0,
        price_per_mb_ms=None,
        free_tier_mb_ms=None,
        prices=[PRICE.to_dict()],
    )
    assert plan.prices == (PRICE,)


def test_only_prices_that_fit_the_flat_columns_go_there_and_order_is_kept() -> None:
    per_invocation = PerUnit("invocations", Decimal("0.1"))
    per_cold_start = PerUnit("cold_starts", Decimal(1))
    flat, rest = short_form((per_cold_start, per_invocation))
    assert flat == dict.fromkeys(FLAT_COLUMNS) | {"price_per_cold_start": Decimal(1)}
    assert rest == (per_invocation,)
    for unfit in (
        PRICE,
        PerUnit("mb_ms", Decimal(1), included=Decimal("0.5")),
        PerUnit("cpu_ms", Decimal(1), included=Decimal(1)),
        PerUnit("errors", Decimal(1)),
    ):
        assert short_form((unfit,)) == (dict.fromkeys(FLAT_COLUMNS), (unfit,))


def test_every_fault_of_a_plan_is_named() -> None:
    assert refusal_of(
        name="",
        currency="XXX",
        free_tier_invocations="1.5",
        free_tier_mb_ms=5,
        price_per_cpu_ms="-1",
        surprise=True,
        prices=[
            {"kind": "dynamic"},
            3,
            {"kind": "per_unit", "amount": 0.2, "x": 1},
            {"kind": "per_unit", "meter": "cpu_ms", "amount": "-1", "per": 0, "included": "-2"},
            {},
        ],
    ) == [
        "name: must be 1 to 256 printable characters",
        "free_tier_invocations: must be a whole number, not negative",
        "price_per_invocation: is missing, but free_tier_invocations is given",
        "price_per_mb_ms: is missing, but free_tier_mb_ms is given",
        "price_per_cpu_ms: must not be negative",
        f"prices[0].kind: no such kind of price; known are {', '.join(PRICE_KINDS)}",
        "prices[1]: must be an object",
        "prices[2].meter: is missing",
        "prices[2].amount: must be a decimal string of at most 20 digits before the point and 18 after it",
        "prices[2].x: unknown field",
        "prices[3].amount: must not be negative",
        "prices[3].included: must not be negative",
        "prices[3].per: must be more than zero",
        "prices[4].kind: is missing",
        "surprise: unknown field",
        "currency: 'XXX' is not an active currency of ISO 4217",
    ]


def test_a_plan_without_prices_is_refused() -> None:
    assert refusal_of() == ["prices: a plan has at least one price"]


def test_a_plan_needs_an_id_and_a_time_from_somewhere() -> None:
    with pytest.raises(Rejected) as refusal:
        plan_from_dict({"name": "basic", "currency": "RUB", "prices": [PRICE.to_dict()]})
    assert [str(fault) for fault in refusal.value.faults] == ["id: is missing", "created_at: is missing"]


@pytest.mark.parametrize(
    ("meter", "amount", "per", "included", "field"),
    [
        ("nonsense", "1", "1", "0", "meter"),
        ("errors", "-1", "1", "0", "amount"),
        ("errors", "NaN", "1", "0", "amount"),
        ("errors", "1", "0", "0", "per"),
        ("errors", "1", "-1", "0", "per"),
        ("errors", "1", "Infinity", "0", "per"),
        ("errors", "1", "1", "-1", "included"),
    ],
)
def test_an_impossible_price_cannot_be_made(
    meter: str, amount: str, per: str, included: str, field: str
) -> None:
    with pytest.raises(Rejected) as refusal:
        PerUnit(meter, Decimal(amount), Decimal(per), Decimal(included))
    assert [fault.field for fault in refusal.value.faults] == [field]


def test_the_plan_in_force_is_the_last_that_has_started() -> None:
    first, second = (Plan(UUID(int=n), f"plan {n}", "RUB", (PRICE,), AT) for n in (1, 2))
    beginning, later = Subscription(None, first), Subscription(AT, second)
    history = (beginning, later)
    assert in_force((), AT) is None
    assert in_force((later,), AT - timedelta(microseconds=1)) is None
    assert in_force(history, datetime(1, 1, 1, tzinfo=UTC)) is beginning
    assert in_force(history, AT - timedelta(microseconds=1)) is beginning
    assert in_force(history, AT) is later
    assert upcoming(history, AT - timedelta(microseconds=1)) is later
    assert upcoming(history, AT) is None
