"""Custom meters as a function puts them together."""

from collections.abc import Iterator

import pytest

from functions.metering import MeterServices
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.system import new_id
from tests.e2e.product import until
from tests.shared.service.metered import MeteredProduct, tokens

TOKENS = {"name": "tokens", "unit": "token", "aggregation": "sum", "value": "quantities.tokens"}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def services(database: Database) -> Iterator[tuple[MeteredProduct, MeterServices, list[None]]]:
    product, changes = MeteredProduct(database), list[None]()
    series = PostgresSeries(database, new_id)
    services = MeterServices(database, product.windows, series, changed=lambda: changes.append(None))
    yield product, services, changes
    services.computing.stop()


def test_a_meter_that_is_defined_is_computed_in_the_background(
    services: tuple[MeteredProduct, MeterServices, list[None]],
) -> None:
    product, metering, changes = services
    acme = product.tenant()
    product.send("1", tokens(5))
    product.fold_all()
    meter = metering.meters.create(TOKENS)
    until(lambda: all(version.done for version in metering.meters.progress(meter)), limit_s=20)
    assert product.quantity(acme.id) == 5
    assert changes


def test_who_folds_wakes_the_background_only_where_there_are_meters(
    services: tuple[MeteredProduct, MeterServices, list[None]],
) -> None:
    product, metering, _ = services
    acme = product.tenant()
    product.use_meters(metering.known)
    product.send("1", tokens(5))
    product.meter()
    product.fold_all()
    metering.folded()
    assert not metering.known.are_any, "it knows what it knew when usage came"
    metering.freshen(acme.id)
    metering.catch_up()
    assert product.quantity(acme.id) == 5
