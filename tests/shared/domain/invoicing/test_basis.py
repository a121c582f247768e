import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from shared.domain.invoicing.basis import Basis, UsageBasis, filled, in_period
from shared.domain.invoicing.taxes import Rate
from shared.domain.period import Period
from shared.domain.plan import Plan, PlanVersion, Subscription
from shared.domain.rating.flat import Flat
from shared.domain.rating.per_unit import PerUnit

AT = datetime(2025, 1, 1, tzinfo=UTC)
OCTOBER = Period(datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC))
CALLS, FEE = PerUnit("invocations", Decimal("17.28"), per=Decimal(1_000_000)), Flat(Decimal(10))


def plan(number: int, *prices: PerUnit | Flat) -> Plan:
    return Plan(UUID(int=number), f"plan {number}", "RUB", prices or (CALLS,), AT)


def day(number: int) -> datetime:
    return OCTOBER.start + timedelta(days=number - 1)


def test_a_basis_is_read_as_it_was_written() -> None:
    changed = plan(1, CALLS, FEE).with_version(PlanVersion(2, (FEE,), AT, day(20), immediate=True))
    part = UsageBasis(
        UUID(int=7),
        "child",
        "Europe/Moscow",
        OCTOBER,
        (Subscription(None, changed, day(9)), Subscription(day(11), plan(2))),
        42,
        (Period(day(9), day(11)),),
        AT,
    )
    basis = Basis(
        (Rate("VAT", Decimal("20.0")), Rate("city", Decimal("0.5"), True)), (part, part), "a reason"
    )
    assert Basis.from_dict(json.loads(json.dumps(basis.to_dict()))) == basis


def test_only_what_says_something_about_the_time_is_kept_of_a_history() -> None:
    before = Subscription(None, plan(1))
    first, second = Subscription(day(1), plan(2)), Subscription(day(20), plan(3))
    after = Subscription(OCTOBER.end, plan(4))
    assert in_period((before, first, second, after), OCTOBER) == (first, second)
    assert in_period((Subscription(None, plan(1), day(1)),), OCTOBER) == ()


def test_where_there_was_no_plan_there_is_what_there_is_now() -> None:
    frozen = (Subscription(day(5), plan(1), day(9)), Subscription(day(20), plan(1)))
    now = (Subscription(None, plan(3)), Subscription(day(7), plan(4)), Subscription(day(25), plan(5)))
    assert filled(frozen, now, OCTOBER) == (
        Subscription(day(1), plan(3), day(5)),
        Subscription(day(5), plan(1), day(9)),
        Subscription(day(9), plan(4), day(20)),
        Subscription(day(20), plan(1)),
    )


def test_what_has_a_plan_throughout_stays_as_it_was_rated() -> None:
    frozen = (Subscription(None, plan(1)),)
    assert filled(frozen, (Subscription(None, plan(2)),), OCTOBER) == frozen
