"""Meters that users define, as data in versions by date, beside the built-in ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from shared.domain.errors import Fault, Rejected
from shared.domain.meters import CUSTOM, CUSTOM_LENGTH_MAX, METERS, is_custom_name
from shared.domain.usage import TEXT_MAX
from shared.domain.windows import WindowSize, floor

FIELDS: Final = (
    "invocations",
    "duration_ns",
    "duration_ms",
    "duration_seconds",
    "cpu_seconds",
    "memory_mb",
    "egress_bytes",
    "provisioned_seconds",
    "errors",
    "cold_starts",
)
QUANTITY: Final = "quantities."
LABEL: Final = "labels."
REQUEST: Final = "request_id"
WINDOW: Final = "window"
PLAIN_FILTERS: Final = ("service_name", "cold_start")
SUM, COUNT, MAX, LATEST, UNIQUE, PERCENTILE, WEIGHTED_SUM = AGGREGATIONS = (
    "sum",
    "count",
    "max",
    "latest",
    "unique",
    "percentile",
    "weighted_sum",
)
INVOCATION, RECORD, TOTAL = ROUNDINGS = ("invocation", "record", "total")
UP, NEAREST = DIRECTIONS = ("up", "nearest")

FIELDS_MAX: Final = 2
FILTERS_MAX: Final = 8
DIMENSIONS_MAX: Final = 2
DIMENSION_VALUES_MAX: Final = 1_000
"""Of a label, of one tenant's meter; what comes beyond them counts under `dimensions.OTHER`."""


@dataclass(frozen=True, slots=True)
class MeterVersion:
    """How a meter counts from `effective_from` on (None: from the beginning) until its next version.

    A record's value is one of FIELDS or `quantities.<name>`, or the product of two, in `fields`. It is
    taken per invocation or per record, made at least `minimum` and rounded to a multiple of `step`,
    `towards` the next (UP) or the nearest, of two as near the greater; by `total` that is done to the
    quantity of a counting period as it is read. `of` is what a unique count tells apart: `request_id` or
    `labels.<name>`; a percentile with WINDOW is one of the sums of windows of 5 minutes. What `less` makes,
    as `fields` do, lowers the level of a weighted sum. A `ledger` keeps the records' values one by one.
    Only records that equal every filter of `where` count. The values of the labels in `dimensions` are kept
    apart.
    """

    number: int
    effective_from: datetime | None
    created_at: datetime
    aggregation: str
    fields: tuple[str, ...] = ()
    of: str = ""
    percentile: Decimal | None = None
    less: tuple[str, ...] = ()
    ledger: bool = False
    rounding: str = RECORD
    step: Decimal | None = None
    towards: str = UP
    minimum: Decimal | None = None
    where: tuple[tuple[str, str], ...] = ()
    dimensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    def _faults(self) -> Iterator[Fault]:
        if self.aggregation not in AGGREGATIONS:
            yield Fault("aggregation", f"must be one of {', '.join(AGGREGATIONS)}")
        if self.rounding not in ROUNDINGS:
            yield Fault("rounding", f"must be one of {', '.join(ROUNDINGS)}")
        if self.towards not in DIRECTIONS:
            yield Fault("towards", f"must be one of {', '.join(DIRECTIONS)}")
        elif self.towards != UP and self.step is None:
            yield Fault("step", f"is missing: of what a value is rounded to the {self.towards} multiple")
        yield from self._value_faults()
        yield from self._percentile_faults()
        yield from self._ledger_faults()
        for name, value in (("step", self.step), ("minimum", self.minimum)):
            if value is not None and not (value.is_finite() and value > 0):
                yield Fault(name, "must be more than zero")
        if self.rounding == INVOCATION and self.step is None:
            # A third of a record's value has no end as a decimal, and nothing here is ever cut.
            yield Fault("step", "is missing: what is taken per invocation is rounded up to a multiple of it")
        if (
            self.effective_from is not None
            and floor(self.effective_from, WindowSize.D1) != self.effective_from
        ):
            yield Fault("effective_from", f"must be the start of a UTC day, {_nearest(self.effective_from)}")
        yield from _where_faults(self.where)
        yield from _dimension_faults(self.dimensions)

    def _value_faults(self) -> Iterator[Fault]:
        if self.less and self.aggregation != WEIGHTED_SUM:
            yield Fault("less", f"is for aggregation {WEIGHTED_SUM} only")
        if self.aggregation == UNIQUE:
            if not is_key(self.of):
                yield Fault("of", f"must be {REQUEST} or {LABEL}<name>: what is told apart")
            if self.fields:
                yield Fault("value", "is one field too many: a unique count has `of`")
            if self.rounding == INVOCATION:
                yield Fault("rounding", "must be record or total: a unique count tells records apart")
            return
        if self.of and self.aggregation != PERCENTILE:
            yield Fault("of", f"is for aggregation {UNIQUE} or {PERCENTILE} only")
        yield from _field_faults("value", self.fields, least=1)
        yield from _field_faults("less", self.less, least=0)

    def _percentile_faults(self) -> Iterator[Fault]:
        if self.aggregation != PERCENTILE:
            if self.percentile is not None:
                yield Fault("percentile", f"is for aggregation {PERCENTILE} only")
            return
        if self.percentile is None:
            yield Fault("percentile", "is missing: which one, such as 95")
        elif not (self.percentile.is_finite() and 0 <= self.percentile <= 100):
            yield Fault("percentile", "must lie between 0 and 100")
        if self.of not in ("", WINDOW):
            yield Fault("of", f"must be {WINDOW}, or left out for a percentile of records")

    def _ledger_faults(self) -> Iterator[Fault]:
        if self.ledger and self.aggregation != SUM:
            yield Fault("ledger", f"is for aggregation {SUM} only")
        if self.ledger and self.rounding != RECORD:
            yield Fault("rounding", f"must be {RECORD}: a ledger keeps the values of records")


@dataclass(frozen=True, slots=True)
class MeterDefinition:
    """A meter of all tenants, or of `tenant_id`; prices call it `custom.<name>`.

    Versions are in order of `effective_from`; they aggregate alike: of the same values, by the same
    percentile, into a ledger or not.
    Raises Rejected with every fault.
    """

    id: UUID
    name: str
    unit: str
    units: str
    tenant_id: UUID | None
    created_at: datetime
    versions: tuple[MeterVersion, ...]

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise Rejected(*faults)

    def _faults(self) -> Iterator[Fault]:
        if not is_custom_name(self.name):
            rule = f"at most {CUSTOM_LENGTH_MAX} lower-case letters, digits and single _ between them"
            yield Fault("name", f"must be {rule}, such as llm_tokens")
        elif self.name in METERS:
            yield Fault("name", "is that of a built-in meter")
        for field, text in (("unit", self.unit), ("units", self.units)):
            if not text:
                yield Fault(field, "is missing")
        assert self.versions, "a meter has at least one version"
        for version, following in zip(self.versions, self.versions[1:], strict=False):
            yield from _order_faults(version, following)

    @property
    def price_name(self) -> str:
        return CUSTOM + self.name

    @property
    def aggregation(self) -> str:
        return self.versions[0].aggregation

    @property
    def has_ledger(self) -> bool:
        return self.versions[0].ledger

    def version_at(self, instant: datetime) -> MeterVersion | None:
        """The one in force; None before the first."""
        found = None
        for version in self.versions:
            if version.effective_from is None or version.effective_from <= instant:
                found = version
        return found

    def end_of(self, version: MeterVersion) -> datetime | None:
        """When the next version comes into force; None where there is none."""
        following = self.versions[version.number :]
        return following[0].effective_from if following else None

    def spans(self, start: datetime, end: datetime) -> Iterator[tuple[int, datetime, datetime]]:
        """Each version's share of [start, end), by its number."""
        for version in self.versions:
            since = max(start, version.effective_from or start)
            until = min(end, self.end_of(version) or end)
            if since < until:
                yield version.number, since, until

    def with_version(self, version: MeterVersion) -> "MeterDefinition":
        """Raises Rejected where it is out of order, or aggregates otherwise."""
        return replace(self, versions=(*self.versions, version))


def is_key(text: str) -> bool:
    """Whether it names what a unique count can tell apart."""
    return text == REQUEST or _is_named(text, LABEL)


def where_of(filters: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(filters.items()))


def _order_faults(version: MeterVersion, following: MeterVersion) -> Iterator[Fault]:
    since, at = version.effective_from, following.effective_from
    if at is None:
        yield Fault("effective_from", "is missing: only the first version may hold from the beginning")
    elif since is not None and at <= since:
        yield Fault("effective_from", f"must lie after {since:%Y-%m-%d}, that of version {version.number}")
    if following.aggregation != version.aggregation:
        yield Fault("aggregation", f"never changes: the meter's is {version.aggregation}")
    if following.of != version.of:
        yield Fault("of", f"never changes: the meter's is {version.of or 'nothing'}")
    if following.percentile != version.percentile:
        yield Fault("percentile", f"never changes: the meter's is {version.percentile or 'none'}")
    if following.ledger != version.ledger:
        yield Fault("ledger", "never changes: what was before is in it, or is not")


def _field_faults(member: str, fields: Sequence[str], *, least: int) -> Iterator[Fault]:
    if not least <= len(fields) <= FIELDS_MAX:
        yield Fault(member, f"must be one field, or a list of {FIELDS_MAX}")
    for name in fields:
        if name not in FIELDS and not _is_named(name, QUANTITY):
            known = ", ".join(FIELDS)
            yield Fault(member, f"{name[:TEXT_MAX]!r} is none of {known}, {QUANTITY}<name>")


def _where_faults(where: Sequence[tuple[str, str]]) -> Iterator[Fault]:
    if len(where) > FILTERS_MAX:
        yield Fault("where", f"must have at most {FILTERS_MAX} filters")
    for name, value in where:
        if name not in PLAIN_FILTERS and not _is_named(name, LABEL):
            filters = ", ".join(PLAIN_FILTERS)
            yield Fault(f"where.{name[:TEXT_MAX]}", f"is none of {filters}, {LABEL}<name>")
        elif name == "cold_start" and value not in ("true", "false"):
            yield Fault("where.cold_start", "must be true or false")


def _dimension_faults(dimensions: Sequence[str]) -> Iterator[Fault]:
    if len(dimensions) > DIMENSIONS_MAX:
        yield Fault("dimensions", f"must be at most {DIMENSIONS_MAX} labels")
    for index, name in enumerate(dimensions):
        if name in dimensions[:index]:
            yield Fault(f"dimensions[{index}]", "is named twice")


def _is_named(text: str, prefix: str) -> bool:
    return text.startswith(prefix) and prefix != text and len(text) <= len(prefix) + TEXT_MAX


def _nearest(instant: datetime) -> str:
    return f"such as {floor(instant.astimezone(UTC), WindowSize.D1):%Y-%m-%dT%H:%M:%SZ}"
