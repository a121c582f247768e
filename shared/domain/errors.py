"""What can go wrong, by what the sender should do about it.

Rejected       the input is wrong and will stay wrong: correct it, do not repeat it
├── Malformed  the input cannot be read at all
├── TooLarge   the input exceeds a size limit
├── Conflict   an identity was used before for other content
└── NotFound   the thing named does not exist
Unavailable    nothing is wrong with the input: repeat it later
Anything else is a bug.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """One thing wrong with an input: where (a path such as `records[3].memory_mb`) and what."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Rejected(Exception):
    """The input is refused, for every reason listed; nothing of it was kept.

    `total` counts the faults, where more were found than are listed.
    """

    def __init__(self, *faults: Fault, total: int | None = None) -> None:
        assert faults, "a refusal names at least one fault"
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults
        self.total = len(faults) if total is None else total

    @classmethod
    def because(cls, field: str, message: str) -> "Rejected":
        return cls(Fault(field, message))


class Malformed(Rejected):
    """The input is not in the format that it claims to be in, such as broken JSON."""


class TooLarge(Rejected):
    """The input is larger than the contract allows."""


class Conflict(Rejected):
    """The identity was used before for other content."""


class NotFound(Rejected):
    """The thing named does not exist."""


class Unavailable(Exception):
    """A dependency is away for now; the same input may be sent again."""
