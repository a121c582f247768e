"""Cursors: where a list goes on, as text that clients pass back without reading it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import TypeVar

from shared.domain.errors import Rejected

_Position = TypeVar("_Position")


def write_cursor(kind: str, *parts: str) -> str:
    """The cursor behind the item that `parts` identify in lists of that kind."""
    text = json.dumps([kind, *parts], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(kind: str, cursor: str | None, position: Callable[..., _Position]) -> _Position | None:
    """`position` of the parts that `write_cursor` was given; None without a cursor.

    Raises Rejected for any other text.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found, *parts = json.loads(urlsafe_b64decode(padded))
        if found == kind and all(isinstance(part, str) for part in parts):
            return position(*parts)
    except (ValueError, TypeError, RecursionError):
        pass
    raise Rejected.because("cursor", "is not a next_cursor of this list")
