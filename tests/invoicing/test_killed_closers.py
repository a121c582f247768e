"""A closer that is killed before any of its statements leaves all of an invoice or nothing of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL

import pytest

from shared.adapters.postgres.pool import Database
from shared.domain.invoicing.document import InvoiceDocument
from tests.invoicing import closer
from tests.invoicing.audit import faults
from tests.invoicing.house import OCTOBER, House
from tests.shared.service.pipeline import NOON

NOVEMBER_1 = OCTOBER + timedelta(days=31, hours=2)
DECEMBER_1 = NOVEMBER_1 + timedelta(days=30)
NOVEMBER = NOON + timedelta(days=31)
PRICES = [
    {"kind": "per_unit", "meter": "invocations", "amount": "1.01"},
    {"kind": "flat", "amount": "10"},
]


@pytest.fixture(scope="module")
def house(module_database_url: str) -> Iterator[House]:
    database = Database(module_database_url, pool_size_max=4)
    house = House(database).opened()
    house.plan("basic", PRICES)
    yield house
    database.close()


def ready(house: House, slug: str) -> None:
    """A tenant whose October is closed, with usage of it that came late, and November to be closed at
    DECEMBER_1, with credit for a part of it."""
    house.now = OCTOBER
    house.customer(slug, "basic")
    house.use(slug, "in time", NOON, calls=3)
    house.close(NOVEMBER_1)
    house.use(slug, "late", NOON, calls=2)
    house.use(slug, "new", NOVEMBER, calls=5)
    house.grant(slug, "9.99")


def settled(document: InvoiceDocument) -> tuple[object, ...]:
    """What of it is the same for every tenant."""
    lines = [(line.kind, line.period, line.quantity, line.amount) for line in document.lines]
    taxes = [(tax.base, tax.amount) for tax in document.taxes]
    return lines, taxes, document.total, document.credit_total, document.amount_due


def november(house: House, slug: str) -> list[InvoiceDocument]:
    return [one.document for one in house.finals(slug) if one.invoice.period.start > OCTOBER]


def test_whatever_statement_a_closer_dies_before_there_is_one_invoice_and_one_number(
    house: House, module_database_url: str, tmp_path: Path
) -> None:
    ready(house, "whole")
    told = tmp_path / "statements"
    assert closer.start(module_database_url, DECEMBER_1, told=told).wait() == 0
    (whole,) = november(house, "whole")
    assert {line.kind for line in whole.lines} == {"usage", "adjustment"}
    assert 0 < whole.amount_due < whole.total
    names = closer.statements(told)
    assert {name.split()[0] for name in names} >= {"BEGIN", "COMMIT", "SELECT", "INSERT", "UPDATE"}
    left = []
    for number, name in enumerate(names, start=1):
        slug = f"killed-{number}"
        ready(house, slug)
        assert closer.start(module_database_url, DECEMBER_1, kill_before=number).wait() == -SIGKILL
        assert faults(house.database) == [], name
        left.append(len(november(house, slug)))
        house.close(DECEMBER_1)
        (document,) = november(house, slug)
        assert settled(document) == settled(whole), name
        assert faults(house.database) == [], name
    assert left == sorted(left), "once it is there it stays"
    assert left[0] == 0
    ((numbers, tenants),) = house.rows("SELECT count(*), count(DISTINCT tenant_id) FROM issued_number")
    assert numbers == 2 * (len(names) + 1) == 2 * tenants  # type: ignore[operator]


def test_two_closers_at_once_and_one_of_them_killed_make_one_invoice_each(
    house: House, module_database_url: str
) -> None:
    slugs = [f"both-{number}" for number in range(6)]
    for slug in slugs:
        ready(house, slug)
    for kill_before in (150, 0):
        pair = [
            closer.start(module_database_url, DECEMBER_1, kill_before=kill_before),
            closer.start(module_database_url, DECEMBER_1),
        ]
        codes = [one.wait() for one in pair]
        assert codes[1] == 0
        assert faults(house.database) == []
    assert [len(november(house, slug)) for slug in slugs] == [1] * len(slugs)
