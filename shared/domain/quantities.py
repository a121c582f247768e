"""Quantities by meter, of which those of custom meters are looked up when a price asks for one."""

from collections.abc import Callable, Mapping
from fractions import Fraction

from shared.domain.meters import CUSTOM


class Quantities(dict[str, Fraction]):
    """Those that are known, and by `look_up` the others that are called `custom.<name>`, each once.

    Two are equal where those that are known are.
    """

    def __init__(self, known: Mapping[str, Fraction], look_up: Callable[[str], Fraction]) -> None:
        super().__init__(known)
        self._look_up = look_up
        self._found: dict[str, Fraction] = {}

    def __missing__(self, meter: str) -> Fraction:
        if not meter.startswith(CUSTOM):
            raise KeyError(meter)
        if meter not in self._found:
            self._found[meter] = self._look_up(meter)
        return self._found[meter]


def nothing(_meter: str) -> Fraction:
    return Fraction(0)
