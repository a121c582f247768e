"""The ledgers of custom meters: the values of records one by one, in order."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from shared.adapters.postgres.meter_rows import meters_of
from shared.adapters.postgres.meter_totals import require_computed
from shared.adapters.postgres.pool import Connection
from shared.domain.metering.quantity import Uncomputed

_ENTRIES: Final = b"""
    SELECT value FROM usage_meter_ledger WHERE tenant_id = %s AND meter_id = %s AND at >= %s AND at < %s
    ORDER BY at, event_key, seq, position
"""


def entries_between(
    connection: Connection, tenant_id: UUID, name: str, start: datetime, end: datetime
) -> Sequence[Fraction]:
    """Of [start, end), in the snapshot of the connection's transaction. Raises Uncomputed."""
    meters = [meter for meter in meters_of(connection, tenant_id) if meter.name == name]
    require_computed(connection, tenant_id, [name], meters, start, end)
    (meter,) = meters
    if not meter.has_ledger:
        raise Uncomputed.because("meter", f"{meter.price_name} keeps no ledger that a price per event reads")
    rows = connection.execute(_ENTRIES, (tenant_id, meter.id, start, end))
    return [Fraction(value) for (value,) in rows]
