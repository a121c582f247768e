"""The values of declared labels that are kept apart, registered on first sight."""

from collections.abc import Collection, Mapping
from threading import Lock
from typing import Final
from uuid import UUID

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.dimensions import OTHER, VALUES_MAX

_CACHE_MAX: Final = 10_000
_WHERE: Final = "WHERE (tenant_id, label) = (%s, %s)"
_Label = tuple[UUID, str]


class PostgresDimensionValues:
    """ValueRegistry. The first values to come are kept, in a transaction of its own; which ones they are
    never changes, so that a rebuild keeps the same apart."""

    def __init__(self, database: Database, *, values_max: int = VALUES_MAX) -> None:
        self._database = database
        self._values_max = values_max
        self._known: dict[_Label, tuple[frozenset[str], bool]] = {}
        self._lock = Lock()

    def admit(self, tenant_id: UUID, label: str, seen: Collection[str]) -> Mapping[str, str]:
        of = tenant_id, label
        kept, is_full = self._known.get(of, (frozenset[str](), False))
        missing = sorted({*seen} - kept - {OTHER})
        # Once it is noted that there were too many, there is nothing left to ask.
        if missing and not is_full:
            with self._database.transaction() as connection:
                kept, is_full = self._register(connection, of, missing)
            with self._lock:
                if len(self._known) >= _CACHE_MAX:
                    self._known.clear()
                self._known[of] = kept, is_full
        return {value: value if value in kept else OTHER for value in seen}

    def _register(
        self, connection: Connection, of: _Label, missing: list[str]
    ) -> tuple[frozenset[str], bool]:
        """The values that are kept, and whether there have been more."""
        connection.execute(
            "INSERT INTO tenant_dimension_label (tenant_id, label, size) VALUES (%s, %s, 0)"
            " ON CONFLICT DO NOTHING",
            of,
        )
        # Locked first: who counts what there is must see what others added.
        connection.execute(f"SELECT FROM tenant_dimension_label {_WHERE} FOR UPDATE".encode(), of)
        rows = connection.execute(f"SELECT value FROM tenant_dimension_value {_WHERE}".encode(), of)
        kept = {value for (value,) in rows}
        missing = [value for value in missing if value not in kept]
        new = missing[: max(0, self._values_max - len(kept))]
        if new:
            connection.execute(
                "INSERT INTO tenant_dimension_value (tenant_id, label, value_key, value)"
                " SELECT %s, %s, text_key(value), value FROM unnest(%s::text[]) value",
                (*of, new),
            )
        is_full = len(missing) > len(new)
        if new or is_full:
            connection.execute(
                "UPDATE tenant_dimension_label SET size = size + %s,"
                " overflowed_at = coalesce(overflowed_at, CASE WHEN %s THEN now() END)"
                f" {_WHERE}".encode(),
                (len(new), is_full, *of),
            )
        return frozenset((*kept, *new)), is_full
