"""The services of custom meters over a real PostgreSQL, beside those of usage."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from eventing.usage import decode
from eventing.usage.metered import read_metered
from shared.adapters.postgres.meter_backfill import PostgresBackfills
from shared.adapters.postgres.meter_book import PostgresUsageMeters
from shared.adapters.postgres.meter_dimensions import PostgresDimensions
from shared.adapters.postgres.meters import PostgresMeters
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.totals import PostgresUsageReader
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.voids import PostgresVoids
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.meter_definition import MeterDefinition
from shared.domain.tenant import Tenant
from shared.domain.voids import VoidRequest
from shared.service.backfill import Backfill
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.meter_ports import UsageMeters
from shared.service.metering import Metering
from shared.service.meters import Meters
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants
from shared.service.voids import VoidUsage

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
START, END = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 1, tzinfo=UTC)
SOURCE = "/test"
Json = Mapping[str, Any]


class MeteredProduct:
    """The services over one database, with a clock of the test's own. `refresh_s`: how long whoever accepts
    usage goes by the meters it knows."""

    def __init__(self, database: Database, *, refresh_s: float = 0, values_max: int = 1_000) -> None:
        self.database = database
        self.now = datetime(2025, 10, 20, 18, tzinfo=UTC)
        directory = PostgresTenants(database)
        self.tenants = Tenants(directory, self.clock, new_id)
        series = PostgresSeries(database, new_id)
        self.windows = PostgresWindows(database, new_id)
        self.fold = Fold(self.windows, self.clock)
        self.metering = Metering(read_metered, PostgresDimensions(database, values_max=values_max), series)
        self.rebuild = Rebuild(self.windows, self.fold, series, decode, self.metering)
        self.book = PostgresUsageMeters(
            database, Registry(database, refresh_s=refresh_s), lambda: self.metering
        )
        self._series = series
        self.use_meters(self.book)
        self.meters = Meters(
            meters=PostgresMeters(database),
            tenants=directory,
            payloads_complete_from=self.windows.payloads_complete_from,
            clock=self.clock,
            new_id=new_id,
        )
        self.backfill = Backfill(PostgresBackfills(database, new_id), self.windows, self.metering)
        self.voids = VoidUsage(
            tenants=directory,
            store=PostgresVoids(database, new_id),
            windows=self.windows,
            series=series,
            rebuild=self.rebuild,
            decode=decode,
            clock=self.clock,
        )

    def use_meters(self, meters: UsageMeters) -> None:
        """Have usage accepted by these."""
        self.ingest = IngestUsage(
            decode=decode,
            tenants=PostgresTenants(self.database),
            series=self._series,
            log=PostgresUsageLog(self.database),
            clock=self.clock,
            meters=meters,
        )

    def clock(self) -> datetime:
        return self.now

    def tenant(self, slug: str = "acme") -> Tenant:
        return self.tenants.create(name=slug, currency="EUR")

    def meter(self, name: str = "tokens", **fields: object) -> MeterDefinition:
        document = {"name": name, "unit": "token", "aggregation": "sum", "value": "quantities.tokens"}
        return self.meters.create({**document, **fields})

    def send(self, id: str, *records: Json, tenant: str = "acme") -> None:
        data = json.dumps({"records": list(records)}).encode()
        self.ingest.accept_event(source=SOURCE, id=id, tenant_ref=tenant, time=None, data=data)

    def void(self, id: str, tenant: str = "acme") -> None:
        self.voids.void([VoidRequest(tenant, SOURCE, id, "a test")], by="test")

    def fold_all(self) -> None:
        while self.fold.run(announce_every=timedelta(0)) is not None:
            pass

    def quantity(
        self, tenant_id: UUID, name: str = "tokens", start: datetime = START, end: datetime = END
    ) -> Fraction:
        with PostgresUsageReader(self.database).snapshot() as totals:
            return totals.custom(tenant_id, [name], start, end)[f"custom.{name}"]

    def ledger(
        self, tenant_id: UUID, name: str = "tokens", start: datetime = START, end: datetime = END
    ) -> list[Fraction]:
        with PostgresUsageReader(self.database).snapshot() as totals:
            return list(totals.ordered(tenant_id, name, start, end))

    def stored(self) -> list[set[tuple[object, ...]]]:
        """All meter windows, all values that are kept beside them, and all ledgers."""
        kept = ("window", "unique", "value", "ledger")
        return [set(self.rows(f"SELECT * FROM usage_meter_{one}")) for one in kept]

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode(), parameters).fetchall()


def record(at: datetime = NOON, **fields: object) -> Json:
    return {"service_name": "f", "timestamp": at.isoformat(), **fields}


def tokens(count: object, at: datetime = NOON, **fields: object) -> Json:
    return record(at, quantities={"tokens": str(count)}, **fields)
