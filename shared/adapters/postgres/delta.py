"""Windows as lines of text that PostgreSQL reads as rows of type `usage_delta_window`.

A delta, which lives until the next fold, is the lines of the 5-minute windows that one part adds to.
"""

from datetime import timedelta
from operator import attrgetter

from shared.domain import sketch
from shared.domain.aggregate import WindowKey, Windows
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH

_SECOND = timedelta(seconds=1)
_numbers = attrgetter(*NUMBERS)
_line = f"(%d,%s,%s,{','.join(['%d'] * len(NUMBERS))},\\\\x%s)"
"""Start in seconds since EPOCH, service, revision, NUMBERS, sketch in hex; a backslash is written twice."""


def encode(windows: Windows) -> str:
    return "\n".join(line(key, facts) for key, facts in windows.items())


def line(key: WindowKey, facts: WindowFacts) -> str:
    (service_id, revision_id), start = key.series, key.start
    return _line % (
        (start - EPOCH) // _SECOND,
        service_id.hex,
        revision_id.hex,
        *_numbers(facts),
        sketch.encode(facts.durations).hex(),
    )
