"""Plans as JSON objects, with the flat columns as a short form of the commonest prices."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeGuard, TypeVar
from uuid import UUID

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.plan import Plan
from shared.domain.rating.kinds import Price, read_price
from shared.domain.rating.per_unit import PerUnit
from shared.domain.windows import EPOCH

_T = TypeVar("_T")


class FlatPrice(NamedTuple):
    """A column that holds the price of one unit of a meter, and the one that holds what is included."""

    column: str
    meter: str
    included_column: str | None = None


FLAT_PRICES: Final = (
    FlatPrice("price_per_invocation", "invocations", "free_tier_invocations"),
    FlatPrice("price_per_mb_ms", "mb_ms", "free_tier_mb_ms"),
    FlatPrice("price_per_cold_start", "cold_starts"),
    FlatPrice("price_per_cpu_ms", "cpu_ms"),
)
FLAT_COLUMNS: Final = tuple(
    name for flat in FLAT_PRICES for name in (flat.column, flat.included_column) if name
)


def plan_from_dict(value: object, *, id: UUID | None = None, created_at: datetime | None = None) -> Plan:
    """The plan that a JSON object describes; `id` and `created_at` serve where the object has none.

    A plan's prices are those of the flat columns (short for per-unit prices), then those of `prices`.
    Raises Rejected with the path of every fault, such as `prices[1].amount`.
    """
    document = Document(value)
    name, currency = document.text("name"), document.text("currency")
    plan_id, at = document.uuid("id") or id, document.instant("created_at") or created_at
    for field, given in (("id", plan_id), ("created_at", at)):
        if given is None:
            document.fault(field, "is missing")
    tenant_id, active = document.uuid("tenant_id"), document.flag("active", default=True)
    return finish_with_prices(
        document,
        lambda prices: Plan(plan_id or UUID(int=0), name, currency, prices, at or EPOCH, tenant_id, active),
    )


def finish_with_prices(document: Document, make: Callable[[tuple[Price, ...]], _T]) -> _T:
    """What `make` makes of the prices of the flat columns and of `prices`, once all else has been read.

    Raises Rejected with the path of every fault.
    """
    flat, listed = _flat_prices(document), _listed_prices(document)

    def made() -> _T:
        try:
            return make((*flat, *listed))
        except Rejected as refusal:
            raise Rejected(*(_as_listed(fault, len(flat)) for fault in refusal.faults)) from None

    return document.finish(made)


def plan_to_dict(plan: Plan) -> dict[str, object]:
    """The JSON object that `plan_from_dict` reads as an equal plan, in its first version: every flat column,
    and the rest."""
    return {
        "id": str(plan.id),
        "name": plan.name,
        "tenant_id": str(plan.tenant_id) if plan.tenant_id else None,
        "currency": plan.currency,
        **prices_to_dict(plan.prices),
        "created_at": instant_text(plan.created_at),
        "active": plan.active,
    }


def prices_to_dict(prices: Sequence[Price]) -> dict[str, object]:
    flat, rest = short_form(prices)
    return {
        **{column: None if number is None else f"{number:f}" for column, number in flat.items()},
        "prices": [price.to_dict() for price in rest],
    }


def instant_text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def short_form(prices: Sequence[Price]) -> tuple[Mapping[str, Decimal | None], tuple[Price, ...]]:
    """The flat columns for as many of the first prices as fit into them in order, and the other prices."""
    columns: dict[str, Decimal | None] = dict.fromkeys(FLAT_COLUMNS)
    rest = list(prices)
    for flat in FLAT_PRICES:
        price = rest[0] if rest else None
        if _fits(price, flat):
            rest.pop(0)
            columns[flat.column] = price.amount
            if flat.included_column:
                columns[flat.included_column] = price.included
    return columns, tuple(rest)


def _fits(price: Price | None, flat: FlatPrice) -> TypeGuard[PerUnit]:
    if not isinstance(price, PerUnit) or price.name or not price.selection.is_all:
        return False
    whole = price.included == price.included.to_integral_value()
    included_fits = whole if flat.included_column else price.included == 0
    return price.meter == flat.meter and price.per == 1 and included_fits


def _listed_prices(document: Document) -> tuple[Price, ...]:
    """Those of `prices`; none where some cannot be read, since what the others say of them means nothing."""
    listed = document.items("prices", read_price)
    return () if any(fault.field.startswith("prices[") for fault in document.faults) else listed


def _as_listed(fault: Fault, flat: int) -> Fault:
    """A fault of the plan's prices under its index in `prices`, which come after the flat ones."""
    path = re.sub(r"(?<=^prices\[)\d+", lambda index: str(int(index[0]) - flat), fault.field)
    return Fault(path, fault.message)


def _flat_prices(document: Document) -> tuple[PerUnit, ...]:
    prices: list[PerUnit] = []
    for flat in FLAT_PRICES:
        zero = Decimal(0)
        included = document.decimal(flat.included_column, zero) if flat.included_column else zero
        if included < 0 or included != included.to_integral_value():
            document.fault(flat.included_column or "", "must be a whole number, not negative")
        if document.value(flat.column) is None:
            if included:
                document.fault(flat.column, f"is missing, but {flat.included_column} is given")
            continue
        amount = document.decimal(flat.column)
        try:
            prices.append(PerUnit(flat.meter, amount, included=max(included, zero)))
        except Rejected as refusal:
            for fault in refusal.faults:
                document.fault(flat.column, fault.message)
    return tuple(prices)
