"""What the prices of one plan say of each other, and what they must not say."""

from collections.abc import Iterator, Sequence
from itertools import product

from shared.domain.errors import Fault
from shared.domain.rating.band import FIELD as BAND
from shared.domain.rating.free_value import FreeValue
from shared.domain.rating.graduated import Graduated
from shared.domain.rating.kinds import Price
from shared.domain.rating.maximum_spend import MaximumSpend
from shared.domain.rating.minimum_spend import MinimumSpend
from shared.domain.rating.package import Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage
from shared.domain.rating.scope import FIELD
from shared.domain.rating.volume import Volume

_Scoped = Percentage | MinimumSpend | MaximumSpend | FreeValue
_Discount = MaximumSpend | FreeValue
_Counting = PerUnit | Graduated | Volume | Package


def relation_faults(prices: Sequence[Price]) -> Iterator[Fault]:
    """Every fault by path, such as `prices[2].of[0]`: names that are not there or come twice, free units
    of what has no price per unit, money given back twice, bands that overlap, and limits that cannot both
    hold."""
    for index, price in enumerate(prices):
        if price.name and any(price.name == other.name for other in prices[:index]):
            yield Fault(f"prices[{index}].name", f"{price.name!r} is the name of an earlier price")
        if isinstance(price, _Scoped):
            yield from _scope_faults(index, price, prices)
        if isinstance(price, FreeValue):
            yield from _free_value_faults(index, price, prices)
        if isinstance(price, _Discount):
            yield from _discount_faults(index, price, prices)
        if isinstance(price, _Counting):
            yield from _band_faults(index, price, prices)
    yield from _limit_faults(prices)


def _scope(index: int, price: _Scoped, prices: Sequence[Price]) -> set[int]:
    """Which prices the one at `index` is about."""
    return {earlier for earlier, other in enumerate(prices[:index]) if not price.of or other.name in price.of}


def _scope_faults(index: int, price: _Scoped, prices: Sequence[Price]) -> Iterator[Fault]:
    if not (price.of or index):
        yield Fault(f"prices[{index}].{FIELD}", "no price comes before this one")
    names = {earlier.name for earlier in prices[:index]}
    for number, name in enumerate(price.of):
        if name not in names:
            yield Fault(f"prices[{index}].{FIELD}[{number}]", f"no earlier price has the name {name!r}")


def _free_value_faults(index: int, free: FreeValue, prices: Sequence[Price]) -> Iterator[Fault]:
    named = {price.name: price for price in prices[:index]}
    units: list[str] = []
    for number, price in enumerate(named.get(name) for name in free.of):
        path = f"prices[{index}].{FIELD}[{number}]"
        if isinstance(price, PerUnit | Graduated | Volume):
            units.append(price.counter.unit)
            if units[-1] != units[0]:
                yield Fault(path, f"counts another unit ({units[-1]}) than the first price ({units[0]})")
        elif price is not None:
            yield Fault(path, f"{price.name!r} has no price per unit")


def _discount_faults(index: int, discount: _Discount, prices: Sequence[Price]) -> Iterator[Fault]:
    scope = _scope(index, discount, prices)
    for earlier, other in enumerate(prices[:index]):
        if isinstance(other, _Discount) and earlier not in scope and scope & _scope(earlier, other, prices):
            what = repr(other.name) if other.name else f"a {other.kind} without a name"
            yield Fault(
                f"prices[{index}].{FIELD}", f"leaves out {what}, which gives back of the same charges"
            )


def _band_faults(index: int, price: _Counting, prices: Sequence[Price]) -> Iterator[Fault]:
    """A price for all time and one for a band may count the same; two for bands that overlap may not."""
    band, where = price.selection
    for other in prices[:index]:
        if band is None or not isinstance(other, _Counting) or other.selection.band is None:
            continue
        both = [meter.name for meter in price.counter.meters if meter in other.counter.meters]
        if both and other.selection.where == where and band.overlaps(other.selection.band):
            mine, theirs = _banded(price), _banded(other)
            said = f"{mine} overlaps {theirs}, an earlier price, which counts {', '.join(both)} too"
            yield Fault(f"prices[{index}].{BAND}", said)


def _banded(price: _Counting) -> str:
    return f"{price.selection.band} of {price.name!r}" if price.name else str(price.selection.band)


def _limit_faults(prices: Sequence[Price]) -> Iterator[Fault]:
    minimums = [(index, price) for index, price in enumerate(prices) if isinstance(price, MinimumSpend)]
    maximums = [(index, price) for index, price in enumerate(prices) if isinstance(price, MaximumSpend)]
    limits = {index for index, _ in (*minimums, *maximums)}
    for (floor_at, floor), (cap_at, cap) in product(minimums, maximums):
        trued_up = _scope(floor_at, floor, prices) - limits
        if cap.maximum < floor.minimum and trued_up <= _scope(cap_at, cap, prices):
            if floor_at > cap_at:
                yield Fault(f"prices[{floor_at}].minimum", f"is more than the maximum of {cap.maximum:f}")
            else:
                yield Fault(f"prices[{cap_at}].maximum", f"is less than the minimum of {floor.minimum:f}")
