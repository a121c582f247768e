"""Windows as lines of text that PostgreSQL reads as rows of type `usage_delta_window`.

A delta, which lives until the next fold, is the lines of the 5-minute windows that one part adds to.
"""

from datetime import timedelta
from operator import attrgetter

from shared.domain import sketch
from shared.domain.aggregate import Windows
from shared.domain.facts import NUMBERS
from shared.domain.windows import EPOCH

_SECOND = timedelta(seconds=1)
_numbers = attrgetter(*NUMBERS)
_line = f"(%d,%s,{','.join(['%d'] * len(NUMBERS))},\\\\x%s)"
"""Start in seconds since EPOCH, service, revision, NUMBERS, sketch in hex; a backslash is written twice."""


def encode(windows: Windows) -> str:
    return "\n".join(lines(windows))


def lines(windows: Windows) -> list[str]:
    """In the order of the windows."""
    names = {of: f"{of.service_id.hex},{of.revision_id.hex}" for of in {key.series for key in windows}}
    starts = {start: (start - EPOCH) // _SECOND for start in {key.start for key in windows}}
    return [
        _line % (starts[key.start], names[key.series], *_numbers(facts), sketch.encode(facts.durations).hex())
        for key, facts in windows.items()
    ]
