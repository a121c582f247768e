"""Tiers of a price: each reaches up to a quantity, that quantity included; the last one is open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.rating.counter import Counter
from shared.domain.rating.fields import negative, not_positive


@dataclass(frozen=True, slots=True)
class Tier:
    """From more than the bound of the tier before up to `up_to`, inclusive (None: without end).

    `amount` for every `per` units, and `flat` once for a counting period that reaches the tier; the first
    tier is reached without any usage.
    """

    up_to: Decimal | None
    amount: Decimal
    per: Decimal = Decimal(1)
    flat: Decimal = Decimal(0)

    def to_dict(self) -> dict[str, object]:
        return {
            "up_to": None if self.up_to is None else f"{self.up_to:f}",
            "amount": f"{self.amount:f}",
            "per": f"{self.per:f}",
            "flat": f"{self.flat:f}",
        }


def read_tiers(document: Document) -> tuple[Tier, ...]:
    """The tiers of a price as they are; `tier_faults` says what is wrong with them."""
    value = document.value("tiers")
    if not isinstance(value, list | tuple):
        document.fault("tiers", "is missing" if value is None else "must be an array")
        return ()
    return tuple(_read_tier(document, item, f"tiers[{index}]") for index, item in enumerate(value))


def tier_faults(tiers: Sequence[Tier]) -> Iterator[Fault]:
    if not tiers:
        yield Fault("tiers", "a tiered price has at least one tier")
    reached = Decimal(0)
    for index, tier in enumerate(tiers):
        path = f"tiers[{index}]"
        yield from negative(f"{path}.amount", tier.amount)
        yield from not_positive(f"{path}.per", tier.per)
        yield from negative(f"{path}.flat", tier.flat)
        if tier.up_to is None:
            if index < len(tiers) - 1:
                yield Fault(f"{path}.up_to", "is missing: only the last tier is open")
        elif not (tier.up_to.is_finite() and tier.up_to > reached):
            yield Fault(f"{path}.up_to", f"must be more than {reached:f}, where the tier begins")
        else:
            reached = tier.up_to
            if index == len(tiers) - 1:
                yield Fault(f"{path}.up_to", "must be absent or null: the last tier is open")


def spans(tiers: Sequence[Tier]) -> Iterator[tuple[Decimal, Tier]]:
    """Each tier, behind the quantity that it begins after."""
    after = Decimal(0)
    for tier in tiers:
        yield after, tier
        after = after if tier.up_to is None else tier.up_to


def tier_text(after: Decimal, tier: Tier) -> str:
    """Which quantities a tier holds, in words."""
    bounds = [f"over {after:,f}"] if after or tier.up_to is None else []
    return " ".join(bounds if tier.up_to is None else [*bounds, f"up to {tier.up_to:,f}"])


def tier_price(tier: Tier, counter: Counter) -> str:
    """What a tier costs, in words."""
    fee = f" and a fee of {tier.flat:f}" if tier.flat else ""
    return f"{tier.amount:f} per {counter.each(tier.per)}{counter.details}{fee}"


def _read_tier(price: Document, value: object, path: str) -> Tier:
    document = Document(value, path)
    up_to = None if document.value("up_to") is None else document.decimal("up_to")
    has_flat = document.value("flat") is not None
    tier = Tier(
        up_to,
        document.decimal("amount", Decimal(0) if has_flat else None),
        document.decimal("per", Decimal(1)),
        document.decimal("flat", Decimal(0)),
    )
    try:
        return document.finish(lambda: tier)
    except Rejected as refusal:
        for fault in refusal.faults:
            price.fault(*fault)
        return tier
