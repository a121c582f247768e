from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.errors import Conflict, Rejected
from shared.domain.invoicing.credits import CreditUse, Grant, check_refund, give_back, lapsed, use_credits
from tests.shared.domain.invoicing.made import ISSUED, amount, grant

SOON, LATER = ISSUED + timedelta(days=1), ISSUED + timedelta(days=99)


def used(total: str, *grants: Grant) -> list[tuple[int, str]]:
    uses = use_credits(grants, amount(total), "USD", ISSUED)
    return [(use.grant.id.int, f"{use.amount:f}") for use in uses]


def test_credit_pays_what_is_due_and_no_more() -> None:
    assert used("30.00", grant(1, "100.00")) == [(1, "30.00")]
    assert used("130.00", grant(1, "100.00")) == [(1, "100.00")]
    assert used("0.00", grant(1, "100.00")) == []


def test_the_smallest_priority_is_used_first_then_what_expires_soonest_then_the_oldest() -> None:
    old, new = ISSUED - timedelta(days=9), ISSUED - timedelta(days=1)
    grants = [
        grant(5, "1.00", created_at=new),
        grant(4, "1.00", created_at=old),
        grant(3, "1.00", created_at=new, expires_at=LATER),
        grant(2, "1.00", created_at=new, expires_at=SOON),
        grant(6, "1.00", created_at=old, expires_at=SOON, priority=1),
        grant(1, "1.00", created_at=new, priority=-1),
    ]
    assert [number for number, _ in used("9.00", *grants)] == [1, 2, 3, 4, 5, 6]


def test_what_has_expired_pays_nothing_and_is_to_be_written_off() -> None:
    gone, fresh = grant(1, "5.00", expires_at=ISSUED), grant(2, "5.00", expires_at=SOON)
    assert used("9.00", gone, fresh) == [(2, "5.00")]
    assert lapsed([fresh, gone, grant(3, "0.00", expires_at=ISSUED)], ISSUED) == (
        CreditUse(gone, Decimal("5.00")),
    )


def test_credit_of_another_currency_is_none() -> None:
    assert used("9.00", grant(1, "5.00", currency="EUR")) == []


def test_what_is_given_back_goes_to_the_grant_used_last_first() -> None:
    uses = [CreditUse(grant(1, "0.00"), amount("5.00")), CreditUse(grant(2, "0.00"), amount("3.00"))]

    def back(total: str, returned: dict[int, str]) -> list[tuple[int, str]]:
        before = {use.grant.id: Decimal(returned.get(use.grant.id.int, "0.00")) for use in uses}
        given = give_back(uses, amount(total), before)
        return [(use.grant.id.int, f"{use.amount:f}") for use in given]

    assert back("4.00", {}) == [(2, "3.00"), (1, "1.00")]
    assert back("4.00", {2: "3.00", 1: "1.00"}) == [(1, "4.00")]
    assert back("0.00", {}) == []
    with pytest.raises(AssertionError):
        back("5.00", {2: "3.00", 1: "1.00"})


@pytest.mark.parametrize("asked", ["0.00", "-1.00", "5.01", "0.001"])
def test_no_more_than_what_remains_is_paid_out(asked: str) -> None:
    check_refund(grant(1, "5.00"), amount("5.00"))
    with pytest.raises(Rejected) as refused:
        check_refund(grant(1, "5.00"), amount(asked))
    assert refused.value.faults[0].field == "amount"


def test_a_promotion_is_never_paid_out() -> None:
    with pytest.raises(Conflict, match="never paid out"):
        check_refund(grant(1, "5.00", kind="promotional"), amount("1.00"))
