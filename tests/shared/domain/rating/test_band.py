"""Bands of a week as users enter them, and when they are where clocks are set."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.domain.document import Document
from shared.domain.errors import Rejected
from shared.domain.rating.band import EVERY_DAY, Band

NIGHT = Band("night", 22 * 60, 6 * 60)
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(band: Band, zone: str, start: str, end: str) -> list[tuple[str, str]]:
    found = band.spans(utc(start), utc(end), ZoneInfo(zone))
    return [(f"{span.start:%d %H:%M}", f"{span.end:%d %H:%M}") for span in found]


def entered(**fields: Any) -> dict[str, Any]:
    return {"name": "night", "from": "22:00", "to": "06:00", **fields}


def faults(value: object) -> dict[str, str]:
    with pytest.raises(Rejected) as refusal:
        Band.read(Document(value))
    return {fault.field: fault.message for fault in refusal.value.faults}


def test_a_band_is_written_as_it_is_read() -> None:
    weekend = entered(weekdays=["sat", "sun"])
    assert Band.read(Document(weekend)).to_dict() == weekend
    assert Band.read(Document(entered())) == NIGHT
    assert Band.read(Document(entered(weekdays=NIGHT.to_dict()["weekdays"]))) == NIGHT


def test_a_band_says_in_words_when_it_is() -> None:
    assert str(NIGHT) == "night (22:00 to 06:00)"
    assert str(Band("office", 540, 1080, frozenset({1, 0}))) == "office (09:00 to 18:00, mon, tue)"


def test_every_fault_of_a_band_is_named() -> None:
    wrong = {"name": "", "from": "22:03", "to": "24:00", "weekdays": ["mon", "someday", "mon"], "zone": "UTC"}
    found = faults(wrong)
    assert found.keys() == {"name", "to", "weekdays[1]", "weekdays[2]", "zone"} | {"from"}
    assert found["from"] == "must lie on a 5-minute instant; the nearest is 22:05"
    assert found["zone"] == "unknown field"


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        (entered(to="23:58"), "to", "the nearest is 00:00"),
        (entered(to="06:02"), "to", "the nearest is 06:00"),
        (entered(weekdays=[]), "weekdays", "names no day"),
        (entered(**{"from": "9:00"}), "from", "such as 22:00"),
        (entered(to=600), "to", "such as 22:00"),
        ({"name": "night", "to": "06:00"}, "from", "is missing"),
        ("night", "", "must be an object"),
    ],
)
def test_a_band_that_cannot_be_is_refused(value: object, field: str, said: str) -> None:
    assert said in faults(value)[field]


def test_a_night_begins_on_its_weekday_and_ends_on_the_next_day() -> None:
    friday = Band("night", 22 * 60, 6 * 60, frozenset({4}))
    # 3 October 2025 is a Friday.
    assert spans(friday, "UTC", "2025-10-01", "2025-10-09") == [("03 22:00", "04 06:00")]
    assert spans(friday, "Europe/Moscow", "2025-10-01", "2025-10-09") == [("03 19:00", "04 03:00")]


def test_only_what_lies_in_the_period_is_in_the_band() -> None:
    assert spans(NIGHT, "UTC", "2025-10-02T01:00", "2025-10-02T23:00") == [
        ("02 01:00", "02 06:00"),
        ("02 22:00", "02 23:00"),
    ]
    assert spans(NIGHT, "UTC", "2025-10-02T06:00", "2025-10-02T22:00") == []


def test_from_equal_to_to_is_a_whole_day_and_days_in_a_row_are_one_span() -> None:
    weekend = Band("weekend", 0, 0, frozenset({5, 6}))
    assert spans(weekend, "UTC", "2025-10-01", "2025-10-12") == [
        ("04 00:00", "06 00:00"),
        ("11 00:00", "12 00:00"),
    ]
    always = Band("always", 300, 300, EVERY_DAY)
    assert spans(always, "UTC", "2025-10-01", "2025-11-01") == [("01 00:00", "01 00:00")]


@pytest.mark.parametrize(
    ("zone", "band", "start", "found"),
    [
        # Clocks go from 02:00 to 03:00 at 01:00 UTC: a night that begins in the hole begins there.
        ("Europe/Berlin", Band("b", 150, 240), "2025-03-30", [("30 01:00", "30 02:00")]),
        ("Europe/Berlin", Band("b", 120, 150), "2025-03-30", []),
        # And from 03:00 back to 02:00: the second 02:30 is no other than the first.
        ("Europe/Berlin", Band("b", 120, 150), "2025-10-26", [("26 00:00", "26 00:30")]),
        ("Europe/Berlin", Band("b", 150, 180), "2025-10-26", [("26 00:30", "26 02:00")]),
        # Midnight does not exist in Beirut and in Cairo on these days.
        ("Asia/Beirut", Band("b", 0, 60), "2025-03-29T12:00", []),
        ("Africa/Cairo", Band("b", 0, 120), "2025-04-24T12:00", [("24 22:00", "24 23:00")]),
        # Midnight comes twice in Havana, and the hour before it in Beirut.
        ("America/Havana", Band("b", 0, 60), "2025-11-02T03:00", [("02 04:00", "02 06:00")]),
        ("Asia/Beirut", Band("b", 23 * 60, 0), "2025-10-25T12:00", [("25 20:00", "25 22:00")]),
        # Half an hour.
        ("Australia/Lord_Howe", Band("b", 105, 150), "2025-10-04T12:00", [("04 15:15", "04 15:30")]),
    ],
)
def test_bands_follow_the_clock_where_it_is_set(
    zone: str, band: Band, start: str, found: list[tuple[str, str]]
) -> None:
    begins = utc(start)
    assert spans(band, zone, begins.isoformat()[:19], (begins + 20 * HOUR).isoformat()[:19]) == found


def test_bands_overlap_across_midnight_and_across_the_week() -> None:
    morning = Band("morning", 5 * 60, 7 * 60, frozenset({0}))
    sunday_night = Band("night", 22 * 60, 6 * 60, frozenset({6}))
    assert sunday_night.overlaps(morning)
    assert morning.overlaps(sunday_night)
    assert not Band("night", 22 * 60, 5 * 60, frozenset({6})).overlaps(morning)
    assert not Band("night", 22 * 60, 6 * 60, frozenset({5})).overlaps(morning)
    assert NIGHT.overlaps(NIGHT)
    assert not NIGHT.overlaps(Band("day", 6 * 60, 22 * 60))
