"""The price of each event: a share of what it is worth, and a fee."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Final, Self

from shared.domain.document import Document
from shared.domain.errors import Fault, Rejected
from shared.domain.meters import CUSTOM, METERS
from shared.domain.money import exact_text
from shared.domain.quantities import entries_of
from shared.domain.rating.charge import Charge, Cumulative
from shared.domain.rating.counter import Counter, meter_faults
from shared.domain.rating.fields import negative, read_name, write_name

_OPTIONAL: Final = ("free_events", "free_amount", "minimum", "maximum")


@dataclass(frozen=True, slots=True)
class PerEvent:
    """`percent` of the value of each event of `meter`, and `fixed`, at least `minimum` and at most `maximum`.

    The events of the counting period, in order of time, are free until there were `free_events`, or until
    they came to `free_amount`, whichever comes first; the one that goes beyond the amount pays its share of
    what lies beyond. Raises Rejected for what is negative, a meter that is no custom one, and a minimum
    over the maximum.
    """

    kind: ClassVar[str] = "per_event"

    meter: str
    percent: Decimal
    fixed: Decimal = Decimal(0)
    free_events: Decimal | None = None
    free_amount: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    name: str = ""

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    @classmethod
    def read(cls, document: Document) -> Self:
        meter, percent = document.text("meter"), document.decimal("percent")
        fixed = document.decimal("fixed", default=Decimal(0))
        free_events, free_amount, minimum, maximum = (
            None if document.value(field) is None else document.decimal(field) for field in _OPTIONAL
        )
        name = read_name(document)
        return document.finish(
            lambda: cls(meter, percent, fixed, free_events, free_amount, minimum, maximum, name)
        )

    def to_dict(self) -> dict[str, object]:
        given = {field: getattr(self, field) for field in _OPTIONAL}
        return {
            "kind": self.kind,
            **write_name(self.name),
            "meter": self.meter,
            "percent": f"{self.percent:f}",
            "fixed": f"{self.fixed:f}",
            **{field: f"{value:f}" for field, value in given.items() if value is not None},
        }

    def charges(self, usage: Cumulative) -> tuple[Charge, ...]:
        counter = Counter.of(self.meter)
        values = entries_of(usage.quantities, self.meter)
        shared, fees = self._charged(values)
        return (
            Charge(
                meter=counter.name,
                unit=counter.unit,
                description=self._description(),
                quantity=sum(values, Fraction(0)),
                included=Decimal(0),
                billable=shared,
                unit_amount=self.percent,
                per=Decimal(100),
                flat=Decimal(exact_text(fees)),
            ),
        )

    def _charged(self, values: Sequence[Fraction]) -> tuple[Fraction, Fraction]:
        """What a share is due of, and the fees: for those at a limit the limit, in the place of both."""
        shared = fees = Fraction(0)
        share, fixed = Fraction(self.percent) / 100, Fraction(self.fixed)
        for value in self._beyond(values):
            due = value * share + fixed
            limited = self._limited(due)
            if limited == due:
                shared, fees = shared + value, fees + fixed
            else:
                fees += limited
        return shared, fees

    def _beyond(self, values: Sequence[Fraction]) -> Iterator[Fraction]:
        """What of each event is not free, of those that are not."""
        if self.free_events is None and self.free_amount is None:
            yield from values
            return
        so_far = Fraction(0)
        for number, value in enumerate(values):
            if self.free_events is not None and number >= self.free_events:
                yield value
                continue
            before, so_far = so_far, so_far + value
            if self.free_amount is not None and so_far > self.free_amount:
                yield so_far - max(before, Fraction(self.free_amount))

    def _limited(self, due: Fraction) -> Fraction:
        if self.minimum is not None:
            due = max(due, Fraction(self.minimum))
        return due if self.maximum is None else min(due, Fraction(self.maximum))

    def _description(self) -> str:
        fee = f" and {self.fixed:f}" if self.fixed else ""
        limits = (
            f", {words} {limit:f}"
            for words, limit in (("at least", self.minimum), ("at most", self.maximum))
            if limit is not None
        )
        free = [
            *([f"{self.free_events:,f} events"] if self.free_events is not None else ()),
            *([f"{self.free_amount:,f}"] if self.free_amount is not None else ()),
        ]
        after = f", after {' or '.join(free)} free per month" if free else ""
        return f"{self.percent:f}%{fee} per event{''.join(limits)}{after}"

    def _faults(self) -> Iterator[Fault]:
        if self.meter in METERS:
            yield Fault("meter", f"must be {CUSTOM}<name> of a meter with a ledger")
        yield from meter_faults(self.meter)
        yield from negative("percent", self.percent)
        yield from negative("fixed", self.fixed)
        for field in _OPTIONAL:
            value = getattr(self, field)
            if value is not None:
                yield from negative(field, value)
        if self.free_events is not None and self.free_events % 1:
            yield Fault("free_events", "must be a whole number")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            yield Fault("maximum", f"is less than the minimum of {self.minimum:f}")
