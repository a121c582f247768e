"""Dataclasses as JSON and back, by the types of their fields: what is frozen reads as it was written."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from shared.domain.errors import Fault, Malformed
from shared.domain.period import Period

_T = TypeVar("_T")


def encode(value: object) -> dict[str, object]:
    """A dataclass as a JSON object. Decimals are text as they are, times RFC 3339 in UTC."""
    assert is_dataclass(value)
    return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}


def decode(kind: type[_T], value: object, path: str = "") -> _T:
    """The dataclass that `encode` made `value` of; a field with a default may be absent.

    Raises Malformed naming the path of the first field that cannot be read.
    """
    if not isinstance(value, Mapping):
        raise _malformed(path, "must be an object")
    hints = _hints(kind)  # type: ignore[arg-type]
    if unknown := sorted(str(name) for name in value.keys() - hints.keys()):
        raise _malformed(_below(path, unknown[0]), "unknown field")
    given = {name: _decoded(hints[name], value[name], _below(path, name)) for name in hints if name in value}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in given and field.default is MISSING:
            raise _malformed(_below(path, field.name), "is missing")
    return kind(**given)


def _encoded(value: object) -> object:
    match value:
        case Period():
            return {"start": _encoded(value.start), "end": _encoded(value.end)}
        case tuple():
            return [_encoded(item) for item in value]
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case str() | int() | None:
            return value
    return encode(value)


def _decoded(kind: Any, value: object, path: str) -> Any:
    origin = get_origin(kind)
    if origin is UnionType:
        return None if value is None else _decoded(_only(kind), value, path)
    if origin is tuple:
        return _items(get_args(kind), value, path)
    if origin is Literal:
        return _checked(value in get_args(kind), value, path, f"must be one of {get_args(kind)}")
    if kind is Period:
        return _period(value, path)
    if is_dataclass(kind):
        return decode(kind, value, path)  # type: ignore[arg-type]
    if kind is Decimal:
        return _decimal(value, path)
    if kind is datetime:
        return _instant(value, path)
    return _checked(type(value) is kind, value, path, f"must be of type {kind.__name__}")


def _items(kinds: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    """A tuple of any length of one type, or of as many items as it has types."""
    _checked(isinstance(value, list | tuple), value, path, "must be an array")
    assert isinstance(value, list | tuple)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(value)
    _checked(len(kinds) == len(value), value, path, f"must have {len(kinds)} items")
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(_decoded(kind, item, f"{path}[{index}]") for index, (kind, item) in pairs)


def _period(value: object, path: str) -> Period:
    if not isinstance(value, Mapping) or value.keys() != {"start", "end"}:
        raise _malformed(path, "must be an object of start and end")
    return Period(*(_instant(value[name], _below(path, name)) for name in Period._fields))


def _decimal(value: object, path: str) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise _malformed(path, "must be decimal text")
    return number


def _instant(value: object, path: str) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise _malformed(path, "must be a time with an offset")
    return instant


def _checked(is_valid: bool, value: object, path: str, message: str) -> object:
    if not is_valid:
        raise _malformed(path, message)
    return value


def _only(union: UnionType) -> Any:
    """The one type that may also be None."""
    (kind,) = (one for one in get_args(union) if one is not NoneType)
    return kind


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _malformed(path: str, message: str) -> Malformed:
    return Malformed(Fault(path, message))
