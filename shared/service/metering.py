"""The one way from the text of a payload to meter windows: when it is accepted, rebuilt or backfilled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.aggregate import Series, SeriesName
from shared.domain.meter_definition import MeterDefinition
from shared.domain.metering.record import MeteredRecord
from shared.domain.metering.windows import MeterWindows, Origin, measure, merge, roll_up, settle
from shared.domain.usage import Part
from shared.domain.windows import WindowSize
from shared.service.meter_ports import DimensionRegistry, MeterDays
from shared.service.ports import RebuildTransaction, SeriesRegistry

_DAY = WindowSize.D1.length


class MeteredReader(Protocol):
    """Reads an accepted payload; see `eventing.usage.metered`."""

    def __call__(
        self, body: str, *, recorded_at: datetime, received_at: datetime
    ) -> Sequence[MeteredRecord]: ...


class Metering:
    """Computes what custom meters count, from payloads."""

    def __init__(self, read: MeteredReader, dimensions: DimensionRegistry, series: SeriesRegistry) -> None:
        self._read = read
        self._dimensions = dimensions
        self._series = series

    def of_part(
        self, part: Part, meters: Sequence[MeterDefinition], series: Mapping[SeriesName, Series]
    ) -> MeterWindows:
        """The windows of 5 minutes that a part adds to, whose series are registered."""
        windows: MeterWindows = {}
        admit = self._dimensions.admit(part.tenant_id)
        for seq, body in enumerate(part.bodies, start=1):
            records = self._read(body, recorded_at=part.recorded_at, received_at=part.received_at)
            measured = measure(records, meters, Origin(part.event_key, seq))
            merge(windows, settle(measured, series, admit))
        return windows

    def of_day(
        self,
        transaction: RebuildTransaction,
        tenant_id: UUID,
        day: datetime,
        meters: Sequence[MeterDefinition],
    ) -> MeterWindows:
        """The windows of all sizes of a UTC day, from the payloads that count and do not wait for a fold."""
        windows: MeterWindows = {}
        admit = self._dimensions.admit(tenant_id)
        for payload in transaction.payloads(tenant_id, day, day + _DAY):
            records = self._read(
                payload.body, recorded_at=payload.recorded_at, received_at=payload.received_at
            )
            origin = Origin(payload.event_key, payload.seq)
            measured = [one for one in measure(records, meters, origin) if day <= one.start < day + _DAY]
            if measured:
                names = {one.name for one in measured}
                series = self._series.register(tenant_id, names, seen_at=payload.received_at)
                merge(windows, settle(measured, series, admit))
        return roll_up(windows)

    def rebuild_day(
        self,
        transaction: RebuildTransaction,
        tenant_id: UUID,
        day: datetime,
        since: datetime | None,
    ) -> None:
        """As DayMeters."""
        days: MeterDays = transaction.meters
        meters = days.definitions(tenant_id)
        if meters:
            self.recompute(transaction, tenant_id, day, since, meters)
        if days.is_stale(tenant_id, day):
            days.freshen(tenant_id, day)

    def recompute(
        self,
        transaction: RebuildTransaction,
        tenant_id: UUID,
        day: datetime,
        since: datetime | None,
        meters: Sequence[MeterDefinition],
    ) -> bool:
        """Put the windows of these meters on a day right; whether any changed."""
        start = day if since is None else max(day, since)
        if start >= day + _DAY:
            return False
        windows = {
            key: facts
            for key, facts in self.of_day(transaction, tenant_id, day, meters).items()
            if key.start >= start
        }
        ids = [meter.id for meter in meters]
        is_changed = transaction.meters.replace(tenant_id, ids, start, day + _DAY, windows)
        if is_changed:
            transaction.note_changed(tenant_id, day, day + _DAY)
        return is_changed
