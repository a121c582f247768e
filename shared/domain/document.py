"""Reading JSON objects into domain values: every fault is named with its path, then all refused at once."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from shared.domain.errors import Fault, Rejected

TEXT_MAX = 256
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,18})?")
_DECIMAL_WANTED = "must be a decimal string of at most 20 digits before the point and 18 after it"
_T = TypeVar("_T")


class Document:
    """A JSON object being read. `finish` raises Rejected with all that was wrong with it.

    Numbers are exact: decimal strings or JSON integers, never a float. A field with a fault reads as a
    value of its type, so that reading goes on to the next fault; only the first of a field is kept, and
    those of its items count before its own.
    """

    def __init__(self, value: object, path: str = "") -> None:
        self._path = path
        self._faults: dict[str, Fault] = {}
        self._read: set[str] = set()
        self._fields: Mapping[str, object] = {}
        if isinstance(value, Mapping):
            self._fields = value
        else:
            self.fault("", "must be an object")

    def fault(self, name: str, message: str) -> None:
        path = self._path_of(name)
        is_no_object = self._path in self._faults
        has_bad_items = any(known.startswith(f"{path}[") for known in self._faults)
        if not (is_no_object or has_bad_items):
            self._faults.setdefault(path, Fault(path, message))

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(self._faults.values())

    def value(self, name: str) -> object:
        """The field as it is; None where it is absent or null."""
        self._read.add(name)
        return self._fields.get(name)

    def text(self, name: str) -> str:
        value = self.value(name)
        if isinstance(value, str) and 0 < len(value) <= TEXT_MAX and value.isprintable():
            return value
        self.fault(name, "is missing" if value is None else f"must be 1 to {TEXT_MAX} printable characters")
        return ""

    def decimal(self, name: str, default: Decimal | None = None) -> Decimal:
        """At most 20 digits before the point and 18 after it, as published (0.20 stays 0.20)."""
        value = self.value(name)
        if value is None and default is not None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**20 else ""
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            return Decimal(value)
        self.fault(name, "is missing" if value is None else _DECIMAL_WANTED)
        return Decimal(1)

    def flag(self, name: str, default: bool) -> bool:
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(name, "must be true or false")
        return value is True

    def uuid(self, name: str) -> UUID | None:
        return self._parsed(name, UUID, "must be a UUID")

    def instant(self, name: str) -> datetime | None:
        message = "must be a time with an offset, such as 2025-01-31T00:00:00Z"
        instant = self._parsed(name, datetime.fromisoformat, message)
        if instant is not None and instant.tzinfo is None:
            self.fault(name, message)
        return instant

    def items(self, name: str, read: Callable[[object, str], _T]) -> tuple[_T, ...]:
        """Each item of an array by `read(item, path)`; its faults become faults of this document."""
        value = self.value(name)
        if not isinstance(value, list | tuple | None):
            self.fault(name, "must be an array")
            return ()
        results: list[_T] = []
        for index, item in enumerate(value or ()):
            try:
                results.append(read(item, self._path_of(f"{name}[{index}]")))
            except Rejected as refusal:
                self._faults.update((fault.field, fault) for fault in refusal.faults)
        return tuple(results)

    def finish(self, make: Callable[[], _T]) -> _T:
        """What `make` makes of the fields read.

        Raises Rejected for every fault found, those that `make` refuses with and the fields that nobody
        read among them.
        """
        for name in self._fields:
            if name not in self._read:
                self.fault(str(name)[:64], "unknown field")
        try:
            made = make()
        except Rejected as refusal:
            for fault in refusal.faults:
                self.fault(*fault)
        if self._faults:
            raise Rejected(*self.faults)
        return made

    def _path_of(self, name: str) -> str:
        return f"{self._path}{'.' if self._path and name else ''}{name}"

    def _parsed(self, name: str, parse: Callable[[str], _T], message: str) -> _T | None:
        value = self.value(name)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                return parse(value)
        except ValueError:
            pass
        self.fault(name, message)
        return None
