from decimal import Decimal

from shared.domain.rating.per_unit import PerUnit
from shared.service.catalogue import catalogue, install_catalogue
from tests.shared.service.rating_fakes import FakePlans


def test_the_catalogue_holds_the_published_price_lists() -> None:
    million = Decimal(1_000_000)
    plans = catalogue()
    assert {name: (plan.currency, plan.prices) for name, plan in plans.items()} == {
        "aws-lambda-x86-no-free-tier": (
            "USD",
            (
                PerUnit("invocations", Decimal("0.20"), million),
                PerUnit("gb_seconds_1ms", Decimal("0.0000166667")),
            ),
        ),
        "faas-billing-rub": (
            "RUB",
            (
                PerUnit("invocations", Decimal("17.28"), million, million),
                PerUnit("gb_hours", Decimal("5.9076"), included=Decimal(10)),
                PerUnit("egress_gib", Decimal("1.6524"), included=Decimal(100)),
            ),
        ),
    }
    assert all(plan.name == name and plan.tenant_id is None and plan.active for name, plan in plans.items())


def test_the_ids_of_the_catalogue_never_change() -> None:
    assert {name: str(plan.id) for name, plan in catalogue().items()} == {
        "aws-lambda-x86-no-free-tier": "1d4220ae-e4d8-5174-bf78-413d20c83aca",
        "faas-billing-rub": "07d70aa2-001b-5a9b-9678-d6c7949ceee2",
    }


def test_installing_the_catalogue_twice_is_installing_it_once() -> None:
    store = FakePlans()
    assert install_catalogue(store) == install_catalogue(store) == catalogue()
    assert list(store.plans.values()) == list(catalogue().values())
