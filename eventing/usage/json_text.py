"""JSON text to plain objects, for the faults in it."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from shared.domain.errors import Malformed, Rejected

_INFINITE = Decimal("Infinity")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return _INFINITE


_read = msgspec.json.Decoder(float_hook=_decimal).decode


def read_json(text: bytes, field: str) -> object:
    """Objects, lists, texts, int, Decimal (infinite where the exponent is beyond all measure), bool, None.

    Raises Malformed for what is not JSON in UTF-8 or nested too deeply, Rejected for endless integers.
    """
    try:
        return _read(text)
    except RecursionError:
        raise Malformed.because(field, "is nested too deeply") from None
    except UnicodeDecodeError:
        raise Malformed.because(field, _not_utf8(text)) from None
    except msgspec.ValidationError:
        raise Rejected.because(field, "holds a whole number of more than 4,300 digits") from None
    except msgspec.DecodeError as error:
        raise Malformed.because(
            field, f"is not JSON: {str(error).removeprefix('JSON is malformed: ')}"
        ) from None


def _not_utf8(text: bytes) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8: byte {error.start}"
    raise AssertionError("msgspec and Python read UTF-8 alike")


def repeated_names(text: bytes) -> list[str]:
    """The names that an object gives twice, in order, where the text is known to be JSON."""
    repeated: dict[str, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                repeated[name] = None
            seen.add(name)

    json.loads(text.decode(), object_pairs_hook=note, parse_float=str)
    return list(repeated)
