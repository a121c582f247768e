from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.plan import PlanVersion, Subscription
from shared.domain.windows import GRID
from tests.shared.service.test_plans import BASIC, DECEMBER, NOVEMBER, OTHER, THIRD, Office


def test_a_plan_can_start_with_the_first_month_from_an_instant_on() -> None:
    office = Office()
    office.assign(BASIC)
    office.plans.assign("demo", "other", starts_at=datetime(2025, 11, 20, tzinfo=UTC))
    assert office.history() == [(None, "basic"), (DECEMBER, "other")]
    office.plans.assign("demo", "third", starts_at=NOVEMBER)
    assert office.history() == [(None, "basic"), (NOVEMBER, "third")]


def test_an_immediate_plan_starts_at_its_instant_or_at_the_next_of_the_grid() -> None:
    office = Office()
    office.assign(BASIC)
    later = datetime(2025, 11, 20, 12, 5, tzinfo=UTC)
    office.plans.assign("demo", "other", starts_at=later, immediately=True)
    assert office.history() == [(None, "basic"), (later, "other")]
    office.now = datetime(2025, 10, 20, 12, 1, tzinfo=UTC)
    office.plans.assign("demo", "third", immediately=True)
    assert office.history() == [(None, "basic"), (datetime(2025, 10, 20, 12, 5, tzinfo=UTC), "third")]


def test_a_first_plan_that_starts_at_an_instant_leaves_what_was_before_unrated() -> None:
    office = Office()
    september = datetime(2025, 9, 10, tzinfo=UTC)
    given = office.plans.assign("demo", "basic", starts_at=september, immediately=True)
    assert office.history() == [(september, "basic")]
    assert given.current is not None
    # The month of that instant, in Moscow, is accrued again.
    assert office.store.book.restated == [datetime(2025, 8, 31, 21, tzinfo=UTC)]


def test_what_a_plan_has_rated_is_not_rated_by_another() -> None:
    office = Office()
    office.assign(BASIC)
    with pytest.raises(Rejected, match="starts_at: must not change what is rated already") as refusal:
        office.plans.assign(
            "demo", "other", starts_at=datetime(2025, 10, 31, 20, 55, tzinfo=UTC), immediately=True
        )
    assert "the earliest is 2025-10-31T21:00:00Z" in str(refusal.value)
    assert office.history() == [(None, "basic")]


def test_time_without_a_plan_can_be_filled_afterwards_up_to_what_comes_next() -> None:
    office = Office()
    office.now = NOVEMBER - timedelta(days=20)
    office.assign(BASIC)
    ended, resumed = NOVEMBER - timedelta(days=15), NOVEMBER - timedelta(days=5)
    office.plans.end("demo", ends_at=ended)
    office.plans.assign("demo", "other", starts_at=resumed, immediately=True)
    office.now = NOVEMBER
    for at in (ended - GRID, resumed):
        with pytest.raises(Rejected, match="must not change what is rated"):
            office.plans.assign("demo", "third", starts_at=at, immediately=True)
    office.plans.assign("demo", "third", starts_at=ended, immediately=True)
    assert office.history() == [(None, "basic"), (ended, "third"), (resumed, "other")]
    assert [s.ends_at for s in office.store.book.history()] == [None, None, None]


@pytest.mark.parametrize("immediately", [True, False])
def test_a_start_off_the_grid_is_told_the_nearest(immediately: bool) -> None:
    office = Office()
    with pytest.raises(Rejected, match="the nearest is 2025-11-20T00:05:00Z"):
        office.plans.assign(
            "demo", "basic", starts_at=datetime(2025, 11, 20, 0, 4, tzinfo=UTC), immediately=immediately
        )


def test_a_subscription_ends_with_the_month_or_at_an_instant() -> None:
    office = Office()
    office.assign(BASIC)
    assert office.plans.end("demo").history == (Subscription(None, BASIC, NOVEMBER),)
    later = datetime(2025, 11, 20, tzinfo=UTC)
    office.plans.cancel("demo", NOVEMBER)
    ended = office.plans.end("demo", ends_at=later)
    assert ended.history == (Subscription(None, BASIC, later),)
    office.now = later
    now = office.plans.of_tenant("demo")
    assert (now.current, now.upcoming, now.version) == (None, None, None)


def test_a_plan_after_an_end_starts_with_the_next_month_again() -> None:
    office = Office()
    office.assign(BASIC)
    office.plans.end("demo", ends_at=NOVEMBER)
    office.now = NOVEMBER + timedelta(days=3)
    office.assign(OTHER)
    assert office.history() == [(None, "basic"), (DECEMBER, "other")]
    assert office.plans.of_tenant("demo").history[0].ends_at == NOVEMBER


def test_an_end_takes_the_place_of_what_was_scheduled_after_it() -> None:
    office = Office()
    office.assign(BASIC)
    office.plans.assign("demo", "other", starts_at=DECEMBER)
    office.plans.end("demo", ends_at=NOVEMBER)
    assert office.history() == [(None, "basic")]


def test_an_end_in_the_past_or_of_nothing_is_refused() -> None:
    office = Office()
    with pytest.raises(Rejected, match="ends_at: no plan is in force until then"):
        office.plans.end("demo")
    office.assign(BASIC)
    for at, message in (
        (NOVEMBER - timedelta(hours=1), "the earliest is 2025-10-31T21:00:00Z"),
        (NOVEMBER + timedelta(minutes=1), "the nearest is 2025-10-31T21:00:00Z"),
    ):
        with pytest.raises(Rejected, match=message):
            office.plans.end("demo", ends_at=at)
    assert office.plans.of_tenant("demo").history == (Subscription(None, BASIC),)


def test_what_is_to_come_can_be_cancelled_and_what_has_begun_cannot() -> None:
    office = Office()
    for plan in (BASIC, OTHER):
        office.assign(plan)
    with pytest.raises(NotFound, match="no subscription starts or ends then"):
        office.plans.cancel("demo", DECEMBER)
    office.plans.cancel("demo", NOVEMBER)
    assert office.history() == [(None, "basic")]
    office.assign(OTHER)
    office.now = NOVEMBER
    with pytest.raises(Conflict, match="has passed"):
        office.plans.cancel("demo", NOVEMBER)
    assert office.history() == [(None, "basic"), (NOVEMBER, "other")]


def test_a_plan_that_is_cancelled_takes_its_own_end_with_it() -> None:
    office = Office()
    office.plans.assign("demo", "basic", starts_at=NOVEMBER, immediately=True)
    office.plans.end("demo", ends_at=DECEMBER)
    office.plans.cancel("demo", NOVEMBER)
    given = office.plans.assign("demo", "other", starts_at=NOVEMBER - timedelta(days=30), immediately=True)
    assert [(s.plan, s.ends_at) for s in given.history] == [(OTHER, None)]


def test_every_change_is_noted_with_who_made_it_and_what_was_before() -> None:
    office = Office()
    office.assign(BASIC)
    office.plans.assign("demo", "other", who="ann")
    office.plans.assign("demo", "third", who="ben")
    office.plans.assign("demo", "third", who="ben")
    office.plans.end("demo", ends_at=NOVEMBER, who="eve")
    assert [(one.who, one.what, one.plan_id) for one in office.store.noted] == [
        ("system", "subscription.added", BASIC.id),
        ("ann", "subscription.added", OTHER.id),
        ("ben", "subscription.cancelled", OTHER.id),
        ("ben", "subscription.added", THIRD.id),
        ("eve", "subscription.ended", BASIC.id),
        ("eve", "subscription.cancelled", THIRD.id),
    ]
    ended = office.store.noted[4]
    assert (ended.at, ended.tenant_id) == (office.now, UUID(int=1))
    assert ended.before == {"plan": "basic", "starts_at": None, "ends_at": None}
    assert ended.after == {"plan": "basic", "starts_at": None, "ends_at": "2025-10-31T21:00:00Z"}


def test_the_version_of_a_tenant_is_that_of_its_month() -> None:
    office = Office()
    office.assign(BASIC)
    version = PlanVersion(2, OTHER.prices, office.now, NOVEMBER - timedelta(days=3))
    office.store.plans[BASIC.id] = BASIC.with_version(version)
    found = [office.plans.of_tenant("demo").version]
    office.now = NOVEMBER
    found.append(office.plans.of_tenant("demo").version)
    assert [version and version.number for version in found] == [1, 2]
