"""Schedules mean what Knative takes them to mean; whatever croniter would read otherwise is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import cron
from runtime.cron import Schedule

ZONE = ZoneInfo("UTC")
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

Field = tuple[str, frozenset[int], bool]
"""The text of a field, what it stands for, and whether it leaves the day open."""


@st.composite
def a_field(draw: st.DrawFn, low: int, high: int, names: Sequence[str] = ()) -> Field:
    def shown(value: int) -> str:
        named = draw(st.booleans()) if names else False
        return draw(st.sampled_from([str.lower, str.upper]))(names[value - low]) if named else str(value)

    parts = draw(st.lists(st.sampled_from(["*", "one", "range", "step", "from"]), min_size=1, max_size=3))
    texts, values, is_open = [], set[int](), False
    for part in parts:
        # No month is without one of these, if they are days.
        start = draw(st.integers(low, min(high - 1, 28)))
        end = draw(st.integers(start + 1, high))
        step = draw(st.integers(2, 7))
        match part:
            case "*":
                texts.append("*")
                values |= set(range(low, high + 1))
                is_open = True
            case "one":
                texts.append(shown(start))
                values.add(start)
            case "range":
                texts.append(f"{shown(start)}-{shown(end)}")
                values |= set(range(start, end + 1))
            case "step":
                texts.append(f"{start}-{end}/{step}")
                values |= set(range(start, end + 1, step))
            case _:
                texts.append(f"{start}/{step}")
                values |= set(range(start, high + 1, step))
    return ",".join(texts), frozenset(values), is_open


@st.composite
def a_schedule(draw: st.DrawFn) -> tuple[str, list[Field]]:
    fields = [
        draw(field)
        for field in (
            st.just(("0", frozenset({0}), False)) | a_field(0, 59),
            a_field(0, 59),
            a_field(0, 23),
            a_field(1, 31),
            a_field(1, 12, MONTHS),
            a_field(0, 6, DAYS),
        )
    ]
    shown = fields if fields[0][0] != "0" or draw(st.booleans()) else fields[1:]
    return " ".join(text for text, _, _ in shown), fields


def first_after(instant: datetime, fields: list[Field]) -> datetime:
    """By looking at every day, hour, minute and second in turn."""
    (_, seconds, _), (_, minutes, _), (_, hours, _), (_, days, any_day), (_, months, _), weekday = fields
    _, weekdays, any_weekday = weekday
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (midnight + timedelta(days=n) for n in count()):
        by_date, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        both = any_day or any_weekday
        if day.month not in months or not (by_date and by_weekday if both else by_date or by_weekday):
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                for second in sorted(seconds):
                    tick = day.replace(hour=hour, minute=minute, second=second)
                    if tick > instant:
                        return tick
    raise AssertionError


instants = st.timedeltas(timedelta(0), timedelta(days=2_000)).map(datetime(2024, 1, 1, tzinfo=UTC).__add__)


@given(drawn=a_schedule(), instant=instants)
def test_the_next_tick_is_the_first_that_fits_every_field(
    drawn: tuple[str, list[Field]], instant: datetime
) -> None:
    text, fields = drawn
    assert cron.read(text, ZONE).after(instant) == first_after(instant, fields)


@settings(max_examples=30)
@given(
    drawn=a_schedule(),
    instant=st.sampled_from(["2025-03-30T00:30", "2025-10-26T00:30", "2025-03-09T06:30", "2025-11-02T05:30"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_ticks_go_on_through_a_change_of_the_clocks(
    drawn: tuple[str, list[Field]], instant: str, zone: str
) -> None:
    """Each is later than the one before, also in the hour that comes twice or not at all."""
    schedule = cron.read(drawn[0], ZoneInfo(zone))
    ticks = [datetime.fromisoformat(instant).replace(tzinfo=UTC)]
    for _ in range(12):
        ticks.append(schedule.after(ticks[-1]))
    assert all(one < other for one, other in pairwise(ticks))


def test_a_schedule_is_of_its_zone() -> None:
    schedule = cron.read("30 9 * * *", ZoneInfo("Asia/Kathmandu"))
    assert schedule.after(datetime(2025, 10, 15, 3, 45, tzinfo=UTC)) == datetime(
        2025, 10, 16, 3, 45, tzinfo=UTC
    )
    assert str(schedule) == "30 9 * * * (Asia/Kathmandu)"


def test_six_fields_have_the_seconds_first() -> None:
    at = datetime(2025, 10, 15, 12, 0, 0, 1, tzinfo=UTC)
    assert cron.read("*/5 * * * * *", ZONE).after(at) == at.replace(second=5, microsecond=0)
    assert cron.read("0 5 * * * *", ZONE).after(at) == at.replace(minute=5, microsecond=0)


def test_a_tick_is_never_now() -> None:
    at = datetime(2025, 10, 15, 12, 15, tzinfo=UTC)
    assert cron.read("*/15 * * * *", ZONE).after(at) == at.replace(minute=30)
    assert cron.read("*/15 * * * *", ZONE).after(at - timedelta(microseconds=1)) == at


@pytest.mark.parametrize("text", ["", "*", "* * * *", "* * * * * * *", "@hourly", "@every 1h"])
def test_a_number_of_fields_that_knative_refuses_is_refused_in_its_words(text: str) -> None:
    with pytest.raises(ValueError, match="expected 5 to 6 fields, found ") as refused:
        cron.read(text, ZONE)
    assert str(refused.value) == f"expected 5 to 6 fields, found {len(text.split())}: [{text}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60 * * * *", "out of range"),
        ("* 24 * * *", "out of range"),
        ("* * 0 * *", "out of range"),
        ("* * * 13 *", "out of range"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* * * * 5-7", "end of range (7) above maximum (6): 5-7"),
        ("* * * foo *", "not acceptable"),
        ("*/0 * * * *", "step"),
        ("-1 * * * *", "is not a value, a range or a step: -1"),
        ("1,,2 * * * *", "is not a value, a range or a step: "),
        ("1/2/3 * * * *", "is not a value, a range or a step: 1/2/3"),
        ("a * * * *", "is not a value, a range or a step: a"),
        # What croniter knows and Knative does not, or takes for something else.
        ("* * L * *", "is not a value, a range or a step: L"),
        ("* * 15W * *", "is not a value, a range or a step: 15W"),
        ("* * * * mon#1", "is not a value, a range or a step: mon#1"),
        ("H * * * *", "is not a value, a range or a step: H"),
        ("5-5 * * * *", "beginning of range (5) not before its end (5): 5-5"),
        ("* 22-2 * * *", "beginning of range (22) not before its end (2): 22-2"),
        ("* * * * fri-mon", "beginning of range (5) not before its end (1): fri-mon"),
        ("0 0 */1 * 1", "a step over all days means both day fields to Knative"),
        ("0 0 1 * ?/2", "a step over all days means both day fields to Knative"),
        ("0 0 30 2 *", "never comes: [0 0 30 2 *]"),
    ],
)
def test_a_field_that_is_wrong_or_means_something_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is compared below
        cron.read(text, ZONE)
    assert message in str(refused.value)


def test_spaces_between_fields_are_free() -> None:
    assert cron.read("  */15\t* *  * * ", ZONE) == Schedule("*/15 * * * *", ZONE)
