"""What holds for every record: by independent arithmetic, and the hot path against the careful one."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from eventing.usage import decode
from eventing.usage.convert import arrival_of
from eventing.usage.faults import check_event
from eventing.usage.instants import instant
from eventing.usage.wrong import Wrong
from shared.domain.errors import Rejected
from shared.domain.usage import DecodedUsage

NOW = datetime(2025, 10, 15, 13, 0, 0, tzinfo=UTC)


def read(data: bytes) -> DecodedUsage:
    return decode(data, recorded_at=NOW, received_at=NOW)


def refusal_of(data: bytes) -> Rejected | None:
    try:
        read(data)
    except Rejected as error:
        return error
    return None


@st.composite
def number_texts(draw: st.DrawFn, most: int) -> str:
    whole = draw(st.integers(0, most))
    decimals = draw(st.text("0123456789", max_size=80))
    text = f"{whole}.{decimals}" if decimals else str(whole)
    exponent = draw(st.sampled_from(["", "", "e0", "E-3", "e-12", "e-40"]))
    return text + exponent


@given(number_texts(604_799))
@example("0.0000000005")
@example("0.1234567895" + "0" * 70)
@example("0.1234567894" + "9" * 70)
def test_seconds_are_nanoseconds_by_fractions(text: str) -> None:
    expected = math.floor(Fraction(text) * 10**9 + Fraction(1, 2))
    [record] = read(f'{{"service_name":"a","duration_seconds":{text}}}'.encode()).records
    assert record.duration_ns == expected


@given(number_texts(1_048_575))
def test_mebibytes_are_bytes_by_fractions(text: str) -> None:
    [record] = read(f'{{"service_name":"a","memory_mb":{text}}}'.encode()).records
    assert record.memory_bytes == math.ceil(Fraction(text) * 2**20)


@given(
    seconds=st.integers(0, 813_000_000),
    fraction=st.text("0123456789", max_size=30),
    separator=st.sampled_from("Tt"),
    offset_minutes=st.one_of(st.none(), st.integers(-959, 959)),
)
def test_a_timestamp_is_read_back_whatever_its_spelling(
    seconds: int, fraction: str, separator: str, offset_minutes: int | None
) -> None:
    at = datetime(2000, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    offset = "z" if offset_minutes is None else _offset(offset_minutes)
    point = f".{fraction}" if fraction else ""
    text = f"{at:%Y-%m-%d}{separator}{at:%H:%M:%S}{point}{offset}"
    expected = at.replace(microsecond=int(f"{fraction:0<6}"[:6]))
    assert instant(text) == expected - timedelta(minutes=offset_minutes or 0)


def _offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


@given(
    spelling=st.sampled_from(
        [
            "2025-10-15T12:00:00Z",
            "2025-10-15T12:00:00.123456Z",
            "2025-10-15T12:00:00.123456789Z",
            "2025-10-15T12:00:00+00:00",
            "2025-10-15T12:00:00.123456789+00:00",
            "2025-10-15T12:00:00+01:30",
        ]
    ),
    edits=st.lists(st.tuples(st.integers(0, 34), st.sampled_from("0129-:.,+TtZzW ٣\n")), max_size=3),
    cut=st.integers(0, 34),
)
def test_what_is_not_rfc_3339_is_no_instant(spelling: str, edits: list[tuple[int, str]], cut: int) -> None:
    characters = list(spelling)
    for position, character in edits:
        characters[position : position + 1] = [character]
    text = "".join(characters)
    text = text[:cut] + text[cut + 1 :] if cut < len(text) else text
    year = int(text[:4]) if RFC3339.fullmatch(text) else 0
    assume(year not in {2000, 9999})
    assert _is_instant(text) == (2000 < year < 9999 and _is_day(text))


def _is_instant(text: str) -> bool:
    try:
        return instant(text).tzinfo is UTC
    except Wrong:
        return False


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


ODD = [
    "null",
    "true",
    "-1",
    "1.0",
    "0",
    "3",
    "[]",
    "{}",
    '""',
    '"x"',
    '"1"',
    "1e999999999",
    "9" * 40,
    '"\\u0000"',
    '"😀"',
]
FIELDS: dict[str, list[str]] = {
    "timestamp": [
        '"2025-10-15T12:00:00Z"',
        '"2025-10-15T12:00:00"',
        '"2025-10-15T13:30:00Z"',
        '"1969-10-15T12:00:00Z"',
    ],
    "service_name": ['"waiter"', '"waiter"', '"waiter"', f'"{"x" * 257}"'],
    "revision": ['"r"', r'"\\u0000"'],
    "namespace": ['"n"'],
    "request_id": ['"q"', '"p"'],
    "tenant_id": ['"demo"'],
    "invocations": ["0", "1", "2", "1000000000", "1000000001"],
    "duration_seconds": [
        "0.234",
        "0",
        "1e-9",
        "604800.5",
        "0.000000005",
        "1e-2000",
        "1e99999999999999999999",
    ],
    "duration_ns": ["5", "0", "604800000000001"],
    "memory_mb": ["64.5", "128", "1048576", "1048576.1", "-0.0", "-1e-99"],
    "cold_start": ["true", "false"],
    "cold_starts": ["0", "1", "2"],
    "errors": ["0", "1", "2"],
    "cpu_seconds": ["0.5", "9223372036.854775807", "9223372036.854775808"],
    "egress_bytes": ["5", "9223372036854775808"],
    "labels": [
        '{"a":"b"}',
        '{"a":1}',
        '{"":""}',
        '{"a\\u0000":"b"}',
        json.dumps(dict.fromkeys(map(str, range(65)), "")),
    ],
    "durations_ns": ["[5]", "[]", "[2,3]", "[604800000000001]", "[1.0]", "[null]", "[-1]"],
    "quantities": ['{"t":"1.5"}', '{"t":1}', '{"t":"x"}', '{"t":"1\\n"}', '{"":"1"}'],
    "started_at": ['"2025-10-15T12:00:00Z"', '"2025-10-15T13:05:01Z"'],
    "provisioned_seconds": ["60", "3900", "3900.0000001", "604801", "0"],
}


UNKNOWN = {"records": "[]", "parts": "[]", "color": '"red"'}
rarely = st.integers(0, 19).map(lambda n: n == 0)


@st.composite
def record_texts(draw: st.DrawFn) -> str:
    """Mostly good: each value is the first of its list, at times another of it, rarely an odd one."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=5))
    if "service_name" not in names and not draw(rarely):
        names.append("service_name")
    members = {name: draw(_value(name)) for name in names}
    if draw(rarely):
        members |= dict([draw(st.sampled_from(sorted(UNKNOWN.items())))])
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def _value(name: str) -> st.SearchStrategy[str]:
    first, listed, odd = st.just(FIELDS[name][0]), st.sampled_from(FIELDS[name]), st.sampled_from(ODD)
    return st.integers(0, 29).flatmap(lambda n: odd if n == 0 else listed if n < 9 else first)


def _body(records: list[str]) -> bytes:
    text = records[0] if len(records) == 1 else f'{{"records":[{",".join(records)}]}}'
    return text.encode()


@settings(max_examples=500)
@given(st.lists(record_texts(), max_size=3).map(_body))
def test_the_careful_path_finds_a_fault_exactly_where_the_hot_path_says_no(body: bytes) -> None:
    refused = refusal_of(body)
    if refused is None:
        check_event(body, arrival_of(NOW, NOW))
    else:
        assert "cannot be read" not in str(refused)
        assert "twice" not in str(refused)


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 8))
def test_no_bytes_make_it_stumble(noise: bytes, start: int, length: int) -> None:
    good = b'{"records":[{"service_name":"a","duration_seconds":0.5,"labels":{"k":"\\u00e9"},"errors":1}]}'
    for body in (noise, good[:start] + noise[:length] + good[start + length :]):
        refused = refusal_of(body)
        assert refused is None or refused.faults


def _spellings(records: list[dict[str, Any]]) -> list[Callable[[], str]]:
    turned = [dict(reversed(record.items())) for record in records]
    return [
        lambda: json.dumps({"records": records}),
        lambda: json.dumps({"records": records}, indent=3),
        lambda: json.dumps({"records": records}, separators=(",", ":"), ensure_ascii=False),
        lambda: json.dumps({"records": turned}),
        lambda: " " + json.dumps(turned[0] if len(turned) == 1 else {"records": turned}) + "\n",
    ]


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9)
good_records = st.fixed_dictionaries(
    {"service_name": texts},
    optional={
        "revision": texts,
        "labels": st.dictionaries(texts, texts, max_size=4),
        "invocations": st.integers(1, 5),
        "duration_seconds": st.integers(0, 99),
        "cold_start": st.booleans(),
    },
)


@given(st.lists(good_records, min_size=1, max_size=4))
def test_the_digest_is_blind_to_envelope_white_space_escapes_and_order_of_names(
    records: list[dict[str, Any]],
) -> None:
    usages = [read(spelling().encode()) for spelling in _spellings(records)]
    assert len({usage.digest for usage in usages}) == 1
    assert all(usage.records == usages[0].records for usage in usages)


@given(st.lists(good_records, min_size=1, max_size=3), st.lists(good_records, min_size=1, max_size=3))
def test_the_digest_tells_other_content(records: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    def typed(records: list[dict[str, Any]]) -> str:
        return json.dumps(records, sort_keys=True)

    digests = [read(json.dumps({"records": some}).encode()).digest for some in (records, others)]
    assert (digests[0] == digests[1]) == (typed(records) == typed(others))
