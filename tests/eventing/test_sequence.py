import pytest

from eventing.event import Event, sequence_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("0000042", 42),
        (str(2**63 - 1), 2**63 - 1),
        ("", None),
        ("0", None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
        ("a", None),
        (str(2**63), None),
        ("9" * 4_000, None),
    ],
)
def test_a_sequence_is_a_whole_number_from_1_or_none(text: str, number: int | None) -> None:
    assert sequence_of(Event("1", "/s", "t", extensions={"sequence": text})) == number


def test_an_event_without_one_has_none() -> None:
    assert sequence_of(Event("1", "/s", "t")) is None
