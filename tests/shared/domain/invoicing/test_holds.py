import pytest

from shared.domain.errors import Rejected
from shared.domain.invoicing.holds import Hold, HoldReason, Override, holding
from tests.shared.domain.invoicing.made import ISSUED


def override(*reasons: HoldReason, who: str = "ann", why: str = "a test sent them") -> Override:
    return Override(who, why, frozenset(reasons), ISSUED)


def test_each_reason_says_how_many_there_are_and_what_to_do() -> None:
    hold = Hold(HoldReason.DEAD_LETTERS, 3)
    assert hold.message == "events of the period are dead letters (3)"
    assert hold.way_out == "replay, correct or drop each of them"
    assert all(Hold(reason).message and Hold(reason).way_out for reason in HoldReason)


def test_a_reason_of_which_there_is_none_does_not_hold_anything() -> None:
    gaps, letters = Hold(HoldReason.METERING_GAPS, 1), Hold(HoldReason.DEAD_LETTERS, 2)
    assert holding([gaps, Hold(HoldReason.UNRATED_USAGE, 0), letters], []) == (letters, gaps)


def test_an_override_takes_its_reasons_away_and_no_others() -> None:
    holds = [Hold(HoldReason.DEAD_LETTERS), Hold(HoldReason.METERING_GAPS)]
    assert holding(holds, [override(HoldReason.DEAD_LETTERS)]) == (Hold(HoldReason.METERING_GAPS),)
    both = [override(HoldReason.DEAD_LETTERS), override(HoldReason.METERING_GAPS)]
    assert holding(holds, both) == ()


@pytest.mark.parametrize("reason", [HoldReason.NO_BILLING_ENTITY, HoldReason.NO_BILLING_DETAILS])
def test_an_invoice_without_a_seller_or_a_buyer_cannot_be_made_by_an_override(reason: HoldReason) -> None:
    with pytest.raises(Rejected, match=f"{reason} cannot be overridden"):
        override(reason, HoldReason.DEAD_LETTERS)


def test_an_override_says_who_why_and_which() -> None:
    with pytest.raises(Rejected) as refused:
        override(who="", why="")
    assert [fault.field for fault in refused.value.faults] == ["who", "why", "reasons"]
