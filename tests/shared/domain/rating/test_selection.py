"""Which part of a meter a price counts, as users enter it."""

from fractions import Fraction
from typing import Any

import pytest

from shared.domain.errors import Rejected
from shared.domain.meters import METERS
from shared.domain.plan import Plan
from shared.domain.plan_document import plan_from_dict, plan_to_dict
from shared.domain.quantities import Quantities
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.line import LineItem
from shared.domain.rating.rate import rate
from shared.domain.rating.selection import Key, Where
from tests.shared.domain.rating.entered import CALLS, MONTH, plan_of, tiered

NIGHT = {"name": "night", "from": "22:00", "to": "06:00"}
DAY = {"name": "day", "from": "06:00", "to": "22:00"}
SPOT = {"where": {"capacity": "spot"}}


def per_call(**fields: Any) -> dict[str, Any]:
    return {"kind": "per_unit", "meter": CALLS, "amount": "1", **fields}


def refused(*prices: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Rejected) as refusal:
        plan_of(*prices)
    return {fault.field: fault.message for fault in refusal.value.faults}


def lines(plan: Plan, used: dict[str, int]) -> tuple[LineItem, ...]:
    """A month in which each part, by its words, has so much used of it."""

    def look_up(key: Key) -> Fraction:
        assert not isinstance(key, str)
        return Fraction(used[f"{key.meter}{key.selection}"])

    before, after = (
        Quantities(dict.fromkeys(METERS, Fraction(of)), found)
        for of, found in ((0, lambda _key: Fraction(0)), (1_000, look_up))
    )
    return rate(plan, Cumulative(MONTH, MONTH.start, before), Cumulative(MONTH, MONTH.end, after))


@pytest.mark.parametrize(
    "price",
    [
        per_call(),
        tiered("graduated", ("5", "1"), (None, "2")),
        tiered("volume", ("5", "1"), (None, "2")),
        {"kind": "package", "meter": CALLS, "amount": "1", "size": "10"},
    ],
    ids=lambda price: str(price["kind"]),
)
def test_every_kind_that_counts_a_meter_is_written_as_it_is_read(price: dict[str, Any]) -> None:
    part = {
        "band": NIGHT | {"weekdays": ["fri", "sat"]},
        "where": {"capacity": ["burst", "spot"]},
        "except": {"region": [""], "team": ["a", "b"]},
    }
    plan = plan_of({**price, **part})
    document = plan_to_dict(plan)
    written = plan_of({**price, **part}).prices[0].to_dict()
    assert {name: written[name] for name in part} == part
    assert plan_from_dict(document) == plan
    assert plan_of(price).prices[0].to_dict().keys().isdisjoint(part)


def test_a_price_of_a_band_is_never_written_in_the_short_form() -> None:
    document = plan_to_dict(plan_of(per_call(band=NIGHT)))
    assert document["price_per_invocation"] is None
    assert len(document["prices"]) == 1  # type: ignore[arg-type]


def test_a_line_says_in_words_which_part_it_is_for_and_its_part_is_the_band() -> None:
    office = NIGHT | {"weekdays": ["mon"]}
    plan = plan_of(
        per_call(
            band=office, where={"capacity": ["spot", "burst"]}, **{"except": {"region": ""}}, included="3"
        ),
        tiered("graduated", ("5", "1"), (None, "2"), band=DAY),
        per_call(**SPOT),
    )
    words = ' in night (22:00 to 06:00, mon) where capacity is burst or spot and region is not ""'
    found = lines(
        plan,
        {f"{CALLS}{words}": 10, f"{CALLS} in day (06:00 to 22:00)": 8, f"{CALLS} where capacity is spot": 4},
    )
    assert [(line.part, f"{line.amount:f}") for line in found] == [
        ("night", "7.00"),
        ("day, tier 1", "5.00"),
        ("day, tier 2", "6.00"),
        ("", "4.00"),
    ]
    assert found[0].description == f"1 per invocation{words}, after 3 included per month"
    assert found[2].description == "2 per invocation in day (06:00 to 22:00), for what is over 5"


def test_a_tier_counter_is_the_bands_own() -> None:
    tiers: tuple[tuple[str | None, str], ...] = (("10", "1"), (None, "0.5"))
    plan = plan_of(*(tiered("volume", *tiers, band=band) for band in (NIGHT, DAY)))
    used = {f"{CALLS} in night (22:00 to 06:00)": 8, f"{CALLS} in day (06:00 to 22:00)": 20}
    assert [f"{line.amount:f}" for line in lines(plan, used)] == ["8.00", "0.00", "0.00", "10.00"]


def test_bands_of_one_meter_that_overlap_are_refused_with_both_prices_named() -> None:
    late = {"name": "late", "from": "05:55", "to": "07:00"}
    found = refused(
        per_call(name="first", band=NIGHT), per_call(amount="2"), per_call(name="second", band=late)
    )
    assert found == {
        "prices[2].band": "late (05:55 to 07:00) of 'second' overlaps night (22:00 to 06:00) of 'first',"
        " an earlier price, which counts invocations too"
    }


def test_bands_are_compared_for_what_is_counted_together_too() -> None:
    both = {"kind": "per_unit", "meters": ["gb_seconds", "gb_seconds_1ms"], "amount": "1", "band": NIGHT}
    one = {"kind": "package", "meter": "gb_seconds_1ms", "amount": "1", "size": "1", "band": NIGHT}
    assert refused(both, one).keys() == {"prices[1].band"}


@pytest.mark.parametrize(
    "other",
    [
        per_call(),
        per_call(band=DAY),
        per_call(band=NIGHT, **SPOT),
        per_call(band=NIGHT, **{"except": {"capacity": "spot"}}),
        {"kind": "per_unit", "meter": "errors", "amount": "1", "band": NIGHT},
    ],
)
def test_what_counts_other_usage_or_all_of_it_may_stand_beside_a_band(other: dict[str, Any]) -> None:
    assert len(plan_of(per_call(band=NIGHT), other).prices) == 2


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"where": {}}, "where", "names a dimension"),
        ({"where": "spot"}, "where", "names a dimension"),
        ({"except": {}}, "except", "names a dimension"),
        ({"where": {"a": []}}, "where.a", "must be a text"),
        ({"where": {"a": 1}}, "where.a", "must be a text"),
        ({"where": {"a": ["x", "x"]}}, "where.a", "names a value twice"),
        ({"where": {"": "x"}}, "where.", "is no label"),
        ({"where": {f"l{n}": "x" for n in range(9)}}, "where", "at most 8 dimensions"),
        ({"except": {"a": [str(n) for n in range(51)]}}, "except.a", "at most 50 values"),
        ({"where": {"a": "x"}, "except": {"a": ["x", "y"]}}, "except.a", "leaves nothing"),
        ({"band": "night"}, "band", "must be an object"),
        ({"band": NIGHT | {"weekdays": []}}, "band.weekdays", "names no day"),
        ({"band": NIGHT | {"from": "22:01"}}, "band.from", "the nearest is 22:00"),
        ({"band": NIGHT | {"zone": "UTC"}}, "band.zone", "unknown field"),
    ],
)
def test_a_part_that_cannot_be_is_refused(fields: dict[str, Any], field: str, said: str) -> None:
    assert said in refused(per_call(**fields))[f"prices[0].{field}"]


def test_all_faults_of_a_part_are_named_at_once() -> None:
    wrong = per_call(band=NIGHT | {"to": "6"}, where={"a": 1}, **{"except": {}}, per="0")
    assert refused(wrong).keys() == {f"prices[0].{of}" for of in ("band.to", "where.a", "except", "per")}


def test_what_is_paid_for_whether_used_or_not_has_no_bands() -> None:
    reserved = {"kind": "reserved", "meter": CALLS, "quantity": "1", "amount": "1", "overage": "1"}
    for price in (reserved, {"kind": "flat", "amount": "1"}):
        assert refused({**price, "band": NIGHT, **SPOT}).keys() == {"prices[0].band", "prices[0].where"}


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ({"capacity": "spot", "region": "eu"}, True),
        ({"capacity": "spot"}, True),
        ({"capacity": "burst", "region": "us"}, False),
        ({"region": "eu"}, False),
        ({}, False),
    ],
)
def test_a_series_counts_by_its_values(values: dict[str, str], counts: bool) -> None:
    where = Where((("capacity", ("burst", "spot")),), (("region", ("us",)),))
    assert where.holds(values) is counts
