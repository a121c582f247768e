"""Why a bill is what it is: each line with its price, and what of it falls to whom."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.aggregate import Dimensions
from shared.domain.period import Period, PeriodSlice
from shared.domain.rating.breakdown import (
    ACCOUNT,
    Path,
    PricedLine,
    Share,
    Used,
    breakdowns,
    keys_of,
    line_prices,
)
from shared.domain.rating.kinds import Price
from shared.domain.rating.line import LineItem
from shared.domain.rating.selection import ALL, EVERYWHERE, Key, Selected, Where, key_of
from shared.service.quantities import spans_of
from shared.service.question import Asked, Candidate, Question, Questions
from shared.service.reading_ports import UsageTotals
from shared.service.simulate import Simulation, looking


class ServiceRef(NamedTuple):
    id: UUID
    namespace: str
    name: str


class RevisionRef(NamedTuple):
    id: UUID
    name: str


class DimensionsRef(NamedTuple):
    """The values of declared dimensions; of none, where usage had none."""

    values: Dimensions


SeriesRef = tuple[ServiceRef, RevisionRef, DimensionsRef]

LEVELS: Final = ("service", "revision", "dimensions")
"""What a breakdown tells apart, from the widest to the narrowest: the keys of its paths, in order."""
LEVELS_DEFAULT: Final = 2


class SeriesTotals(UsageTotals, Protocol):
    """What tenants used, and which of their services and revisions did, in one snapshot of the windows."""

    def by_series(
        self, tenant_id: UUID, spans: Sequence[Period], where: Where = EVERYWHERE
    ) -> Mapping[SeriesRef, Mapping[str, Fraction]]:
        """The quantity of every built-in meter in spans on the grid, apart from each other, of series of
        these values of dimensions; what sums over all of them to the quantities of `total` and `select`."""


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

    def run(
        self, question: Question, *, levels: int = LEVELS_DEFAULT, most: int | None = None
    ) -> Explanation:
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
                counted = {key for price in prices for key in keys_of(price)}
                used = _used(asked, usage, segment[0], levels, counted)
                for one, shares in zip(priced, breakdowns(priced, used, most=most), strict=True):
                    lines.append(ExplainedLine(one.line, one.price, shares))
        return Explanation(simulation, tuple(lines))


def _segment(line: LineItem) -> tuple[object, ...]:
    return line.counting, line.start, line.end, line.plan_id, line.plan_version


def _prices(by: Candidate, line: LineItem) -> tuple[Price, ...]:
    plan = next(held.plan for held in by.history if held.plan.id == line.plan_id)
    return line_prices(plan.versions[line.plan_version - 1], line.counting)


def _used(
    asked: Asked, usage: SeriesTotals | None, line: LineItem, levels: int, counted: Iterable[Key]
) -> Used:
    """What was used over the time of a line, by who used it; by the account, where it is only supposed."""
    if usage is None or asked.tenant is None:
        parts = [key for key in counted if isinstance(key, Selected)]
        return {ACCOUNT: _supposed(asked, line, parts)}
    factor = Fraction(1 if asked.factor is None else asked.factor)
    return used_by(usage, asked.tenant.id, ZoneInfo(asked.timezone), line, levels, counted, factor)


def used_by(
    usage: SeriesTotals,
    tenant_id: UUID,
    zone: ZoneInfo,
    line: LineItem,
    levels: int,
    counted: Iterable[Key],
    factor: Fraction = Fraction(1),
) -> Used:
    """What of these keys was used over the time of a line, times `factor`, by who used it."""
    used: dict[Path, dict[Key, Fraction]] = {}
    for selection in {ALL, *(key.selection for key in counted if isinstance(key, Selected))}:
        spans = spans_of(selection, line.start, line.end, zone)
        by_series = usage.by_series(tenant_id, spans, selection.where) if spans else {}
        for series, quantities in by_series.items():
            so_far = used.setdefault(series[:levels], {})
            for meter, quantity in quantities.items():
                key = key_of(meter, selection)
                so_far[key] = so_far.get(key, Fraction(0)) + factor * quantity
    return used


def _supposed(asked: Asked, line: LineItem, parts: Iterable[Key]) -> Mapping[Key, Fraction]:
    quantities_at = asked.used(None)(PeriodSlice(line.counting, line.start, line.end))
    before: Mapping[Any, Fraction] = quantities_at(line.start)
    after: Mapping[Any, Fraction] = quantities_at(line.end)
    return {key: after[key] - before[key] for key in (*after, *parts)}
