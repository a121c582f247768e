"""Prices that cannot be: each fault is named with its path, and all at once."""

from typing import Any

import pytest

from shared.domain.errors import Rejected
from shared.domain.plan_document import plan_from_dict
from tests.shared.domain.rating.entered import plan_of, tiered

CALLS = {"kind": "per_unit", "name": "calls", "meter": "invocations", "amount": "1"}
ERRORS = {"kind": "per_unit", "name": "errors", "meter": "errors", "amount": "1"}
FEE = {"kind": "flat", "name": "fee", "amount": "1"}
LAST = {"amount": "1"}


def refusal_of(*prices: Any) -> list[str]:
    with pytest.raises(Rejected) as refusal:
        plan_of(*prices)
    return [str(fault) for fault in refusal.value.faults]


def fields_of(*prices: Any) -> list[str]:
    return [fault.partition(": ")[0] for fault in refusal_of(*prices)]


def test_every_fault_of_every_price_is_named() -> None:
    assert refusal_of(
        {
            "kind": "graduated",
            "meter": "nonsense",
            "tiers": [
                {"up_to": "5", "amount": "-1"},
                {"up_to": "5", "amount": 0.5, "surprise": 1},
                {"amount": "1", "per": "0"},
                {"up_to": "4", "flat": "-1"},
                7,
                {"up_to": "9"},
            ],
        },
        {"kind": "volume", "tiers": []},
        {"kind": "volume", "meter": "errors", "tiers": {}},
        {"kind": "package", "meter": "errors", "amount": "-1", "size": "0", "included": "-1"},
        {"kind": "package", "meters": ["errors"]},
        {"kind": "flat", "amount": "-1", "name": "", "per": "1"},
        {"kind": "percentage", "percent": "-1", "of": []},
        {"kind": "minimum_spend", "minimum": "-1", "of": ["a", "a", 3]},
        {"kind": "maximum_spend", "maximum": "-1", "of": "all"},
        {"kind": "free_value", "included": "-1"},
        {"kind": "licensed", "quantity": "-1", "amount": "-1", "prorated_by": "weeks", "per": "1"},
        {"kind": "licensed", "prorated_by": 30},
        {"kind": "reserved", "meter": "seats", "quantity": "0", "amount": "-1", "overage": "-1", "per": "0"},
        {"kind": "reserved", "meters": ["errors", "invocations"], "quantity": "1", "amount": 1, "overage": 2},
        {"kind": "reserved"},
    ) == [
        "prices[0].tiers[1].amount: must be a decimal string of at most 20 digits before the point and 18"
        " after it",
        "prices[0].tiers[1].surprise: unknown field",
        "prices[0].tiers[4]: must be an object",
        "prices[0].tiers[5].amount: is missing",
        "prices[0].meter: no such meter; known are " + METERS,
        "prices[0].tiers[0].amount: must not be negative",
        "prices[0].tiers[1].up_to: must be more than 5, where the tier begins",
        "prices[0].tiers[2].per: must be more than zero",
        "prices[0].tiers[2].up_to: is missing: only the last tier is open",
        "prices[0].tiers[3].flat: must not be negative",
        "prices[0].tiers[3].up_to: must be more than 5, where the tier begins",
        "prices[0].tiers[4].up_to: is missing: only the last tier is open",
        "prices[0].tiers[5].up_to: must be absent or null: the last tier is open",
        "prices[1].meter: is missing",
        "prices[1].tiers: a tiered price has at least one tier",
        "prices[2].tiers: must be an array",
        "prices[3].amount: must not be negative",
        "prices[3].size: must be more than zero",
        "prices[3].included: must not be negative",
        "prices[4].meter: is missing",
        "prices[4].amount: is missing",
        "prices[4].size: is missing",
        "prices[4].meters: unknown field",
        "prices[5].name: must be 1 to 256 printable characters",
        "prices[5].per: unknown field",
        "prices[5].amount: must not be negative",
        "prices[6].of: must be an array of at least one text",
        "prices[6].percent: must not be negative",
        "prices[7].of[2]: must be 1 to 256 printable characters",
        "prices[7].minimum: must not be negative",
        "prices[7].of[1]: is named twice",
        "prices[8].of: must be an array of at least one text",
        "prices[8].maximum: must not be negative",
        "prices[9].included: must not be negative",
        "prices[9].of: is missing: name the prices whose units are free",
        "prices[10].per: unknown field",
        "prices[10].quantity: must not be negative",
        "prices[10].amount: must not be negative",
        "prices[10].prorated_by: must be one of seconds, days, fixed_30",
        "prices[11].quantity: is missing",
        "prices[11].amount: is missing",
        "prices[11].prorated_by: must be 1 to 256 printable characters",
        "prices[12].meter: no such meter; known are " + METERS,
        "prices[12].quantity: must be more than zero",
        "prices[12].amount: must not be negative",
        "prices[12].overage: must not be negative",
        "prices[12].per: must be more than zero",
        "prices[13].meters[1]: counts another unit (invocation) than the first meter (error)",
        "prices[14].meter: is missing",
        "prices[14].quantity: is missing",
        "prices[14].amount: is missing",
        "prices[14].overage: is missing",
    ]


METERS = (
    "invocations, errors, cold_starts, cpu_ms, cpu_seconds, duration_ms, duration_seconds, duration_ms_1ms,"
    " duration_ms_100ms, mb_ms, gb_seconds, gb_seconds_1ms, gb_seconds_100ms, gb_seconds_1ms_128mb,"
    " gb_seconds_100ms_128mb, gb_hours, gb_hours_1ms, gb_hours_100ms, egress_gib, egress_gb,"
    " provisioned_seconds, custom.<name>"
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"meters": []}, ["prices[0].meters"]),
        ({"meters": "errors"}, ["prices[0].meters"]),
        ({"meters": ["errors", "nonsense", 3]}, ["prices[0].meters[2]", "prices[0].meters[1]"]),
        ({"meters": ["errors", "errors"]}, ["prices[0].meters[1]"]),
        ({"meters": ["gb_seconds", "errors", "gb_hours"]}, ["prices[0].meters[1]", "prices[0].meters[2]"]),
        ({"meters": ["errors"], "meter": "errors"}, ["prices[0].meter"]),
    ],
)
@pytest.mark.parametrize("kind", ["per_unit", "graduated", "volume"])
def test_meters_of_one_price_are_known_and_of_one_unit(
    kind: str, fields: dict[str, Any], expected: list[str]
) -> None:
    price = {"kind": kind, "amount": "1"} if kind == "per_unit" else {"kind": kind, "tiers": [LAST]}
    assert fields_of(price | fields) == expected


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ([("0", "1"), (None, "1")], ["prices[0].tiers[0].up_to"]),
        ([("-1", "1"), (None, "1")], ["prices[0].tiers[0].up_to"]),
        ([("5", "1"), ("3", "1"), (None, "1")], ["prices[0].tiers[1].up_to"]),
        ([("5", "1"), ("5.0", "1"), (None, "1")], ["prices[0].tiers[1].up_to"]),
        ([("5", "1")], ["prices[0].tiers[0].up_to"]),
        ([(None, "1"), (None, "1")], ["prices[0].tiers[0].up_to"]),
    ],
)
def test_tiers_follow_each_other_up_to_an_open_last_one(tiers: Any, expected: list[str]) -> None:
    assert fields_of(tiered("graduated", *tiers)) == expected
    assert fields_of(tiered("volume", *tiers)) == expected


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([CALLS, CALLS], ["prices[1].name"]),
        ([{"kind": "percentage", "percent": "1"}], ["prices[0].of"]),
        ([{"kind": "percentage", "percent": "1", "of": ["calls"]}, CALLS], ["prices[0].of[0]"]),
        ([CALLS, {"kind": "maximum_spend", "maximum": "1", "of": ["calls", "x"]}], ["prices[1].of[1]"]),
        ([CALLS, {"kind": "minimum_spend", "name": "x", "minimum": "1", "of": ["x"]}], ["prices[1].of[0]"]),
        ([FEE, {"kind": "free_value", "included": "1", "of": ["fee"]}], ["prices[1].of[0]"]),
        (
            [CALLS, ERRORS, {"kind": "free_value", "included": "1", "of": ["calls", "errors"]}],
            ["prices[2].of[1]"],
        ),
    ],
)
def test_a_price_names_earlier_ones_that_it_can_be_about(prices: Any, expected: list[str]) -> None:
    assert fields_of(*prices) == expected


LEAST = {"kind": "minimum_spend", "minimum": "100"}
MOST = {"kind": "maximum_spend", "maximum": "50"}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([LEAST, MOST], ["prices[3].maximum"]),
        ([MOST, LEAST], ["prices[3].minimum"]),
        ([LEAST | {"of": ["calls"]}, MOST], ["prices[3].maximum"]),
        ([LEAST | {"of": ["calls"]}, MOST | {"of": ["calls"]}], ["prices[3].maximum"]),
    ],
)
def test_a_cap_under_a_minimum_of_the_same_prices_is_refused(limits: Any, expected: list[str]) -> None:
    assert fields_of(CALLS, ERRORS, *limits) == expected


@pytest.mark.parametrize(
    "limits",
    [
        [LEAST, MOST | {"maximum": "100"}],
        [LEAST, MOST | {"of": ["calls"]}],
        [LEAST | {"of": ["errors"]}, MOST | {"of": ["calls"]}],
    ],
)
def test_limits_that_can_both_hold_make_a_plan(limits: Any) -> None:
    assert len(plan_of(CALLS, ERRORS, *limits).prices) == 4


def test_nothing_is_given_back_twice() -> None:
    free = {"kind": "free_value", "name": "free", "included": "5", "of": ["calls"]}
    cap = {"kind": "maximum_spend", "maximum": "1", "of": ["calls"]}
    assert refusal_of(CALLS, free, cap) == [
        "prices[2].of: leaves out 'free', which gives back of the same charges"
    ]
    assert refusal_of(CALLS, cap, free) == [
        "prices[2].of: leaves out a maximum_spend without a name, which gives back of the same charges"
    ]
    assert len(plan_of(CALLS, free, cap | {"of": ["calls", "free"]}).prices) == 3


def test_faults_between_prices_count_as_listed_behind_the_flat_columns() -> None:
    with pytest.raises(Rejected) as refusal:
        plan_from_dict(
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "created_at": "2026-01-01T00:00:00Z",
                "name": "flat",
                "currency": "USD",
                "price_per_invocation": "1",
                "price_per_cpu_ms": "1",
                "prices": [CALLS, {"kind": "percentage", "percent": "1", "of": ["calls", "x"]}],
            }
        )
    assert [fault.field for fault in refusal.value.faults] == ["prices[1].of[1]"]


def test_what_prices_say_of_each_other_waits_until_all_can_be_read() -> None:
    broken = CALLS | {"amount": "x"}
    about_it = {"kind": "percentage", "percent": "1", "of": ["calls"]}
    assert fields_of(broken, about_it) == ["prices[0].amount"]
