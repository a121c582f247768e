"""RFC 3339 texts to instants, to the letter: `datetime.fromisoformat` alone takes far more."""

import re
from datetime import UTC, datetime

from eventing.usage.wrong import Wrong
from shared.domain.usage import EARLIEST

_DATE = r"(\d{4}-\d\d-\d\d)[Tt]"
_TIME = r"((?:[01]\d|2[0-3]):[0-5]\d:)([0-5]\d|60)(\.\d+)?"
_OFFSET = r"([Zz]|[+-](?:0\d|1[0-5]):[0-5]\d)"
# PostgreSQL, where `usage_raw` reads the text again, takes no larger offset; there is none on Earth.
_rfc3339 = re.compile(_DATE + _TIME + _OFFSET, re.ASCII).fullmatch
_read = datetime.fromisoformat
_without_offset = re.compile(_DATE + _TIME, re.ASCII).fullmatch


_USUAL = frozenset(("--T::Z", "--T::+", "--T::."))
"""Every third character, from the fifth, of 2025-10-15T12:00:00Z, or with +00:00, or with a fraction."""
_IN_UTC = frozenset(("Z", "+00:00"))


def instant(text: str) -> datetime:
    """The instant in UTC, truncated to microseconds; a second 60 counts as 59.

    Raises Wrong for anything but RFC 3339 with an offset, and before the year 2000.
    """
    # A third of the time of the pattern, for what nearly everybody sends: no fraction, or six digits of one,
    # behind which `fromisoformat` takes anything at all.
    marks = text[4:20:3]
    if marks in _USUAL and (text[26:] if marks[5] == "." else text[19:]) in _IN_UTC and text.isascii():
        try:
            at = _read(text)
        except ValueError:
            at = _by_the_letter(text)
    else:
        at = _by_the_letter(text)
    if at < EARLIEST:
        raise Wrong(f"lies before the year {EARLIEST.year}")
    return at


def _by_the_letter(text: str) -> datetime:
    spelling = _rfc3339(text)
    if spelling is None:
        raise Wrong(_what_is_wrong(text))
    date, hour_minute, second, fraction, offset = spelling.groups(default="")
    try:
        return _read(f"{date}T{hour_minute}{min(second, '59')}{fraction}{offset.upper()}").astimezone(UTC)
    except ValueError:
        raise Wrong("is not a day of the calendar") from None
    except OverflowError:
        raise Wrong("is out of range") from None


def _what_is_wrong(text: str) -> str:
    if _without_offset(text):
        return "has no offset from UTC: add Z or one such as +02:00"
    return "must be an RFC 3339 time such as 2025-10-15T12:00:00Z"
