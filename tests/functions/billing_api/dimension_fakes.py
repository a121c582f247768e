"""What tenants have declared, in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from shared.adapters.system import new_id
from shared.domain.dimensions import Declarations
from shared.service.dimensions import DimensionsChange, LabelValues


class DeclaredInMemory:
    """DeclarationStore."""

    def __init__(self) -> None:
        self.kept: dict[UUID, list[DimensionsChange]] = {}

    @contextmanager
    def changing(self, tenant_id: UUID) -> Iterator["_Editor"]:
        yield _Editor(self, tenant_id)

    def declarations(self, tenant_id: UUID) -> Declarations:
        changes = self.kept.get(tenant_id)
        return changes[-1].after if changes else Declarations()

    def values(self, tenant_id: UUID) -> Sequence[LabelValues]:
        return []

    def changes(self, tenant_id: UUID, *, limit: int) -> Sequence[DimensionsChange]:
        return self.kept.get(tenant_id, [])[::-1][:limit]


class _Editor:
    def __init__(self, of: DeclaredInMemory, tenant_id: UUID) -> None:
        self._of = of
        self._tenant_id = tenant_id

    def declarations(self) -> Declarations:
        return self._of.declarations(self._tenant_id)

    def save(self, change: DimensionsChange) -> None:
        self._of.kept.setdefault(self._tenant_id, []).append(replace(change, id=new_id()))
