"""A usage record with all that a meter may look at."""

from collections.abc import Mapping
from typing import NamedTuple

from shared.domain.usage import UsageRecord


class MeteredRecord(NamedTuple):
    """A record in whole units, and beside it what the windows of facts have no need of.

    `missing` are fields of meters that were not sent and for which nothing stands in. `quantities` are
    decimal numbers as text. `position` is the record's place in its payload.
    """

    usage: UsageRecord
    labels: Mapping[str, str]
    request_id: str | None
    quantities: Mapping[str, str]
    missing: frozenset[str]
    position: int
