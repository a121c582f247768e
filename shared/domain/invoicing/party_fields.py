"""The fields of parties in JSON objects: each reads one, and notes what is wrong with it."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final, TypeVar
from uuid import UUID

from shared.domain.document import TEXT_MAX, Document
from shared.domain.errors import Rejected
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.parties import INTERVALS, TaxIds
from shared.domain.period import grid_instant, read_zone

LINES_MAX: Final = 12
TAX_IDS_MAX: Final = 8
YEARS: Final = range(2000, 9000)
Find = Callable[[str], UUID | None]
"""The id of what a text refers to."""
_PREFIX = re.compile(r"[^\W_]([^\W_]|[-/.]){0,15}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_T = TypeVar("_T")
_Choice = TypeVar("_Choice", bound=str)


def name_of(document: Document) -> str:
    """What it is found by, beside its UUID."""
    name = document.text("name")
    if is_uuid(name):
        document.fault("name", "must not look like a UUID")
    return name


def email_of(document: Document) -> str:
    return shaped(document, "email", _EMAIL, "must be an e-mail address")


def prefix_of(document: Document, name: str, default: str) -> str:
    if document.value(name) is None:
        return default
    return shaped(document, name, _PREFIX, "must be 1 to 16 letters, digits, -, / and ., the first no mark")


def shaped(document: Document, name: str, shape: re.Pattern[str], message: str) -> str:
    text = document.text(name)
    if text and not shape.fullmatch(text):
        document.fault(name, message)
    return text


def optional(document: Document, name: str, read: Callable[[str], _T]) -> _T | None:
    return None if document.value(name) is None else read(name)


def choice_of(document: Document, name: str, choices: tuple[_Choice, ...], default: _Choice) -> _Choice:
    value = document.value(name)
    if value is None:
        return default
    for choice in choices:
        if value == choice:
            return choice
    document.fault(name, f"must be one of {', '.join(choices)}")
    return default


def whole_number(document: Document, name: str, default: int, maximum: int) -> int:
    value = document.value(name)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum:
        return value
    document.fault(name, f"must be a whole number from 0 to {maximum}")
    return default


def lines_of(document: Document, name: str) -> tuple[str, ...]:
    lines = document.items(name, _line)
    if len(lines) > LINES_MAX:
        document.fault(name, f"must be at most {LINES_MAX} lines")
    return lines


def _line(value: object, path: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= TEXT_MAX and value.isprintable():
        return value
    raise Rejected.because(path, f"must be 1 to {TEXT_MAX} printable characters")


def tax_ids_of(document: Document) -> TaxIds:
    found = document.items("tax_ids", _tax_id)
    if len(found) > TAX_IDS_MAX:
        document.fault("tax_ids", f"must be at most {TAX_IDS_MAX}")
    return found


def _tax_id(value: object, path: str) -> tuple[str, str]:
    document = Document(value, path)
    name, given = document.text("name"), document.text("value")
    return document.finish(lambda: (name, given))


def zone_of(document: Document) -> str:
    name = "UTC" if document.value("timezone") is None else document.text("timezone")
    try:
        read_zone(name)
    except Rejected as refusal:
        document.fault(*refusal.faults[0])
    return name


def cycle_of(document: Document) -> BillingCycle:
    value = document.value("cycle")
    if value is None:
        return BillingCycle()
    cycle = Document(value, "cycle")
    interval = choice_of(cycle, "interval", INTERVALS, "month")
    anchor = optional(cycle, "anchor", lambda name: _date(cycle, name))
    try:
        return cycle.finish(lambda: BillingCycle(interval, anchor))
    except Rejected as refusal:
        for fault in refusal.faults:
            document.fault(*fault)
        return BillingCycle()


def _date(document: Document, name: str) -> date | None:
    value = document.value(name)
    try:
        if isinstance(value, str) and _DATE.fullmatch(value) and int(value[:4]) in YEARS:
            return date.fromisoformat(value)
    except ValueError:
        pass
    document.fault(name, f"must be a date of the years {YEARS[0]} to {YEARS[-1]}, such as 2025-01-31")
    return None


def grid_instant_of(document: Document, name: str) -> datetime | None:
    given = document.instant(name)
    if given is None or given.tzinfo is None:
        return None
    try:
        instant = grid_instant(name, given.astimezone(UTC))
    except Rejected as refusal:
        document.fault(*refusal.faults[0])
        return None
    except OverflowError:
        instant = given
    if instant.year not in YEARS:
        document.fault(name, f"must lie in the years {YEARS[0]} to {YEARS[-1]}")
    return instant


def reference_of(document: Document, name: str, kind: str, find: Find) -> UUID | None:
    ref = document.value(name)
    if ref is None:
        return None
    found = find(ref) if isinstance(ref, str) else None
    if found is None:
        document.fault(name, f"no {kind} {str(ref)[:TEXT_MAX]!r}")
    return found


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
