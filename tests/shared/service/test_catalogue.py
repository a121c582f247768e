import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from shared.domain.rating.per_unit import PerUnit
from shared.service.catalogue import catalogue, install_catalogue
from tests.shared.service.rating_fakes import FakePlans

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "shared" / "catalogue").iterdir(), key=lambda file: file.stem)
PAGE = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
CASES = ROOT / "tests" / "functions" / "billing_api"


def test_the_catalogue_holds_published_price_lists() -> None:
    million = Decimal(1_000_000)
    plans = catalogue()
    assert plans["aws-lambda-x86-no-free-tier"].prices == (
        PerUnit("invocations", Decimal("0.20"), million),
        PerUnit("gb_seconds_1ms", Decimal("0.0000166667")),
    )
    assert plans["faas-billing-rub"].prices == (
        PerUnit("invocations", Decimal("17.28"), million, million),
        PerUnit("gb_hours", Decimal("5.9076"), included=Decimal(10)),
        PerUnit("egress_gib", Decimal("1.6524"), included=Decimal(100)),
    )
    assert all(plan.name == name and plan.tenant_id is None and plan.active for name, plan in plans.items())


def test_every_file_of_the_catalogue_is_a_plan_of_its_name() -> None:
    assert [file.stem for file in FILES] == list(catalogue())
    assert all(re.fullmatch(r"[a-z0-9-]+\.json", file.name) for file in FILES)


def test_the_page_lists_every_plan_with_its_source_and_date_and_the_test_that_holds_it() -> None:
    row = re.compile(
        r"^\| `([a-z0-9-]+)` \| ([A-Z]{3}) \| \[[^]]+\]\(([^)]+)\) \| ([0-9-]+) \| `(\w+)` \|$", re.M
    )
    listed = row.findall(PAGE)
    read = [(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in FILES]
    assert [line[:4] for line in listed] == [
        (name, plan["currency"], plan["source"], plan["date"]) for name, plan in read
    ]
    cases = "".join(file.read_text(encoding="utf-8") for file in CASES.glob("test_*_cases_on_postgres.py"))
    assert [test for *_, test in listed if f"def {test}(" not in cases] == []


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_plan_was_read_when_its_file_says(name: str) -> None:
    (file,) = (file for file in FILES if file.stem == name)
    published = json.loads(file.read_text(encoding="utf-8"))
    assert catalogue()[name].created_at.date() == date.fromisoformat(published["date"])
    assert published["source"].startswith("https://")


def test_the_ids_of_the_catalogue_never_change() -> None:
    assert {name: str(plan.id) for name, plan in catalogue().items()} == {
        "aws-lambda-arm": "6b9d9d00-8bc3-54ef-8175-046f04aa184a",
        "aws-lambda-x86": "a606843f-6e89-556f-a6b1-6bf29b1c330e",
        "aws-lambda-x86-no-free-tier": "1d4220ae-e4d8-5174-bf78-413d20c83aca",
        "azure-functions-consumption": "d6613e3b-7413-563f-8ee4-416dd7ad9d81",
        "faas-billing-rub": "07d70aa2-001b-5a9b-9678-d6c7949ceee2",
        "google-cloud-functions-gen1-up-to-512-mb": "b9c28ffa-5450-5539-a108-85380338d5b1",
        "scaleway-functions": "ea132c27-4f91-5488-8b13-b7a57140d4c6",
        "scaleway-functions-warm-128-mb": "b94b9e19-68c6-53fd-b527-7af646c02816",
        "storacha-egress-business": "fe2dfb26-95f4-563b-b2da-3bb022227494",
        "storacha-egress-lite": "15a97772-72bb-5e79-ad87-dd07559b2e72",
        "storacha-egress-starter": "4ea6f147-d51b-5224-9059-1f431c094d21",
        "yandex-cloud-functions-kzt": "eb9f087e-4899-5908-82d8-4122c83d3a62",
        "yandex-cloud-functions-rub": "95c75321-5819-5546-b714-45baed4cf3b8",
        "yandex-cloud-functions-usd": "eba037f1-b773-5eb2-9e8a-8d8be531d1f8",
    }


def test_installing_the_catalogue_twice_is_installing_it_once() -> None:
    store = FakePlans()
    assert install_catalogue(store) == install_catalogue(store) == catalogue()
    assert list(store.plans.values()) == list(catalogue().values())
