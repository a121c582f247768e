"""Declaring dimensions, and telling usage apart by them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.aggregate import Dimensions
from shared.domain.dimensions import (
    Declaration,
    Declarations,
    dimensions_of,
    earliest,
    label_faults,
    start_faults,
)
from shared.domain.errors import Rejected
from shared.domain.usage import UsageRecord
from shared.service.ports import Clock


class LabelReader(Protocol):
    """Reads the labels of the records of an accepted payload that count; see `eventing.usage.labels`."""

    def __call__(self, body: str) -> Sequence[Mapping[str, str]]: ...


class ValueRegistry(Protocol):
    def admit(self, tenant_id: UUID, label: str, seen: Collection[str]) -> Mapping[str, str]:
        """What each of these values is kept under: itself, registered on first sight, or OTHER where there
        are too many."""


class Labelling:
    """The one way from the labels of records to the series they are counted by."""

    def __init__(self, read: LabelReader, values: ValueRegistry) -> None:
        self._read = read
        self._values = values

    def of_records(
        self,
        tenant_id: UUID,
        declarations: Declarations,
        records: Sequence[UsageRecord],
        bodies: Sequence[str],
    ) -> Sequence[Dimensions] | None:
        """As UsageDimensions."""
        declared = [declarations.labels_at(record.ended_at) for record in records]
        if not any(declared):
            return None
        sent = (labels for body in bodies for labels in self._read(body))
        found = [dimensions_of(labels, of) for labels, of in zip(sent, declared, strict=True)]
        seen: dict[str, set[str]] = {}
        for dimensions in found:
            for label, value in dimensions:
                seen.setdefault(label, set()).add(value)
        kept = {label: self._values.admit(tenant_id, label, seen[label]) for label in sorted(seen)}
        return [tuple((label, kept[label][value]) for label, value in dimensions) for dimensions in found]


@dataclass(frozen=True, slots=True)
class DimensionsChange:
    """Who declared what: all declarations before and after. `id` grows with time; None until it is kept."""

    at: datetime
    who: str
    before: Declarations
    after: Declarations
    id: UUID | None = None


class LabelValues(NamedTuple):
    """How many values of a label are kept apart, and since when there were more than can be."""

    label: str
    size: int
    overflowed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeclaredDimensions:
    """What a tenant has declared; `now` tells what of it is in force."""

    declarations: Declarations
    values: Sequence[LabelValues]
    changes: Sequence[DimensionsChange]
    now: datetime


class DeclarationEditor(Protocol):
    """The declarations of one tenant, locked until the block of `DeclarationStore.changing` ends."""

    def declarations(self) -> Declarations: ...

    def save(self, change: DimensionsChange) -> None:
        """With the note of who made it, which is kept for ever."""


class DeclarationStore(Protocol):
    def changing(self, tenant_id: UUID) -> AbstractContextManager[DeclarationEditor]:
        """Commits within seconds of the lock, or raises Unavailable."""

    def declarations(self, tenant_id: UUID) -> Declarations: ...

    def values(self, tenant_id: UUID) -> Sequence[LabelValues]:
        """In order of label."""

    def changes(self, tenant_id: UUID, *, limit: int) -> Sequence[DimensionsChange]:
        """The newest first."""


class DeclareDimensions:
    """What a tenant's usage is told apart by."""

    def __init__(self, store: DeclarationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def declare(
        self, tenant_id: UUID, labels: Sequence[str], *, effective_from: datetime | None, who: str
    ) -> None:
        """These labels are the tenant's dimensions from the first instant that can be on, or a later one.

        What was to take effect later than that is no more. Raises Rejected with every fault, and names the
        first instant where the one that is asked for is earlier.
        """
        with self._store.changing(tenant_id) as editor:
            now = self._clock()
            faults = list(label_faults(labels, "dimensions"))
            if effective_from is not None:
                faults += start_faults(effective_from, now, "effective_from")
            if faults:
                raise Rejected(*faults)
            before = editor.declarations()
            after = before.with_one(Declaration(effective_from or earliest(now), tuple(labels)))
            if _is_change(before, after):
                editor.save(DimensionsChange(now, who, before, after))

    def of_tenant(self, tenant_id: UUID, *, changes_max: int) -> DeclaredDimensions:
        return DeclaredDimensions(
            self._store.declarations(tenant_id),
            self._store.values(tenant_id),
            self._store.changes(tenant_id, limit=changes_max),
            self._clock(),
        )


def _is_change(before: Declarations, after: Declarations) -> bool:
    """Declaring once more what is declared already, and is to stay so, changes nothing."""
    *earlier, last = after.of
    kept = Declarations(tuple(earlier))
    return before != after and not (before == kept and kept.labels_at(last.declared_from) == last.labels)
