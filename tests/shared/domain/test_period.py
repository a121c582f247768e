from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.domain.period import Period, counting_periods, month_of, next_month_start, read_zone
from shared.domain.windows import WindowSize, floor

ZONES = [
    "UTC",
    "Europe/Moscow",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Asuncion",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Havana",
    "America/St_Johns",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
]
_FROM = datetime(1996, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=40 * 365)).map(lambda after: _FROM + after)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "start", "end", "seconds"),
    [
        # Published month lengths: DST months are not 24 hours a day.
        ("America/New_York", "2026-03-15", "2026-03-01T05:00", "2026-04-01T04:00", 2_674_800),
        ("Europe/Berlin", "2026-03-15", "2026-02-28T23:00", "2026-03-31T22:00", 2_674_800),
        ("Europe/Berlin", "2026-10-15", "2026-09-30T22:00", "2026-10-31T23:00", 2_682_000),
        ("Europe/Moscow", "2026-03-15", "2026-02-28T21:00", "2026-03-31T21:00", 2_678_400),
        ("Australia/Lord_Howe", "2026-04-15", "2026-03-31T13:00", "2026-04-30T13:30", 2_593_800),
        ("Asia/Kathmandu", "2024-02-15", "2024-01-31T18:15", "2024-02-29T18:15", 29 * 86_400),
        ("Pacific/Chatham", "2025-12-15", "2025-11-30T10:15", "2025-12-31T10:15", 31 * 86_400),
        # Midnight of 1 October 2017 does not exist in Asuncion: the month begins where the clock goes on.
        ("America/Asuncion", "2017-10-15", "2017-10-01T04:00", "2017-11-01T03:00", 31 * 86_400 - 3_600),
        # At midnight of 1 March 1998 its clock went back to 23:00 of February.
        ("America/Asuncion", "1998-03-15", "1998-03-01T04:00", "1998-04-01T04:00", 31 * 86_400),
        # 00:00 of 1 November 2020 comes twice in Havana: the month begins at the first.
        ("America/Havana", "2020-11-15", "2020-11-01T04:00", "2020-12-01T05:00", 30 * 86_400 + 3_600),
        # Samoa left out a day of December 2011.
        ("Pacific/Apia", "2011-12-15", "2011-12-01T10:00", "2011-12-31T10:00", 30 * 86_400),
        ("Asia/Beirut", "2025-03-30", "2025-02-28T22:00", "2025-03-31T21:00", 31 * 86_400 - 3_600),
    ],
)
def test_a_month_lasts_from_local_midnight_to_local_midnight(
    zone: str, instant: str, start: str, end: str, seconds: int
) -> None:
    month = month_of(utc(instant), ZoneInfo(zone))
    assert month == Period(utc(start), utc(end))
    assert month.end - month.start == timedelta(seconds=seconds)
    assert month.start.tzinfo is UTC


def test_an_instant_belongs_to_the_month_of_the_tenants_zone() -> None:
    moscow = ZoneInfo("Europe/Moscow")
    april = utc("2026-03-31T21:00:00")
    assert month_of(april, moscow).start == april
    assert month_of(april - timedelta(milliseconds=1), moscow).end == april


def test_a_month_starts_once_where_the_clock_is_set_back_over_midnight() -> None:
    # St John's, 2009: 00:00 of 1 November came at 02:30Z; at 00:01 the clock went back to 23:01.
    zone = ZoneInfo("America/St_Johns")
    first_midnight = utc("2009-11-01T02:30")
    again_in_october = utc("2009-11-01T02:45")
    assert again_in_october.astimezone(zone).month == 10
    assert month_of(first_midnight, zone).start == first_midnight
    assert month_of(again_in_october, zone).start == first_midnight


@given(INSTANTS, st.sampled_from(ZONES))
def test_months_tile_time(instant: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    month = month_of(instant, zone)
    assert month.start <= instant < month.end
    assert month_of(month.start, zone) == month
    assert month_of(month.end - timedelta(microseconds=1), zone) == month
    assert month_of(month.end, zone).start == month.end == next_month_start(instant, zone)
    assert all(floor(bound, WindowSize.M5) == bound for bound in month)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=400)), st.sampled_from(ZONES))
def test_counting_periods_cut_a_span_at_month_bounds_and_nowhere_else(
    start: datetime, length: timedelta, name: str
) -> None:
    zone = ZoneInfo(name)
    slices = counting_periods(start, start + length, zone)
    bounds = [start, *(part.end for part in slices)]
    assert bounds[-1] == start + length
    assert [part.start for part in slices] == bounds[:-1]
    assert all(part.counting == month_of(part.start, zone) for part in slices)
    assert all(part.end == part.counting.end for part in slices[:-1])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/passwd",
        "America",
        "right/UTC",
        "localtime",
        "a\0b",
        "x" * 500,
    ],
)
def test_what_is_no_iana_zone_is_refused(name: str) -> None:
    with pytest.raises(Rejected) as refusal:
        read_zone(name)
    assert refusal.value.faults[0].field == "timezone"


def test_iana_zones_are_read() -> None:
    assert [str(read_zone(name)) for name in ZONES] == ZONES
