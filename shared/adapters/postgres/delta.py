"""The text of a delta: the 5-minute windows that one part adds to. It lives until the next fold."""

import json
from datetime import timedelta
from uuid import UUID

from shared.domain.aggregate import Series, WindowKey, Windows
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH, WindowSize

_SECOND = timedelta(seconds=1)


def encode(windows: Windows) -> str:
    # The standard library's JSON, since a sum of the largest records outgrows 64 bits.
    return json.dumps(
        [
            [
                (key.start - EPOCH) // _SECOND,
                key.series.service_id.hex,
                key.series.revision_id.hex,
                [getattr(facts, name) for name in NUMBERS],
                [*facts.durations.items()],
            ]
            for key, facts in windows.items()
        ],
        separators=(",", ":"),
    )


def decode(text: str) -> Windows:
    return {
        WindowKey(
            WindowSize.M5, EPOCH + timedelta(seconds=start_s), Series(UUID(service_id), UUID(revision_id))
        ): WindowFacts.of(numbers, dict(durations))
        for start_s, service_id, revision_id, numbers, durations in json.loads(text)
    }
