from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected


def faults_of(document: Document) -> list[str]:
    with pytest.raises(Rejected) as refusal:
        document.finish(lambda: None)
    return [str(fault) for fault in refusal.value.faults]


@pytest.mark.parametrize(
    ("given", "number"),
    [("0.20", "0.20"), ("0", "0"), (17, "17"), ("-1.5", "-1.5"), ("9" * 20 + "." + "9" * 18, None)],
)
def test_decimals_are_kept_as_published(given: object, number: str | None) -> None:
    document = Document({"amount": given})
    assert str(document.decimal("amount")) == (number or given)
    document.finish(lambda: None)


@pytest.mark.parametrize(
    "given",
    [
        0.2,
        True,
        "",
        " 1",
        "1e3",
        "NaN",
        "Infinity",
        "1_000",
        "+1",
        ".5",
        "1.",
        "١",
        "1" * 21,
        "0." + "1" * 19,
        10**20,
        -(10**20),
        [],
        {},
    ],
)
def test_what_is_no_exact_decimal_is_refused(given: object) -> None:
    document = Document({"amount": given}, "prices[0]")
    document.decimal("amount")
    assert faults_of(document)[0].startswith("prices[0].amount: must be a decimal string")


@pytest.mark.parametrize("given", ["", "x" * 257, "a\0b", "a\nb", 1, [], True])
def test_what_is_no_short_printable_text_is_refused(given: object) -> None:
    document = Document({"name": given})
    document.text("name")
    assert faults_of(document) == ["name: must be 1 to 256 printable characters"]


def test_every_fault_is_named_once_with_its_path() -> None:
    document = Document(
        {"id": "1", "created_at": "2026-01-01T00:00:00", "active": "yes", "x": 1, "prices": [1]}, "plan"
    )

    def refuse(_item: object, path: str) -> None:
        raise Rejected(Fault(path, "is wrong"))

    document.text("name")
    document.uuid("id")
    document.instant("created_at")
    document.flag("active", default=True)
    document.items("prices", refuse)
    document.fault("name", "is wrong too")
    assert faults_of(document) == [
        "plan.name: is missing",
        "plan.id: must be a UUID",
        "plan.created_at: must be a time with an offset, such as 2025-01-31T00:00:00Z",
        "plan.active: must be true or false",
        "plan.prices[0]: is wrong",
        "plan.x: unknown field",
    ]


def test_faults_of_what_is_made_are_named_too() -> None:
    document = Document({"per": "0"}, "prices[3]")
    document.decimal("per")

    def make() -> None:
        raise Rejected.because("per", "must be more than zero")

    with pytest.raises(Rejected) as refusal:
        document.finish(make)
    assert [str(fault) for fault in refusal.value.faults] == ["prices[3].per: must be more than zero"]


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_has_that_one_fault(value: object) -> None:
    document = Document(value, "prices[0]")
    document.text("kind")
    assert faults_of(document) == ["prices[0]: must be an object"]


def test_absent_and_null_fields_take_their_defaults() -> None:
    for fields in ({}, {"per": None, "active": None, "id": None, "at": None, "prices": None}):
        document = Document(fields)
        assert document.decimal("per", default=Decimal(1)) == 1
        assert document.flag("active", default=True) is True
        assert document.uuid("id") is None
        assert document.instant("at") is None
        assert document.items("prices", lambda item, _path: item) == ()
        document.finish(lambda: None)


def test_values_are_read() -> None:
    id = UUID(int=7)
    document = Document({"id": str(id), "at": "2026-01-01T03:00:00+03:00", "active": False, "tags": ["a"]})
    assert document.uuid("id") == id
    assert document.instant("at") == datetime(2026, 1, 1, tzinfo=UTC)
    assert document.flag("active", default=True) is False
    assert document.items("tags", lambda item, path: (item, path)) == (("a", "tags[0]"),)
    assert document.finish(lambda: "made") == "made"


@pytest.mark.parametrize("given", [3, {}, "x"])
def test_what_is_no_array_is_refused(given: object) -> None:
    document = Document({"prices": given})
    assert document.items("prices", lambda item, _path: item) == ()
    assert faults_of(document) == ["prices: must be an array"]
