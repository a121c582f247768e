from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest

from shared.adapters.postgres.invoicing.money import PostgresMoney
from shared.adapters.system import new_id
from shared.domain.errors import Conflict
from shared.domain.invoicing import postings
from shared.domain.invoicing.credits import CreditUse
from shared.domain.invoicing.invoice import Status
from tests.e2e.product import until
from tests.shared.adapters.postgres.rating_rows import add_tenant
from tests.shared.service.invoicing.till import DAY, START, Till

_WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'credit_grant'
"""


def void(till: Till, number: str) -> None:
    till.payments.void(till.ref, number, "Wrong prices", who="admin")


def closed_until(till: Till, tenant_id: UUID | None = None) -> datetime:
    query = "SELECT closed_until FROM closing WHERE tenant_id = %s"
    ((instant,),) = till.run(query, tenant_id or till.tenant.id)
    assert isinstance(instant, datetime)
    return instant


def test_a_void_invoice_owes_nothing_and_its_period_may_be_invoiced_again(till: Till) -> None:
    number = till.final("100.00")
    assert closed_until(till) == START + 30 * DAY
    stored = till.payments.void(till.ref, number, "Wrong prices", who="admin")
    assert stored == till.stored(number)
    assert (stored.invoice.status, stored.invoice.due) == (Status.VOID, Decimal(0))
    assert stored.void_reason == "Wrong prices"
    assert closed_until(till) == START
    assert [one.amount for one in till.payments.statement(till.ref, limit=9).balances] == [0, 0, 0]
    again = till.final("80.00", at=0)
    assert again != number
    assert closed_until(till) == START + 30 * DAY
    assert till.run(
        "SELECT what, who, before ->> 'status', after ->> 'reason' FROM party_change WHERE about = %s",
        till.tenant.id,
    ) == [("invoice.voided", "admin", "final", "Wrong prices")]


def test_credit_that_it_used_returns_to_its_grants(till: Till) -> None:
    for amount in ("20.00", "30.00"):
        till.credits.grant(till.ref, "prepaid", Decimal(amount), who="admin")
    void(till, till.final("100.00"))
    assert [one.grant.remaining for one in till.credits.list(till.ref, limit=9)] == [20, 30]


def test_an_invoice_that_credit_paid_whole_can_be_voided(till: Till) -> None:
    till.credits.grant(till.ref, "prepaid", Decimal("200.00"), who="admin")
    void(till, till.final("100.00"))
    (credit,) = till.credits.list(till.ref, limit=9)
    assert credit.grant.remaining == Decimal("200.00")


def test_credit_that_it_carried_over_is_withdrawn_where_nobody_used_it(till: Till) -> None:
    number = till.final("-100.00")
    (credit,) = till.credits.list(till.ref, limit=9)
    assert (credit.grant.kind, credit.grant.remaining) == ("carried_over", Decimal("120.00"))
    void(till, number)
    (credit,) = till.credits.list(till.ref, limit=9)
    assert credit.grant.remaining == 0


def test_an_invoice_whose_carried_over_credit_was_used_is_not_voided(till: Till) -> None:
    number = till.final("-100.00")
    (credit,) = till.credits.list(till.ref, limit=9)
    till.credits.refund(till.ref, credit.grant.id, Decimal("20.00"), reason="Wishes", who="admin")
    before = till.payments.statement(till.ref, limit=9)
    with pytest.raises(Conflict, match=r"carried over credit, of which 20\.00 RUB are used"):
        void(till, number)
    assert till.payments.statement(till.ref, limit=9) == before
    assert till.stored(number).invoice.status is Status.PAID


def test_credit_that_is_being_used_is_waited_for(till: Till) -> None:
    number = till.final("-100.00")
    (credit,) = till.credits.list(till.ref, limit=9)
    used = replace(credit.grant, remaining=Decimal("20.00"))
    with ThreadPoolExecutor(1) as pool:
        with PostgresMoney(till.database, new_id).crediting(till.tenant.id) as book:
            uses = book.use([CreditUse(used, used.remaining)], "expired", till.now)
            book.post(postings.expired(used.kind, used.remaining, used.currency), uses[0], till.now)
            voiding = pool.submit(void, till, number)
            until(lambda: till.run(_WAITING) != [], limit_s=2)
        with pytest.raises(Conflict, match=r"of which 20\.00 RUB are used"):
            voiding.result()


def test_only_the_last_invoice_without_payments_and_notes_can_be_voided(till: Till) -> None:
    first, paid, credited = till.final("100.00"), till.final("100.00"), till.final("100.00")
    with pytest.raises(Conflict, match=f"invoice {first} is followed by {paid}: void that first"):
        void(till, first)
    till.payments.pay(till.ref, paid, Decimal("1.00"), method="bank", who="admin")
    till.notes.issue(till.ref, credited, None, reason="Goodwill", who="admin")
    with pytest.raises(Conflict, match="has payments or credit notes"):
        void(till, paid)
    with pytest.raises(Conflict, match="is paid: correct it by a credit note"):
        void(till, credited)


def test_one_after_the_other_all_can_be_voided(till: Till) -> None:
    numbers = [till.final("100.00") for _ in range(3)]
    for number in reversed(numbers):
        void(till, number)
    assert closed_until(till) == START
    with pytest.raises(Conflict, match="is void: its period may be invoiced again"):
        void(till, numbers[0])


def test_usage_of_all_tenants_that_it_was_about_may_be_invoiced_again(till: Till) -> None:
    child = add_tenant(till.database, slug=f"child-{till.ref}")
    number = till.final("100.00", of=[child])
    assert closed_until(till, child.id) == START + 30 * DAY
    void(till, number)
    assert closed_until(till, child.id) == START
