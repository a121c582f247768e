"""What usage would cost: by any plan, with any usage, several plans side by side. Nothing is kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeVar

from shared.domain.meters import METERS
from shared.domain.money import difference
from shared.domain.rating.breakdown import meters_of
from shared.service.question import Asked, Question, Questions, Rated
from shared.service.reading_ports import UsageReader

PLANS_MAX: Final = 5
"""Side by side."""
_Totals = TypeVar("_Totals")


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was asked, and what it comes to by each plan, in the order asked for."""

    asked: Asked
    rated: tuple[Rated, ...]

    @property
    def not_given(self) -> tuple[str, ...]:
        """Meters that a plan counts and the question does not name: nothing of them is used."""
        if self.asked.what_if is None:
            return ()
        counted = {meter for rated in self.rated for line in rated.lines for meter in meters_of(line)}
        return tuple(name for name in METERS if name in counted - self.asked.what_if.quantities.keys())

    def more_than_first(self, rated: Rated) -> Decimal | None:
        """What it costs more than the first does; None in another currency."""
        first = self.rated[0]
        return difference(rated.total, first.total) if rated.currency == first.currency else None


class Simulate:
    """Answers questions from one snapshot of the windows."""

    def __init__(self, questions: Questions, usage: UsageReader) -> None:
        self._questions = questions
        self._usage = usage

    def run(self, question: Question) -> Simulation:
        """Raises Rejected with every fault, and for usage that no plan is in force for."""
        asked = self._questions.read(question)
        with looking(asked, self._usage.snapshot) as usage:
            return Simulation(asked, asked.rate(usage))


def looking(
    asked: Asked, snapshot: Callable[[], AbstractContextManager[_Totals]]
) -> AbstractContextManager[_Totals | None]:
    """A snapshot of the windows; None where the question brings its own usage."""
    return snapshot() if asked.what_if is None else nullcontext()
