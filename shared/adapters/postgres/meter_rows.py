"""Custom meters as rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.pool import Connection
from shared.domain.meter_definition import MeterDefinition, MeterVersion
from shared.domain.metering.document import version_of, version_to_dict

_VERSIONS: Final = """
    (SELECT json_agg(json_build_array(v.number, v.effective_from, v.created_at, v.definition)
                     ORDER BY v.number)
     FROM meter_version v WHERE v.meter_id = m.id)
"""
SELECTED: Final = f"m.id, m.name, m.unit, m.units, m.tenant_id, m.created_at, {_VERSIONS} AS versions"
"""Of `meter m`, as `meter_of` reads it."""
_OF_TENANT: Final = f"""
    SELECT {SELECTED} FROM meter m WHERE m.tenant_id IS NULL OR m.tenant_id = %s ORDER BY m.id
""".encode()


def meter_of(row: Sequence[Any]) -> MeterDefinition:
    id, name, unit, units, tenant_id, created_at, versions = row
    return MeterDefinition(
        id, name, unit, units, tenant_id, created_at, tuple(_version_of(*version) for version in versions)
    )


def meters_of(connection: Connection, tenant_id: UUID) -> Sequence[MeterDefinition]:
    """Those of all tenants, and the tenant's own."""
    return [meter_of(row) for row in connection.execute(_OF_TENANT, (tenant_id,))]


def add_version(connection: Connection, meter_id: UUID, version: MeterVersion) -> None:
    connection.execute(
        "INSERT INTO meter_version (meter_id, number, effective_from, created_at, definition)"
        " VALUES (%s, %s, %s, %s, %s)",
        (
            meter_id,
            version.number,
            version.effective_from,
            version.created_at,
            Jsonb(version_to_dict(version)),
        ),
    )


def _version_of(number: int, effective_from: str | None, created_at: str, definition: Any) -> MeterVersion:
    since = None if effective_from is None else datetime.fromisoformat(effective_from)
    return version_of(definition, number, since, datetime.fromisoformat(created_at))
