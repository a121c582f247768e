"""Declared dimensions where it is hard: caches that are old, too many values, races, gaps."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.adapters.postgres.dimensions import require_declared
from shared.adapters.postgres.pool import Database
from shared.domain.dimensions import KNOWN_FOR_S, earliest
from shared.domain.errors import Unavailable
from shared.domain.metering.quantity import Uncomputed
from shared.domain.usage import AHEAD_S_MAX
from tests.shared.service.labelled import DAY, NOON, LabelledProduct, record

EU, US, OTHERS = (("region", "eu"),), (("region", "us"),), (("region", "__other__"),)


@pytest.fixture
def product(database_url: str) -> Iterator[LabelledProduct]:
    database = Database(database_url, pool_size_max=8)
    yield LabelledProduct(database)
    database.close()


def test_a_process_that_knows_an_old_declaration_counts_all_that_it_may_still_accept_as_the_others_do(
    product: LabelledProduct,
) -> None:
    acme = product.tenant()
    stale = LabelledProduct(product.database, refresh_s=KNOWN_FOR_S)
    declared_at = NOON - timedelta(minutes=30)
    stale.now = product.now = declared_at
    stale.send("0", record(declared_at, region="eu"))
    product.declare(acme.id, "region", at=declared_at)
    # The last it can do by what it knows: a record as far ahead as may be, at the end of its time.
    stale.now = product.now = declared_at + timedelta(seconds=KNOWN_FOR_S)
    last = stale.now + timedelta(seconds=AHEAD_S_MAX)
    stale.send("1", record(last, region="eu"))
    product.send("2", record(last, region="us"))
    product.fold_all()
    assert product.invocations(acme.id) == {(): 3}
    folded = product.stored(acme.id)
    product.rebuild.run(acme.id, DAY, DAY + timedelta(days=1))
    assert product.stored(acme.id) == folded


def test_clocks_may_lie_a_minute_apart() -> None:
    declared_at = NOON
    last = declared_at + timedelta(seconds=KNOWN_FOR_S + AHEAD_S_MAX + 60)
    assert last <= earliest(declared_at) < last + timedelta(minutes=5)
    assert earliest(earliest(NOON) - (last - NOON)) == earliest(NOON)


def test_a_process_that_cannot_ask_what_is_declared_accepts_nothing(product: LabelledProduct) -> None:
    product.tenant()
    nowhere = Database("postgresql:///?host=/nowhere&connect_timeout=1")
    cut_off = LabelledProduct(product.database, asked=nowhere)
    with pytest.raises(Unavailable):
        cut_off.send("1", record(region="eu"))
    with product.database.statement() as connection:
        assert connection.execute("SELECT count(*) FROM usage_inbox").fetchall() == [(0,)]
    nowhere.close()
    product.send("1", record(region="eu"))


def test_what_is_declared_is_known_to_who_has_asked_before(product: LabelledProduct) -> None:
    acme, other = product.tenant(), product.tenant("other")
    product.send("0", record(region="eu"))
    product.declare(acme.id, "region")
    product.send("1", record(region="eu"))
    product.send("1", record(region="eu"), tenant="other")
    product.fold_all()
    assert product.invocations(acme.id) == {(): 1, EU: 1}
    assert product.invocations(other.id) == {(): 1}


def test_values_beyond_the_most_there_can_be_are_counted_together_and_it_shows(
    product: LabelledProduct,
) -> None:
    acme = product.tenant()
    product.declare(acme.id, "region")
    few = LabelledProduct(product.database, values_max=3)
    few.send("1", *(record(region=f"r{n}") for n in range(3)))
    assert [(size, at) for _, size, at in few.store.values(acme.id)] == [(3, None)]
    few.send("2", *(record(region=f"r{n}", calls=10) for n in range(2, 6)))
    few.send("3", record(region="__other__", calls=100), record(region="r9", calls=1_000))
    few.fold_all()
    counted = {(("region", f"r{n}"),): 1 for n in range(2)} | {(("region", "r2"),): 11, OTHERS: 1_130}
    assert few.invocations(acme.id) == counted
    [(label, size, overflowed_at)] = few.store.values(acme.id)
    assert (label, size) == ("region", 3)
    assert overflowed_at is not None
    # Another process, which has seen none of it, keeps the same apart.
    folded = few.stored(acme.id)
    again = LabelledProduct(product.database, values_max=3)
    again.rebuild.run(acme.id, DAY, DAY + timedelta(days=1))
    assert again.stored(acme.id) == folded


def test_a_thousand_values_are_told_apart(product: LabelledProduct) -> None:
    acme = product.tenant()
    product.declare(acme.id, "region")
    product.send("1", *(record(region=f"r{n}") for n in range(1_000)))
    product.send("2", *(record(region=f"s{n}") for n in range(5)))
    product.fold_all()
    counted = product.invocations(acme.id)
    assert (len(counted), counted[OTHERS]) == (1_001, 5)


def test_processes_that_meet_new_values_at_once_keep_the_same_ones(product: LabelledProduct) -> None:
    acme = product.tenant()
    product.declare(acme.id, "region")
    processes = [LabelledProduct(product.database, values_max=5) for _ in range(4)]

    def send(number: int) -> None:
        processes[number].send(f"{number}", *(record(region=f"r{number}-{n}") for n in range(4)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    product.fold_all()
    counted = product.invocations(acme.id)
    assert (len(counted), counted[OTHERS], counted.total()) == (6, 11, 16)


def test_a_repeated_request_counts_once_with_its_labels(product: LabelledProduct) -> None:
    acme = product.tenant()
    product.declare(acme.id, "region")
    twice = record(region="eu") | {"request_id": "q"}
    product.send("1", record(region="us"), twice, twice, record(region="us", calls=5))
    product.fold_all()
    assert product.invocations(acme.id) == {EU: 1, US: 6}


def test_the_longest_labels_and_values_are_kept(product: LabelledProduct) -> None:
    acme = product.tenant()
    labels = {chr(0x10400 + n) * 256: chr(0x10500 + n) * 256 for n in range(8)}
    product.declare(acme.id, *labels)
    product.send("1", record(NOON, calls=1, **labels))
    product.fold_all()
    assert product.invocations(acme.id) == {tuple(sorted(labels.items())): 1}


def test_usage_of_before_a_label_was_declared_cannot_be_told_apart(product: LabelledProduct) -> None:
    acme = product.tenant()
    start, end = DAY - timedelta(days=2), DAY + timedelta(days=2)

    def required(*labels: str) -> str:
        with product.database.statement() as connection:
            try:
                require_declared(connection, acme.id, labels, start, end)
            except Uncomputed as refusal:
                return str(refusal)
        return "declared"

    product.declare(acme.id, "region")
    product.declare(acme.id, "region", "team", at=NOON - timedelta(minutes=10))
    assert required("region", "team", "size") == "declared", "nothing was used"
    product.send("1", record(NOON - timedelta(minutes=5), region="eu"))
    product.fold_all()
    assert required("region") == "declared"
    assert "2025-10-15T12:00:00Z on" in required("region", "team")
    assert "not told apart by 'size'" in required("region", "size")
    product.send("2", record(DAY - timedelta(minutes=5), region="eu"))
    product.fold_all()
    assert "2025-10-15T00:00:00Z on" in required("region")
    start = DAY
    assert required("region") == "declared"
    product.declare(acme.id, at=NOON + timedelta(hours=1))
    assert required("region") == "declared", "nothing was used since"
    product.send("3", record(NOON + timedelta(hours=2), region="eu"))
    product.fold_all()
    assert "not told apart by 'region'" in required("region")
