"""Whatever the order of usage, voids, redeliveries, folds and rebuilds: windows hold what is not void."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from shared.domain.tenant import Tenant
from tests.shared.service.pipeline import DAY, NOON
from tests.shared.service.voiding import Voiding

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LENGTHS = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
Record = tuple[str, int, int]
"""Service, seconds after noon, duration in ns."""
Step = tuple[str, int]
"""What happens, and to which of the parts."""

NEAR_NOON, ANY_DAY = st.integers(-600, 600), st.integers(-2 * 86_400, 6 * 3_600)
records = st.tuples(
    st.sampled_from(["waiter", "hello"]), NEAR_NOON | NEAR_NOON | ANY_DAY, st.integers(0, 10**12)
)
parts = st.lists(st.lists(records, min_size=1, max_size=3), min_size=2, max_size=4)


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[list[Record]], list[Step]]:
    """Parts, each sent and voided up to twice, and folds and rebuilds, in any order."""
    sent = draw(parts)
    steps = [("fold", 0)] * draw(st.integers(1, 4)) + [("rebuild", 0)] * draw(st.integers(0, 2))
    for n in range(len(sent)):
        steps += [("send", n)] * draw(st.sampled_from([1, 1, 2, 0]))
        steps += [("void", n)] * draw(st.sampled_from([0, 0, 1, 2]))
    return sent, draw(st.permutations(steps))


@pytest.fixture(scope="module")
def product(module_database_url: str) -> Iterator[Voiding]:
    database = Database(module_database_url, pool_size_max=8)
    yield Voiding(database)
    database.close()


numbers = count()


def do(product: Voiding, tenant: Tenant, step: Step, sent: list[list[Record]]) -> None:
    what, which = step
    if what == "send":
        lines = "\n".join(f"{name} {at} {duration}" for name, at, duration in sent[which])
        product.send(f"{which}", lines, tenant=tenant.slug)
    elif what == "void":
        product.void(f"{which}", tenant=tenant.slug)
    elif what == "fold":
        product.fold.run()
    else:
        product.rebuild.run(tenant.id, DAY - timedelta(days=9), DAY + timedelta(days=9))


def held(product: Voiding, tenant: Tenant) -> Counter[tuple[str, datetime, str, str]]:
    product.fold.run_for(tenant.id)
    with product.database.statement() as connection:
        rows = connection.execute(
            "SELECT window_size, window_start, name, invocations, duration_ns FROM usage_aggregate a"
            " JOIN service s ON (s.tenant_id, s.id) = (a.tenant_id, service_id) WHERE a.tenant_id = %s",
            (tenant.id,),
        ).fetchall()
    return Counter(
        {
            (size, start, name, fact): int(number)
            for size, start, name, *facts in rows
            for fact, number in zip(("invocations", "duration_ns"), facts, strict=True)
        }
    )


def recomputed(counted: list[list[Record]]) -> Counter[tuple[str, datetime, str, str]]:
    sums: Counter[tuple[str, datetime, str, str]] = Counter()
    for part in counted:
        for name, at, duration in part:
            for size, length in LENGTHS.items():
                instant = NOON + timedelta(seconds=at)
                start = EPOCH + (instant - EPOCH) // length * length
                sums[size, start, name, "invocations"] += 1
                sums[size, start, name, "duration_ns"] += duration
    return sums


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(order=orders())
def test_windows_hold_what_was_sent_and_is_not_void(
    product: Voiding, order: tuple[list[list[Record]], list[Step]]
) -> None:
    sent, steps = order
    tenant = product.tenant(f"t{next(numbers)}")
    for step in steps:
        do(product, tenant, step, sent)
    came = {which for what, which in steps if what == "send"}
    void = {which for what, which in steps if what == "void"}

    found = held(product, tenant)

    assert found == recomputed([sent[n] for n in sorted(came - void)])
    assert all(found[key] for key in found if key[3] == "invocations"), "no window without usage"
    assert not product.changed_by_rebuild(tenant)
    voids = product.listed(tenant)
    assert {int(one.event_id) for one in voids} == void
    assert {int(one.event_id) for one in voids if one.received_at is not None} == void & came
