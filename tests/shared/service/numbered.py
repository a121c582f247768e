"""Accepting, folding and rebuilding what senders number, on one PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from eventing.usage import decode
from shared.adapters.postgres.oversight import PostgresOversight
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.tenant import Tenant
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
RECORD = b'{"timestamp":"2025-10-15T11:00:00Z","service_name":"waiter","invocations":%d}'


@dataclass
class Numbered:
    database: Database
    now: datetime = NOON
    noted: list[tuple[int, int]] = field(default_factory=list)
    conflicts: int = 0

    def __post_init__(self) -> None:
        self.directory = PostgresTenants(self.database)
        self.series = PostgresSeries(self.database, new_id)
        self.windows = PostgresWindows(
            self.database, new_id, lambda missed, found: self.noted.append((missed, found))
        )
        self.fold = Fold(self.windows, self.clock)
        self.rebuild = Rebuild(self.windows, self.fold, self.series, decode)
        self.oversight = PostgresOversight(self.database)
        self.ingest = IngestUsage(
            decode=decode,
            tenants=self.directory,
            series=self.series,
            log=PostgresUsageLog(self.database),
            clock=self.clock,
            conflicted=self.conflicted,
        )

    def clock(self) -> datetime:
        return self.now

    def conflicted(self) -> None:
        self.conflicts += 1

    def tenant(self, slug: str) -> Tenant:
        return Tenants(self.directory, self.clock, new_id).create(name=slug, currency="EUR")

    def send(self, number: int | None, *, source: str = "/s", tenant: str = "acme", calls: int = 1) -> None:
        self.ingest.accept_event(
            source=source,
            id=f"{number}",
            tenant_ref=tenant,
            time=None,
            data=RECORD % calls,
            sequence=number,
        )

    def gaps(self, tenant_id: UUID | None = None) -> list[tuple[str, str, int, int, datetime]]:
        found = self.oversight.gaps(tenant_id, limit=100)
        return [(g.tenant, g.source, g.first, g.last, g.since) for g in found]

    @property
    def counts(self) -> tuple[int, int]:
        """Batches missed and found."""
        return sum(missed for missed, _ in self.noted), sum(found for _, found in self.noted)

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode()).fetchall()
