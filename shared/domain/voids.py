"""Voids: parts of usage that do not count, whatever comes of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from shared.domain.usage import event_key

VOIDS_MAX: Final = 100
"""At once."""
IDENTITY_BYTES_MAX: Final = 4_096
"""Of a source or an id; a Broker delivers no longer ones."""


@dataclass(frozen=True, slots=True)
class VoidRequest:
    """A part of a tenant, by its identity, that is to count no more, and why.

    `place` is its path in what was sent, empty where it is all that was sent; `tenant_field` is the path
    of the field that names the tenant.
    """

    tenant_ref: str
    source: str
    id: str
    reason: str
    place: str = ""
    tenant_field: str = "tenant_id"

    @property
    def event_key(self) -> UUID:
        return event_key(self.source, self.id)

    def at(self, name: str) -> str:
        """The path of a field of its."""
        return f"{self.place}.{name}" if self.place else name


class VoidPosition(NamedTuple):
    """Where a void stands in the list: the newest come first."""

    voided_at: datetime
    tenant_id: UUID
    event_key: UUID


@dataclass(frozen=True, slots=True)
class Void:
    """A part that does not count.

    `received_at` is when the part came, None as long as none has. It `counted` where it had come before it
    was voided: then `records` and `invocations` were taken back.
    """

    tenant_id: UUID
    tenant: str
    event_key: UUID
    source: str
    event_id: str
    reason: str
    voided_at: datetime
    voided_by: str
    received_at: datetime | None
    counted: bool
    records: int
    invocations: int

    @property
    def position(self) -> VoidPosition:
        return VoidPosition(self.voided_at, self.tenant_id, self.event_key)


class Voided(NamedTuple):
    """A void that was asked for. `is_new`: it was not void before."""

    void: Void
    is_new: bool
