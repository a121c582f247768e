"""Meters as JSON objects: as clients enter them, and as they are kept."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

from shared.domain.document import TEXT_MAX, Document
from shared.domain.errors import Fault, Rejected
from shared.domain.meter_definition import COUNT, RECORD, UP, MeterDefinition, MeterVersion, where_of
from shared.domain.rating.fields import read_texts
from shared.domain.tenant import Tenant

_T = TypeVar("_T")
_YEARS: Final = range(2000, 9000)
_COUNTED: Final = "invocations"
"""Every record has them: what is counted where nothing else is said."""


def read_meter(
    value: Mapping[str, object],
    *,
    id: UUID,
    created_at: datetime,
    find_tenant: Callable[[str], Tenant | None],
) -> MeterDefinition:
    """The meter that a client describes, with its first version. Raises Rejected with every fault."""
    document = Document(value)
    name, unit = document.text("name"), document.text("unit")
    units = f"{unit}s" if document.value("units") is None else document.text("units")
    ref = document.value("tenant_id")
    tenant = find_tenant(ref) if isinstance(ref, str) else None
    if ref is not None and tenant is None:
        document.fault("tenant_id", f"no tenant {str(ref)[:TEXT_MAX]!r}")
    make_version = _read_version(document, 1, created_at)

    def make() -> MeterDefinition:
        faults: list[Fault] = []
        version = _collected(faults, make_version) or MeterVersion(1, None, created_at, COUNT, (_COUNTED,))
        tenant_id = tenant.id if tenant else None
        meter = _collected(
            faults, lambda: MeterDefinition(id, name, unit, units, tenant_id, created_at, (version,))
        )
        if meter is None or faults:
            raise Rejected(*faults)
        return meter

    return document.finish(make)


def read_version(
    value: Mapping[str, object], meter: MeterDefinition, *, created_at: datetime
) -> MeterVersion:
    """The next version of `meter` that a client describes. Raises Rejected with every fault."""
    document = Document(value)
    make_version = _read_version(document, len(meter.versions) + 1, created_at)

    def make() -> MeterVersion:
        version = make_version()
        meter.with_version(version)
        return version

    return document.finish(make)


def version_to_dict(version: MeterVersion) -> dict[str, object]:
    """What `version_of` reads; numbers as decimal text."""
    return {
        "aggregation": version.aggregation,
        "value": list(version.fields),
        "of": version.of or None,
        "percentile": None if version.percentile is None else f"{version.percentile:f}",
        "less": list(version.less),
        "ledger": version.ledger,
        "rounding": version.rounding,
        "step": None if version.step is None else f"{version.step:f}",
        "towards": version.towards,
        "minimum": None if version.minimum is None else f"{version.minimum:f}",
        "where": dict(version.where),
        "dimensions": list(version.dimensions),
    }


def version_of(
    kept: Mapping[str, object], number: int, effective_from: datetime | None, created_at: datetime
) -> MeterVersion:
    """What `version_to_dict` wrote."""
    document = Document({name: value for name, value in kept.items() if value not in ([], None)})
    make = _read_version(document, number, created_at, effective_from=effective_from)
    return document.finish(make)


def _read_version(
    document: Document, number: int, created_at: datetime, *, effective_from: datetime | None = None
) -> Callable[[], MeterVersion]:
    since = document.instant("effective_from")
    if since is not None and since.tzinfo is not None:
        effective_from = _in_calendar(document, since)
    aggregation = document.text("aggregation")
    fields = _texts(document, "value")
    if aggregation == COUNT and not fields:
        fields = (_COUNTED,)
    of = "" if document.value("of") is None else document.text("of")
    percentile, less = _decimal(document, "percentile"), _texts(document, "less")
    ledger = document.flag("ledger", default=False)
    rounding = RECORD if document.value("rounding") is None else document.text("rounding")
    step, minimum = _decimal(document, "step"), _decimal(document, "minimum")
    towards = UP if document.value("towards") is None else document.text("towards")
    where = where_of(_filters(document))
    dimensions = read_texts(document, "dimensions") if document.value("dimensions") != [] else ()
    return lambda: MeterVersion(
        number=number,
        effective_from=effective_from,
        created_at=created_at,
        aggregation=aggregation,
        fields=fields,
        of=of,
        percentile=percentile,
        less=less,
        ledger=ledger,
        rounding=rounding,
        step=step,
        towards=towards,
        minimum=minimum,
        where=where,
        dimensions=dimensions,
    )


def _texts(document: Document, field: str) -> tuple[str, ...]:
    """A text, or a list of some; () where it is absent."""
    if isinstance(document.value(field), str):
        return (document.text(field),)
    return read_texts(document, field)


def _decimal(document: Document, field: str) -> Decimal | None:
    return None if document.value(field) is None else document.decimal(field)


def _filters(document: Document) -> Mapping[str, str]:
    value = document.value("where")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        document.fault("where", 'must be an object, such as {"labels.region": "eu"}')
        return {}
    filters: dict[str, str] = {}
    for name, wanted in value.items():
        text = str(wanted).lower() if isinstance(wanted, bool) else wanted
        if isinstance(text, str) and len(text) <= TEXT_MAX and text.isprintable():
            filters[str(name)] = text
        else:
            document.fault(f"where.{str(name)[:TEXT_MAX]}", "must be a text that is printable")
    return filters


def _in_calendar(document: Document, instant: datetime) -> datetime | None:
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        instant = datetime(1, 1, 1, tzinfo=UTC)
    if instant.year not in _YEARS:
        document.fault("effective_from", f"must lie between the years {_YEARS.start} and {_YEARS.stop}")
        return None
    return instant


def _collected(faults: list[Fault], make: Callable[[], _T]) -> _T | None:
    try:
        return make()
    except Rejected as refusal:
        faults += refusal.faults
        return None
