"""Why a bill is what it is: each line with its price, and what of it falls to whom."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from shared.domain.period import PeriodSlice
from shared.domain.rating.breakdown import (
    ACCOUNT,
    Path,
    PricedLine,
    Share,
    Used,
    breakdowns,
    line_prices,
)
from shared.domain.rating.kinds import Price
from shared.domain.rating.line import LineItem
from shared.domain.what_if import scaled
from shared.service.ports import UsageTotals
from shared.service.question import Asked, Candidate, Question, Questions
from shared.service.simulate import Simulation, looking


class ServiceRef(NamedTuple):
    id: UUID
    namespace: str
    name: str


class RevisionRef(NamedTuple):
    id: UUID
    name: str


LEVELS: Final = ("service", "revision")
"""What a breakdown tells apart, from the widest to the narrowest: the keys of its paths, in order."""


class SeriesTotals(UsageTotals, Protocol):
    """What tenants used, and which of their services and revisions did, in one snapshot of the windows."""

    def by_series(
        self, tenant_id: UUID, start: datetime, end: datetime
    ) -> Mapping[tuple[ServiceRef, RevisionRef], Mapping[str, Fraction]]:
        """The quantity of every meter over [start, end), on the grid; what sums over all series to the
        quantities of `total`."""


class SeriesReader(Protocol):
    def snapshot(self) -> AbstractContextManager[SeriesTotals]:
        """Everything inside the block sees the same windows."""


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """A line, the price that makes it, and its shares, which sum exactly to it."""

    line: LineItem
    price: Price
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    simulation: Simulation
    lines: tuple[ExplainedLine, ...]


class Explain:
    """Answers questions with one plan line by line; from windows only, as bills are."""

    def __init__(self, questions: Questions, usage: SeriesReader) -> None:
        self._questions = questions
        self._usage = usage

    def run(self, question: Question, *, levels: int = len(LEVELS), most: int | None = None) -> Explanation:
        """The shares go down to so many of LEVELS; of each the `most` largest are told apart.

        Raises Rejected with every fault, and for usage that no plan is in force for.
        """
        asked = self._questions.read(question)
        with looking(asked, self._usage.snapshot) as usage:
            simulation = Simulation(asked, asked.rate(usage))
            (rated,) = simulation.rated
            lines: list[ExplainedLine] = []
            for _, of_segment in groupby(rated.lines, _segment):
                segment = list(of_segment)
                prices = _prices(rated.by, segment[0])
                priced = [PricedLine(*pair) for pair in zip(segment, prices, strict=True)]
                used = _used(asked, usage, segment[0], levels)
                for one, shares in zip(priced, breakdowns(priced, used, most=most), strict=True):
                    lines.append(ExplainedLine(one.line, one.price, shares))
        return Explanation(simulation, tuple(lines))


def _segment(line: LineItem) -> tuple[object, ...]:
    return line.counting, line.start, line.end, line.plan_id, line.plan_version


def _prices(by: Candidate, line: LineItem) -> tuple[Price, ...]:
    plan = next(held.plan for held in by.history if held.plan.id == line.plan_id)
    return line_prices(plan.versions[line.plan_version - 1], line.counting)


def _used(asked: Asked, usage: SeriesTotals | None, line: LineItem, levels: int) -> Used:
    """What was used over the time of a line, by who used it; by the account, where it is only supposed."""
    if usage is None or asked.tenant is None:
        quantities_at = asked.used(None)(PeriodSlice(line.counting, line.start, line.end))
        before, after = quantities_at(line.start), quantities_at(line.end)
        return {ACCOUNT: {meter: after[meter] - before[meter] for meter in after}}
    used: dict[Path, Mapping[str, Fraction]] = {}
    factor = Fraction(1 if asked.factor is None else asked.factor)
    for series, quantities in usage.by_series(asked.tenant.id, line.start, line.end).items():
        path = series[:levels]
        earlier = used.get(path, {})
        more = scaled(quantities, factor)
        used[path] = {meter: quantity + earlier.get(meter, 0) for meter, quantity in more.items()}
    return used
