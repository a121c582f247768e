"""The services and revisions that usage names, registered on first sight."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from uuid import UUID

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.aggregate import Series, SeriesName
from shared.service.ports import NewId

_CACHE_MAX = 100_000


class PostgresSeries:
    """SeriesRegistry. Registers in key order, in a transaction of its own: senders cannot deadlock."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id
        self._known: dict[tuple[UUID, SeriesName], Series] = {}
        self._lock = Lock()

    def remember(self, tenant_id: UUID) -> None:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT namespace, s.name, r.name, s.id, r.id FROM service s"
                " JOIN revision r ON (r.tenant_id, r.service_id) = (s.tenant_id, s.id)"
                " WHERE s.tenant_id = %s",
                (tenant_id,),
            ).fetchall()
        self._keep(tenant_id, {SeriesName(*row[:3]): Series(*row[3:]) for row in rows})

    def register(
        self, tenant_id: UUID, names: Iterable[SeriesName], *, seen_at: datetime
    ) -> Mapping[SeriesName, Series]:
        wanted = set(names)
        found = {name: series for name in wanted if (series := self._known.get((tenant_id, name)))}
        missing = sorted(wanted - found.keys())
        if missing:
            registered = self._register(tenant_id, missing, seen_at)
            self._keep(tenant_id, registered)
            found |= registered
        return found

    def _keep(self, tenant_id: UUID, registered: Mapping[SeriesName, Series]) -> None:
        with self._lock:
            if len(self._known) >= _CACHE_MAX:
                self._known.clear()
            self._known.update({(tenant_id, name): series for name, series in registered.items()})

    def _register(
        self, tenant_id: UUID, names: Sequence[SeriesName], seen_at: datetime
    ) -> dict[SeriesName, Series]:
        namespaces, services, revisions = (list(column) for column in zip(*names, strict=True))
        new_ids = [self._new_id() for _ in names]
        with self._database.transaction() as connection:
            found = self._select(connection, tenant_id, namespaces, services, revisions)
            if len(found) == len(names):
                return found
            connection.execute(
                "INSERT INTO service (tenant_id, id, namespace, name, created_at)"
                " SELECT DISTINCT ON (n, s) %s::uuid, i, n, s, %s::timestamptz"
                " FROM unnest(%s::uuid[], %s::text[], %s::text[]) u (i, n, s) ORDER BY n, s"
                " ON CONFLICT (tenant_id, namespace, name) DO NOTHING",
                (tenant_id, seen_at, new_ids, namespaces, services),
            )
            connection.execute(
                "INSERT INTO revision (tenant_id, id, service_id, name, created_at)"
                " SELECT service.tenant_id, i, service.id, r, %s::timestamptz"
                " FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) u (i, n, s, r)"
                " JOIN service ON (service.tenant_id, namespace, service.name) = (%s, n, s)"
                " ORDER BY n, s, r ON CONFLICT (tenant_id, service_id, name) DO NOTHING",
                (seen_at, [self._new_id() for _ in names], namespaces, services, revisions, tenant_id),
            )
            return self._select(connection, tenant_id, namespaces, services, revisions)

    @staticmethod
    def _select(
        connection: Connection,
        tenant_id: UUID,
        namespaces: Sequence[str],
        services: Sequence[str],
        revisions: Sequence[str],
    ) -> dict[SeriesName, Series]:
        rows = connection.execute(
            "SELECT n, s, r, service.id, revision.id"
            " FROM unnest(%s::text[], %s::text[], %s::text[]) u (n, s, r)"
            " JOIN service ON (service.tenant_id, namespace, service.name) = (%s, n, s)"
            " JOIN revision ON (revision.tenant_id, service_id, revision.name) = (%s, service.id, r)",
            (namespaces, services, revisions, tenant_id, tenant_id),
        )
        return {
            SeriesName(n, s, r): Series(service_id, revision_id) for n, s, r, service_id, revision_id in rows
        }
