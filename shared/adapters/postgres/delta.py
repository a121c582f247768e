"""The text of a delta: the 5-minute windows that one part adds to. It lives until the next fold."""

from datetime import timedelta
from uuid import UUID

from msgspec.json import Decoder, Encoder

from shared.domain.aggregate import Series, WindowKey, Windows
from shared.domain.facts import NUMBERS, WindowFacts
from shared.domain.windows import EPOCH, WindowSize

_SECOND = timedelta(seconds=1)
_encode = Encoder().encode
_decode = Decoder(list[tuple[int, UUID, UUID, list[int], dict[int, int]]]).decode
"""Start in seconds since EPOCH, service, revision, NUMBERS, durations; whole numbers of any size."""


def encode(windows: Windows) -> str:
    return _encode(
        [
            (
                (key.start - EPOCH) // _SECOND,
                key.series.service_id,
                key.series.revision_id,
                [getattr(facts, name) for name in NUMBERS],
                facts.durations,
            )
            for key, facts in windows.items()
        ]
    ).decode()


def decode(text: str) -> Windows:
    return {
        WindowKey(
            WindowSize.M5, EPOCH + timedelta(seconds=start_s), Series(service_id, revision_id)
        ): WindowFacts.of(numbers, durations)
        for start_s, service_id, revision_id, numbers, durations in _decode(text)
    }
