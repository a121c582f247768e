"""What of a line falls to whom: shares beneath it that sum exactly to it, at the digits of its currency."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from math import floor
from typing import Any, NamedTuple

from shared.domain import money
from shared.domain.period import Period
from shared.domain.plan import PlanVersion
from shared.domain.rating.charge import Cumulative
from shared.domain.rating.counter import Counter
from shared.domain.rating.kinds import Price
from shared.domain.rating.line import LineItem
from shared.domain.rating.selection import Key

Path = tuple[Hashable, ...]
"""Who used something, from the widest to the narrowest: a service, a revision of it. () is the account
itself, which owes what no usage brought about. Any level is one more key of the path."""

ACCOUNT: Path = ()
Used = Mapping[Path, Mapping[Any, Fraction]]
"""The quantity of each meter, and of each part of one that a price counts, over the time of a line, by who
used it."""


class _Nothing(dict[Key, Fraction]):
    """No usage of any meter there is."""

    def __missing__(self, key: Key) -> Fraction:
        return Fraction(0)


class PricedLine(NamedTuple):
    """A line, and the price of the plan that makes it."""

    line: LineItem
    price: Price


@dataclass(frozen=True, slots=True)
class Share:
    """What of a line falls to `key`, None for the account itself, and beneath it to its parts.

    `quantity` is what was used of what the line counts, None where it counts nothing that is used.
    `merged` is how many shares it is that were put together, 0 for one of its own.
    """

    key: Hashable | None
    quantity: Fraction | None
    amount: Decimal
    shares: tuple["Share", ...] = ()
    merged: int = 0


def allot(amount: Decimal, weights: Sequence[Fraction], currency: str) -> list[Decimal]:
    """`amount` in proportion to `weights`, none of them negative and their sum more than zero.

    By largest remainder at the currency's digits: each part is cut off there, towards zero, and the units
    that are missing go to those of which most was cut off, of equal ones to the greatest weight, and then
    to the first. So the parts sum to `amount` to the last digit.
    """
    unit = Fraction(1, 10 ** money.CURRENCY_EXPONENTS[currency])
    units = abs(Fraction(amount)) / unit
    whole = sum(weights)
    exact = [units * weight / whole for weight in weights]
    parts = [floor(share) for share in exact]
    by_remainder = sorted(
        range(len(parts)), key=lambda at: (exact[at] - parts[at], weights[at]), reverse=True
    )
    for at in by_remainder[: int(units) - sum(parts)]:
        parts[at] += 1
    sign = -1 if amount < 0 else 1
    return [money.round_to_currency(sign * part * unit, currency) for part in parts]


def breakdowns(
    lines: Sequence[PricedLine], used: Used, *, most: int | None = None
) -> list[tuple[Share, ...]]:
    """The shares of each line. The lines are those of one segment, in the order of its version's prices;
    `used` is what was used over their time.

    A line about a meter is shared by its quantities; one about other lines (a percentage, a minimum, a
    maximum, a free value) in proportion to what they charge, unrounded, to whom. What cannot be shared so
    is the account's own: fees of a time without usage, and what is about lines that charge nothing, or one
    and give back to another. Of each level the `most` largest shares are told apart, and the others are
    one.
    """
    charged: list[Mapping[Path, Fraction]] = []
    broken_down: list[tuple[Share, ...]] = []
    for number, (line, price) in enumerate(lines):
        scope = _scope(lines[:number], price)
        quantities = None if scope is not None else _quantities(line, price, used)
        weights = quantities if scope is None else _summed(charged[index] for index in scope)
        proportions = _proportions(weights or {})
        charged.append({path: line.exact_amount * share for path, share in proportions.items()})
        shares = _shares(line.amount, line.currency, proportions, quantities)
        broken_down.append(shares if most is None else largest(shares, most, line.currency))
    return broken_down


def line_prices(version: PlanVersion, counting: Period) -> tuple[Price, ...]:
    """The price of each line of a segment: a price always answers the same parts, also without usage."""
    usage = Cumulative(counting, counting.start, _Nothing())
    of_lines: list[Price] = []
    for price in version.prices:
        charges = tuple(replace(charge, price=price.name) for charge in price.charges(usage))
        owed = (Decimal(0),) * len(charges)
        usage = replace(usage, charges=(*usage.charges, *charges), owed=(*usage.owed, *owed))
        of_lines += [price] * len(charges)
    return tuple(of_lines)


def keys_of(price: Price) -> tuple[Key, ...]:
    """What a price counts, as quantities are asked for it; none where it counts time or money."""
    counter = getattr(price, "counter", None)
    return counter.keys if isinstance(counter, Counter) else ()


def meters_of(line: LineItem) -> tuple[str, ...]:
    """The meters that a line counts, none where it counts time or money."""
    return tuple(line.meter.split(" + ")) if line.meter else ()


def largest(shares: Sequence[Share], most: int, currency: str) -> tuple[Share, ...]:
    """The `most` largest shares by amount and then quantity, of each level, and the others as one."""
    ordered = sorted(shares, key=lambda share: (abs(share.amount), share.quantity or 0), reverse=True)
    told = [
        Share(share.key, share.quantity, share.amount, largest(share.shares, most, currency), share.merged)
        for share in ordered[:most]
    ]
    if rest := ordered[most:]:
        quantities = [share.quantity for share in rest if share.quantity is not None]
        amount = money.total((share.amount for share in rest), currency)
        quantity = sum(quantities, Fraction(0)) if quantities else None
        told.append(Share(None, quantity, amount, merged=len(rest)))
    return tuple(told)


def _scope(earlier: Sequence[PricedLine], price: Price) -> Sequence[int] | None:
    """Which earlier lines a price is about, by their place; None where it is about no lines."""
    of = getattr(price, "of", None)
    if of is None:
        return None
    return [at for at, (line, _) in enumerate(earlier) if not of or line.price in of]


def _quantities(line: LineItem, price: Price, used: Used) -> Mapping[Path, Fraction] | None:
    keys = keys_of(price) or meters_of(line)
    if not keys:
        return None
    # Custom meters are not told apart by series here: what is not known falls to the account.
    quantities = {
        path: sum((of.get(key, Fraction(0)) for key in keys), Fraction(0)) for path, of in used.items()
    }
    if any(quantities.values()):
        return quantities
    return {ACCOUNT: line.quantity_after - line.quantity_before}


def _summed(weights: Iterable[Mapping[Path, Fraction]]) -> Mapping[Path, Fraction]:
    sums: dict[Path, Fraction] = {}
    for of in weights:
        for path, weight in of.items():
            sums[path] = sums.get(path, Fraction(0)) + weight
    return sums


def _proportions(weights: Mapping[Path, Fraction]) -> Mapping[Path, Fraction]:
    """What of one falls to whom, level by level, so that what a service has does not depend on how its
    revisions share it. Where all weights of a level are zero, or they are of either sign, it falls to the
    level above."""
    groups: dict[Path, dict[Path, Fraction]] = {}
    for path, weight in weights.items():
        groups.setdefault(path[:1], {})[path[1:]] = weight
    heights = {head: sum(beneath.values(), Fraction(0)) for head, beneath in groups.items()}
    heights = {head: height for head, height in heights.items() if height}
    if len({height > 0 for height in heights.values()}) != 1 or heights.keys() == {ACCOUNT}:
        return {ACCOUNT: Fraction(1)}
    whole = sum(heights.values(), Fraction(0))
    return {
        head + path: height / whole * share
        for head, height in heights.items()
        for path, share in _proportions(groups[head]).items()
    }


def _shares(
    amount: Decimal,
    currency: str,
    weights: Mapping[Path, Fraction],
    quantities: Mapping[Path, Fraction] | None,
) -> tuple[Share, ...]:
    """The shares of one level, each cut up among those beneath it."""
    by_key = sorted(weights, key=lambda path: [str(key) for key in path])
    groups = [(key, list(paths)) for key, paths in groupby(by_key, lambda path: path[0] if path else None)]
    heights = [sum((weights[path] for path in paths), Fraction(0)) for _, paths in groups]
    shares: list[Share] = []
    for (key, paths), part in zip(groups, allot(amount, heights, currency), strict=True):
        beneath = {path[1:]: weights[path] for path in paths}
        below, quantity = None, None
        if quantities is not None:
            below = {path[1:]: quantities.get(path, Fraction(0)) for path in paths}
            quantity = sum(below.values(), Fraction(0))
        is_last = beneath.keys() == {ACCOUNT}
        shares.append(Share(key, quantity, part, () if is_last else _shares(part, currency, beneath, below)))
    return tuple(shares)
