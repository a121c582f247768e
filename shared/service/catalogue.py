"""Ready plans as data: one JSON file each in `shared/catalogue`, with the source and date of its prices."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib.resources import files
from uuid import UUID, uuid5

from shared.domain.plan import Plan
from shared.domain.plan_document import plan_from_dict
from shared.service.ports import PlanStore

_PLANS = UUID("0b8a1c5e-6f0d-5c57-9d0e-2f7d3a4b6c18")
"""Namespace of the plans' ids, which are the same in every installation."""


def catalogue() -> Mapping[str, Plan]:
    """Every plan of the catalogue by name, which is its file's."""
    plans: dict[str, Plan] = {}
    for file in files("shared").joinpath("catalogue").iterdir():
        if file.name.endswith(".json"):
            plan = _read(file.name.removesuffix(".json"), file.read_text(encoding="utf-8"))
            plans[plan.name] = plan
    return dict(sorted(plans.items()))


def install_catalogue(plans: PlanStore) -> Mapping[str, Plan]:
    """Add every plan of the catalogue that is not there yet; all of them by name."""
    ready = catalogue()
    for plan in ready.values():
        plans.add(plan)
    return ready


def _read(name: str, text: str) -> Plan:
    document = json.loads(text)
    assert document.pop("source").startswith("https://"), name
    published = date.fromisoformat(document.pop("date"))
    return plan_from_dict(
        {"name": name, **document},
        id=uuid5(_PLANS, name),
        created_at=datetime(published.year, published.month, published.day, tzinfo=UTC),
    )
