"""The values of dimensions that are kept apart, registered on first sight."""

from collections.abc import Collection, Mapping
from threading import Lock
from typing import Final
from uuid import UUID

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.meter_definition import DIMENSION_VALUES_MAX
from shared.domain.metering.windows import Admit, admitted

_CACHE_MAX: Final = 10_000
_Label = tuple[UUID, UUID, str]


class PostgresDimensions:
    """DimensionRegistry. The first values to come are kept, in a transaction of its own; which ones they are
    never changes, so that a rebuild keeps the same apart."""

    def __init__(self, database: Database, *, values_max: int = DIMENSION_VALUES_MAX) -> None:
        self._database = database
        self._values_max = values_max
        self._known: dict[_Label, frozenset[str]] = {}
        self._lock = Lock()

    def admit(self, tenant_id: UUID) -> Admit:
        return lambda meter_id, label, seen: self._admit((tenant_id, meter_id, label), seen)

    def _admit(self, of: _Label, seen: Collection[str]) -> Mapping[str, str]:
        kept = self._known.get(of, frozenset[str]())
        missing = sorted(set(seen) - kept)
        if missing and len(kept) < self._values_max:
            with self._database.transaction() as connection:
                kept = self._register(connection, of, missing)
            with self._lock:
                if len(self._known) >= _CACHE_MAX:
                    self._known.clear()
                self._known[of] = kept
        return admitted(kept, seen)

    def _register(self, connection: Connection, of: _Label, missing: list[str]) -> frozenset[str]:
        connection.execute(
            "INSERT INTO meter_dimension (tenant_id, meter_id, label, size) VALUES (%s, %s, %s, 0)"
            " ON CONFLICT DO NOTHING",
            of,
        )
        where = "WHERE (tenant_id, meter_id, label) = (%s, %s, %s)"
        # Locked first: who counts what there is must see what others added.
        connection.execute(f"SELECT FROM meter_dimension {where} FOR UPDATE".encode(), of)
        rows = connection.execute(f"SELECT value FROM meter_dimension_value {where}".encode(), of)
        kept = {value for (value,) in rows}
        new = [value for value in missing if value not in kept][: self._values_max - len(kept)]
        if new:
            connection.execute(
                "INSERT INTO meter_dimension_value (tenant_id, meter_id, label, value_key, value)"
                " SELECT %s, %s, %s, text_key(value), value FROM unnest(%s::text[]) value",
                (*of, new),
            )
            connection.execute(
                f"UPDATE meter_dimension SET size = size + %s {where}".encode(), (len(new), *of)
            )
        return frozenset((*kept, *new))
