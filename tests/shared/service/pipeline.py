"""The services of usage over a real PostgreSQL, with a clock and usage data of the tests' own."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from shared.adapters.postgres.outbox import PostgresOutbox
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.postgres.windows import PostgresWindows
from shared.adapters.system import new_id
from shared.domain.aggregate import Windows
from shared.domain.events import UsageAggregated
from shared.domain.tenant import Tenant
from shared.domain.usage import DecodedUsage, UsageRecord
from shared.domain.windows import WindowSize
from shared.service.fold import Fold
from shared.service.ingest import IngestUsage, Outcome
from shared.service.rebuild import Rebuild
from shared.service.tenants import Tenants

NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)
DAY = datetime(2025, 10, 15, tzinfo=UTC)


def decode(data: bytes, *, recorded_at: datetime, received_at: datetime) -> DecodedUsage:
    """The simplest usage data there can be, a record a line: `name seconds-after-noon duration_ns`, and
    then, perhaps, the seconds of capacity held from that instant on."""
    lines = [line.split() for line in data.decode().splitlines()]
    return DecodedUsage(
        records=tuple(_record(*line) for line in lines),
        digest=sha256(data).digest(),
    )


def _record(name: str, after_noon_s: str, duration_ns: str, provisioned_s: str = "0") -> UsageRecord:
    instant = NOON + timedelta(seconds=int(after_noon_s))
    return UsageRecord(
        name,
        instant,
        revision="r1",
        duration_ns=int(duration_ns),
        started_at=instant,
        provisioned_ns=int(provisioned_s) * 10**9,
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


WAITING_FOR_LOCKS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


class Product:
    """The services over one database, with a clock of the test's own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = datetime(2025, 10, 15, 18, tzinfo=UTC)
        directory = PostgresTenants(database)
        self.tenants = Tenants(directory, self.clock, new_id)
        series = PostgresSeries(database, new_id)
        self.windows = PostgresWindows(database, new_id)
        self.fold = Fold(self.windows, self.clock)
        self.rebuild = Rebuild(self.windows, self.fold, series, decode)
        self.outbox = PostgresOutbox(database)
        self.ingest = IngestUsage(
            decode=decode, tenants=directory, series=series, log=PostgresUsageLog(database), clock=self.clock
        )

    def clock(self) -> datetime:
        return self.now

    def tenant(self, slug: str = "acme") -> Tenant:
        return self.tenants.create(name=slug, currency="EUR")

    def send(self, id: str, data: str, *, tenant: str = "acme", source: str = "/test") -> Outcome:
        return self.ingest.accept_event(
            source=source, id=id, tenant_ref=tenant, time=None, data=data.encode()
        )

    def stored(self, tenant_id: UUID) -> Windows:
        with self.windows.locked_snapshot(self.windows.shard_of(tenant_id)) as transaction:
            return transaction.load_between(tenant_id, DAY - timedelta(days=9), DAY + timedelta(days=9))

    def invocations(self, tenant_id: UUID) -> dict[WindowSize, int]:
        sums = dict.fromkeys(WindowSize, 0)
        for key, facts in self.stored(tenant_id).items():
            sums[key.size] += facts.invocations
        return sums

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.database.statement() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def taken_facts(self) -> Sequence[UsageAggregated]:
        with self.outbox.take(1000) as facts:
            self.outbox.done(id for id, _ in facts)
        return [fact for _, fact in facts if isinstance(fact, UsageAggregated)]
