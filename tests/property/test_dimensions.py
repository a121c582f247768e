"""Declared dimensions tell usage apart and change nothing else, whatever comes in which order."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.usage_report import PostgresUsageReport
from shared.domain.aggregate import Dimensions
from shared.domain.facts import WindowFacts
from shared.domain.windows import WindowSize
from shared.service.usage_report import UsageWindow, WindowFilter
from tests.shared.service.labelled import DAY, NOON, LabelledProduct, record

DECLARED: list[tuple[datetime, tuple[str, ...]]] = [
    (NOON, ("region", "team")),
    (NOON + timedelta(hours=6), ("team",)),
    (NOON + timedelta(hours=9), ()),
]
VALUES_MAX = 2
Merged = dict[tuple[WindowSize, datetime, str], WindowFacts]


@st.composite
def a_record(draw: st.DrawFn) -> dict[str, Any]:
    at = DAY + timedelta(minutes=draw(st.integers(11 * 60, 22 * 60)), microseconds=draw(st.integers(0, 1)))
    labels = draw(
        st.fixed_dictionaries(
            {}, optional={"region": st.sampled_from(["", "eu", "us"]), "team": st.sampled_from("abcd")}
        )
    )
    capacity = {"started_at": at.isoformat(), "provisioned_seconds": draw(st.integers(0, 7_200))}
    usage = {"revision": draw(st.sampled_from(["r1", "r2"])), "duration_ns": draw(st.integers(0, 10**10))}
    return record(at, calls=draw(st.integers(1, 9)), **labels) | usage | draw(st.sampled_from([{}, capacity]))


events = st.lists(st.lists(a_record(), min_size=1, max_size=5), min_size=1, max_size=5)
numbers = count()


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    database = Database(module_database_url)
    yield database
    database.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(sent=events, seed=st.integers(0, 2**32))
def test_they_change_no_total_and_are_rebuilt_as_they_were_folded(
    database: Database, sent: list[list[dict[str, Any]]], seed: int
) -> None:
    product, random = LabelledProduct(database, values_max=VALUES_MAX), Random(seed)
    plain, apart = (product.tenant(f"t{next(numbers)}") for _ in range(2))
    for since, labels in DECLARED:
        product.declare(apart.id, *labels, at=since - timedelta(minutes=10))
    for number, event in enumerate(sent):
        product.send(f"{number}", *event, tenant=plain.slug)
        product.send(f"{number}", *event, tenant=apart.slug)
        if random.random() < 0.5:
            product.fold_all()
    product.fold_all()

    assert _merged(product, apart.id) == _merged(product, plain.id)
    assert product.invocations(apart.id) == _counted(sent)
    folded = product.stored(apart.id)
    LabelledProduct(database, values_max=VALUES_MAX).rebuild.run(apart.id, DAY, DAY + timedelta(days=1))
    assert product.stored(apart.id) == folded
    reports = [_reported(database, tenant) for tenant in (plain.id, apart.id)]
    assert reports[0] == reports[1]


def _counted(sent: list[list[dict[str, Any]]]) -> Counter[Dimensions]:
    """Invocations by dimensions, counted without the product; the first values to come are kept apart."""
    kept: dict[str, list[str]] = {"region": [], "team": []}
    counted: Counter[Dimensions] = Counter()
    for event in sent:
        for label, values in kept.items():
            labelled = [one["labels"].get(label) for one in event if label in _declared(one)]
            new = sorted({value for value in labelled if value} - set(values))
            values.extend(new[: VALUES_MAX - len(values)])
        for one in event:
            given = {label: one["labels"].get(label) for label in sorted(_declared(one))}
            dimensions = tuple(
                (label, value if value in kept[label] else "__other__")
                for label, value in given.items()
                if value
            )
            counted[dimensions] += one["invocations"]
    return counted


def _declared(one: dict[str, Any]) -> tuple[str, ...]:
    at = datetime.fromisoformat(one["timestamp"]).astimezone(UTC)
    return next((labels for since, labels in reversed(DECLARED) if since <= at), ())


def _merged(product: LabelledProduct, tenant_id: UUID) -> Merged:
    """The windows of each revision as one."""
    with product.database.statement() as connection:
        rows = connection.execute("SELECT id, name FROM revision WHERE tenant_id = %s", (tenant_id,))
        names = dict(rows.fetchall())
    merged: Merged = {}
    for key, facts in product.stored(tenant_id).items():
        of = key.size, key.start, names[key.series.revision_id]
        if of in merged:
            merged[of].add(facts)
        else:
            merged[of] = facts.copy()
    return merged


def _reported(database: Database, tenant_id: UUID) -> list[dict[str, object]]:
    """What the report shows of windows, whoever they are of."""
    page = PostgresUsageReport(database).windows(WindowFilter(tenant_id=tenant_id), limit=10_000)
    return sorted(map(_shown, page.windows), key=str)


def _shown(window: UsageWindow) -> dict[str, object]:
    of_somebody = ("id", "tenant_id", "tenant", "service_id", "revision_id")
    return {name: getattr(window, name) for name in UsageWindow.__slots__ if name not in of_somebody}
