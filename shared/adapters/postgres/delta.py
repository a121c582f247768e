"""Windows as lines of text that PostgreSQL reads as rows of type `usage_delta_window`.

A delta, which lives until the next fold, is the lines of the 5-minute windows that one part adds to.
"""

from datetime import timedelta
from operator import attrgetter

from msgspec.json import Encoder

from shared.domain import sketch
from shared.domain.aggregate import Windows
from shared.domain.facts import NUMBERS
from shared.domain.windows import EPOCH

_SECOND = timedelta(seconds=1)
_numbers = attrgetter(*NUMBERS)
_json = Encoder().encode


def encode(windows: Windows) -> str:
    """A line each, in the order of the windows: start in seconds since EPOCH, service, revision, NUMBERS,
    sketch in hex; a backslash is written twice.

    Lists in JSON with other brackets and no quotes: hundreds of numbers are written in C (ADR 13).
    """
    starts = {start: (start - EPOCH) // _SECOND for start in {key.start for key in windows}}
    rows = [
        (starts[start], *series, *_numbers(facts), f"\\x{sketch.encode_hex(facts.durations)}")
        for (_, start, series), facts in windows.items()
    ]
    text = _json(rows).translate(None, b'"')[2:-2].replace(b"],[", b")\n(")
    return f"({text.decode()})" if rows else ""
