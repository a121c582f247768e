"""Events that could not be delivered, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event as it was sent, and what became of its delivery.

    `attributes` are all that it came with, those that brokers add on the way included; `data` is verbatim.
    `destination` is the URL that did not take it, `status` and `answer` what it said; they are empty where
    the broker had no answer that it understands. `reason` says it all in one line, for people.
    """

    attributes: Mapping[str, str]
    data: bytes = field(repr=False)
    reason: str
    destination: str = ""
    status: str = ""
    answer: str = ""

    @property
    def type(self) -> str:
        return self.attributes.get("type", "")
