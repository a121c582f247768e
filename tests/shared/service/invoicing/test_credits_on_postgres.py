from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Literal
from uuid import UUID

import pytest

from shared.adapters.postgres.invoicing.money import PostgresMoney
from shared.adapters.system import new_id
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.invoicing.invoice import Status
from shared.domain.invoicing.postings import Account
from shared.service.invoicing.money_ports import CreditGrant
from tests.shared.service.invoicing.audit import check_books
from tests.shared.service.invoicing.till import DAY, Till


def grant(
    till: Till,
    amount: str,
    kind: Literal["prepaid", "promotional"] = "prepaid",
    *,
    days: int | None = None,
    key: str | None = None,
) -> CreditGrant:
    return till.credits.grant(
        till.ref,
        kind,
        Decimal(amount),
        description="Welcome",
        expires_at=None if days is None else till.now + days * DAY,
        idempotency_key=key,
        who="admin",
    )


def remaining(till: Till) -> list[Decimal]:
    return [credit.grant.remaining for credit in till.credits.list(till.ref, limit=99)]


def balance(till: Till, account: Account) -> Decimal:
    balances = till.payments.statement(till.ref, limit=1).balances
    return {of: amount for of, _, amount in balances}.get(account, Decimal(0))


def test_credit_that_is_bought_is_cash_and_credit_that_is_given_is_a_promotion(till: Till) -> None:
    bought, given = grant(till, "50"), grant(till, "7.00", "promotional")
    assert till.credits.list(till.ref, limit=9) == [bought, given]
    assert till.credits.list(till.ref, limit=9, after=bought.grant.id) == [given]
    assert balance(till, Account.CASH) == Decimal("50.00")
    assert balance(till, Account.PROMOTIONS) == Decimal("7.00")
    assert balance(till, Account.CREDITS) == Decimal("-57.00")
    number = till.final("10.00")
    assert till.stored(number).invoice.status is Status.PAID
    assert remaining(till) == [Decimal("38.00"), Decimal("7.00")]


def test_a_grant_is_refused_with_every_fault(till: Till) -> None:
    with pytest.raises(Rejected) as refusal:
        till.credits.grant(
            till.ref,
            "carried_over",  # type: ignore[arg-type]
            Decimal("0.001"),
            description="\0",
            priority=10_000,
            who="admin",
        )
    fields = [fault.field for fault in refusal.value.faults]
    assert fields == ["amount", "description", "kind", "priority"]
    with pytest.raises(Rejected, match="expires_at: must be after now"):
        grant(till, "1.00", days=0)


def test_the_same_key_grants_once(till: Till) -> None:
    first = grant(till, "50.00", days=9, key="k")
    expires_at = first.grant.expires_at
    till.now += 10 * DAY
    again = till.credits.grant(
        till.ref,
        "prepaid",
        Decimal(50),
        description="Welcome",
        expires_at=expires_at,
        idempotency_key="k",
        who="admin",
    )
    assert again == first
    with pytest.raises(Conflict, match="'k' was used before"):
        grant(till, "51.00", key="k")
    with ThreadPoolExecutor(4) as pool:
        grants = list(pool.map(lambda _: grant(till, "5.00", key="other"), range(8)))
    assert grants == grants[:1] * 8
    assert sorted(remaining(till)) == [5, 50]


def test_what_remains_of_credit_is_paid_out_once(till: Till) -> None:
    credit = grant(till, "50.00")
    till.final("10.00")

    def refund(amount: str | None, reason: str = "Leaves") -> Decimal:
        wanted = None if amount is None else Decimal(amount)
        paid = till.credits.refund(
            till.ref, credit.grant.id, wanted, reason=reason, idempotency_key="k", who="admin"
        )
        return paid.credit.grant.remaining

    with pytest.raises(Rejected, match=r"more than the 38\.00 RUB that remain"):
        refund("39.00")
    assert refund("30.00") == Decimal("8.00")
    assert refund("30.00") == Decimal("8.00")
    with pytest.raises(Conflict, match="'k' was used before"):
        refund("30.00", "Stays")
    credit, bought = grant(till, "50.00"), credit
    with pytest.raises(Conflict, match="'k' was used before"):
        refund("30.00")
    credit = bought
    check_books(till)
    till.credits.refund(till.ref, credit.grant.id, reason="Leaves", who="admin")
    with pytest.raises(Conflict, match="nothing remains of the credit"):
        till.credits.refund(till.ref, credit.grant.id, reason="Leaves", who="admin")


def test_promotions_expired_credit_and_credit_of_others_are_not_paid_out(till: Till) -> None:
    given, short = grant(till, "5.00", "promotional"), grant(till, "5.00", days=1)
    till.now += DAY
    for credit, said in ((given, "never paid out"), (short, "the credit expired at")):
        with pytest.raises(Conflict, match=said):
            till.credits.refund(till.ref, credit.grant.id, reason="Leaves", who="admin")
    with pytest.raises(NotFound, match="no credit grant"):
        till.credits.refund(till.ref, UUID(int=1), reason="Leaves", who="admin")


def test_of_many_who_have_the_same_credit_paid_out_at_once_one_does(till: Till) -> None:
    credit = grant(till, "50.00")

    def try_to(_: int) -> bool:
        try:
            till.credits.refund(till.ref, credit.grant.id, Decimal("50.00"), reason="Leaves", who="admin")
        except Rejected:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_to, range(8))) == 1


def let_others_expire(till: Till) -> None:
    till.credits.expire(till.now + 99 * DAY)


def test_credit_that_expires_is_written_off_once_by_whom_it_was_paid(till: Till) -> None:
    let_others_expire(till)
    grant(till, "50.00", days=1)
    grant(till, "7.00", "promotional", days=1)
    kept = grant(till, "3.00", days=2)
    assert till.credits.expire(till.now + DAY / 2) == 0
    till.now += DAY
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda _: till.credits.expire(till.now), range(2))) == 2
    assert [amount for amount in remaining(till) if amount] == [kept.amount]
    assert balance(till, Account.REVENUE) == Decimal("-50.00")
    assert balance(till, Account.PROMOTIONS) == 0
    assert till.credits.expire(till.now) == 0
    assert PostgresMoney(till.database, new_id).lapsed(till.now) == []


def test_credit_that_returns_after_it_expired_is_written_off_then(till: Till) -> None:
    let_others_expire(till)
    grant(till, "50.00", days=1)
    number = till.final("100.00")
    till.now += 2 * DAY
    assert till.credits.expire(till.now) == 0
    till.payments.void(till.ref, number, "Wrong", who="admin")
    assert till.credits.expire(till.now) == 1
    assert remaining(till) == [0]
