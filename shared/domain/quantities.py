"""Quantities by meter, of which some are looked up when a price asks for them."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from shared.domain.errors import Rejected
from shared.domain.meters import CUSTOM
from shared.domain.rating.selection import Key


class Quantities(dict[Any, Fraction]):
    """Those that are known, and by `look_up` the others, each once: of meters that are called
    `custom.<name>`, and of parts of any meter.

    `entries` are asked for where a price is per event: the values of a meter one by one, in order. Two are
    equal where the quantities that are known are.
    """

    def __init__(
        self,
        known: Mapping[str, Fraction],
        look_up: Callable[[Key], Fraction],
        entries: Callable[[str], Sequence[Fraction]] | None = None,
    ) -> None:
        super().__init__(known)
        self._entries = entries
        self._ordered: dict[str, Sequence[Fraction]] = {}
        self._look_up = look_up
        self._found: dict[Key, Fraction] = {}

    def __missing__(self, key: Key) -> Fraction:
        if isinstance(key, str) and not key.startswith(CUSTOM):
            raise KeyError(key)
        if key not in self._found:
            self._found[key] = self._look_up(key)
        return self._found[key]

    def ordered(self, meter: str) -> Sequence[Fraction]:
        """What is in the ledger of a meter. Raises Rejected for a quantity that comes without."""
        if self._entries is None:
            if self.get(meter):
                said = f"{meter} is priced per event, and a quantity does not tell its events"
                raise Rejected.because("quantities", said)
            return ()
        if meter not in self._ordered:
            self._ordered[meter] = self._entries(meter)
        return self._ordered[meter]


def entries_of(quantities: Mapping[Any, Fraction], meter: str) -> Sequence[Fraction]:
    """As `Quantities.ordered`; none where nothing was used at all."""
    return quantities.ordered(meter) if isinstance(quantities, Quantities) else ()


def nothing(_key: Key) -> Fraction:
    return Fraction(0)
