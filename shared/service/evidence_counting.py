"""What windows, and the payloads of parts, hold of a meter: a built-in one, or one that users defined."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Final, Protocol
from uuid import UUID

from shared.domain.aggregate import Grouped, Series, SeriesName, aggregate, group, names_of
from shared.domain.facts import WindowFacts
from shared.domain.meter_definition import (
    COUNT,
    LATEST,
    MAX,
    PERCENTILE,
    SUM,
    TOTAL,
    UNIQUE,
    WEIGHTED_SUM,
    MeterDefinition,
)
from shared.domain.metering.windows import Measured, MeterFacts, Origin, measure
from shared.domain.meters import Meter
from shared.service.dimensions import Labelling, LabelReader
from shared.service.evidence_ports import CoveringWindow, EvidenceView, Scope, StoredPart, WindowPlace
from shared.service.metering import MeteredReader
from shared.service.ports import StoredPayload, UsageDecoder

_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    SUM: ("sum", "count"),
    COUNT: ("count",),
    MAX: ("max", "count"),
    LATEST: ("latest", "latest_at"),
    UNIQUE: ("count",),
    PERCENTILE: ("sum", "count", "max"),
    WEIGHTED_SUM: ("sum", "count"),
}
_DIFFERENCE: Final = "; a line has the difference of two, each from the start of its counting period on"
_NOTES: Final[Mapping[str, str]] = {
    MAX: f"windows do not add up: the greatest value of all of them counts{_DIFFERENCE}",
    LATEST: f"windows do not add up: the value of the last instant counts{_DIFFERENCE}",
    UNIQUE: f"windows do not add up: what is in several of them counts once{_DIFFERENCE}",
    PERCENTILE: f"windows do not add up: the values of all of them are put in order{_DIFFERENCE}",
    WEIGHTED_SUM: "windows do not add up: each holds by how much the level changes, and all that changed"
    f" before is still held{_DIFFERENCE}",
}
_ROUNDED_IN_TOTAL: Final = (
    "a line rounds what there is from the start of its counting period on, up to its start and up to its"
    " end; windows and parts are not rounded"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """How much of a meter there is, in its unit: `quantity` where that adds up. Of a custom meter also the
    facts that it is counted from; of windows of a built-in one how many records and invocations they hold."""

    quantity: Fraction | None
    records: int | None = None
    invocations: int | None = None
    sum: Fraction | None = None
    count: int | None = None
    max: Fraction | None = None
    latest: Fraction | None = None
    latest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WindowEvidence:
    """A window, and how much of the meter it holds."""

    window: CoveringWindow[WindowFacts] | CoveringWindow[MeterFacts]
    shown: Shown


class Counting(Protocol):
    """A meter as it shows what it counts. `note` says how lines count it where they do not add up windows."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def note(self) -> str: ...

    def require_known(self, view: EvidenceView, scope: Scope) -> None:
        """As EvidenceView."""

    def quantity(self, view: EvidenceView, scope: Scope) -> Fraction | None:
        """Of all of it; None where windows do not add up."""

    def windows(
        self, view: EvidenceView, scope: Scope, *, limit: int, after: WindowPlace | None
    ) -> Sequence[WindowEvidence]:
        """As EvidenceView."""

    def of_part(
        self, view: EvidenceView, scope: Scope, part: StoredPart, service: tuple[str, str] | None
    ) -> Shown:
        """The records of the part that count, and what they come to; those of the service, where one is
        named."""


class BuiltIn:
    """A fact of every window."""

    def __init__(self, meter: Meter, decode: UsageDecoder, read_labels: LabelReader) -> None:
        self.name, self.unit, self.note = meter.name, meter.unit, ""
        self._meter = meter
        self._decode = decode
        self._read_labels = read_labels

    def require_known(self, view: EvidenceView, scope: Scope) -> None:
        view.require_known(scope, None)

    def quantity(self, view: EvidenceView, scope: Scope) -> Fraction | None:
        return self._meter.quantity(view.total(scope))

    def windows(
        self, view: EvidenceView, scope: Scope, *, limit: int, after: WindowPlace | None
    ) -> Sequence[WindowEvidence]:
        windows = view.windows(scope, self._meter.fact, limit=limit, after=after)
        return [WindowEvidence(window, self._shown(window.facts)) for window in windows]

    def of_part(
        self, view: EvidenceView, scope: Scope, part: StoredPart, service: tuple[str, str] | None
    ) -> Shown:
        facts = WindowFacts()
        for payload in view.payloads(scope.tenant_id, part):
            groups = {
                key: records
                for key, records in self._grouped(view, scope, payload).items()
                if _is_of(key[1], service) and scope.where.holds(dict(key[1].dimensions))
            }
            numbered = enumerate(names_of(groups))
            series = {name: Series(UUID(int=number), UUID(int=number)) for number, name in numbered}
            for key, of_window in aggregate(groups, series).items():
                if scope.holds(key.start):
                    facts.add(of_window)
        return self._shown(facts)

    def _grouped(self, view: EvidenceView, scope: Scope, payload: StoredPayload) -> Grouped:
        records = self._decode(
            payload.body.encode(), recorded_at=payload.recorded_at, received_at=payload.received_at
        ).records
        if not scope.where:
            return group(records)
        labelling = Labelling(self._read_labels, view)
        declared = view.declarations(scope.tenant_id)
        return group(records, labelling.of_records(scope.tenant_id, declared, records, [payload.body]))

    def _shown(self, facts: WindowFacts) -> Shown:
        return Shown(self._meter.quantity(facts), records=facts.records, invocations=facts.invocations)


class Custom:
    """A meter that users defined."""

    def __init__(self, meter: MeterDefinition, read: MeteredReader) -> None:
        self.name, self.unit = meter.price_name, meter.unit
        self._meter = meter
        self._read = read

    @property
    def note(self) -> str:
        if self._meter.aggregation in _NOTES:
            return _NOTES[self._meter.aggregation]
        is_rounded = any(version.rounding == TOTAL for version in self._meter.versions)
        return _ROUNDED_IN_TOTAL if is_rounded else ""

    def require_known(self, view: EvidenceView, scope: Scope) -> None:
        view.require_known(scope, self._meter)

    def quantity(self, view: EvidenceView, scope: Scope) -> Fraction | None:
        return self._shown(view.meter_sums(scope, self._meter)).quantity

    def windows(
        self, view: EvidenceView, scope: Scope, *, limit: int, after: WindowPlace | None
    ) -> Sequence[WindowEvidence]:
        windows = view.meter_windows(scope, self._meter, limit=limit, after=after)
        return [WindowEvidence(window, self._shown(window.facts)) for window in windows]

    def of_part(
        self, view: EvidenceView, scope: Scope, part: StoredPart, service: tuple[str, str] | None
    ) -> Shown:
        facts: MeterFacts | None = None
        records = 0
        for number, payload in enumerate(view.payloads(scope.tenant_id, part), start=1):
            for measured in self._measured(payload, Origin(part.place.event_key, number)):
                if self._holds(view, scope, measured) and _is_of(measured.name, service):
                    records += 1
                    if facts is None:
                        facts = measured.facts
                    else:
                        facts.add(measured.facts)
        return replace(self._shown(facts), records=records)

    def _measured(self, payload: StoredPayload, origin: Origin) -> Iterator[Measured]:
        records = self._read(payload.body, recorded_at=payload.recorded_at, received_at=payload.received_at)
        yield from measure(records, [self._meter], origin)

    def _holds(self, view: EvidenceView, scope: Scope, measured: Measured) -> bool:
        if not scope.holds(measured.start):
            return False
        if not scope.where:
            return True
        sent = zip(measured.version.dimensions, measured.dimensions, strict=True)
        return scope.where.holds(
            {
                label: view.admit_of(scope.tenant_id, self._meter.id, label, value)
                for label, value in sent
                if value is not None
            }
        )

    def _shown(self, facts: MeterFacts | None) -> Shown:
        """`None`: nothing counts."""
        aggregation = self._meter.aggregation
        quantities = {SUM: Fraction(0), COUNT: Fraction(0)}
        if facts is None:
            return Shown(quantities.get(aggregation))
        quantities = {SUM: facts.sum, COUNT: Fraction(facts.count)}
        return replace(
            Shown(quantities.get(aggregation)), **{name: getattr(facts, name) for name in _SHOWN[aggregation]}
        )


def _is_of(name: SeriesName, service: tuple[str, str] | None) -> bool:
    return service is None or (name.namespace, name.service_name) == service
