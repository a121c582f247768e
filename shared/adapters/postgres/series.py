"""The services and revisions that usage names, registered on first sight, and their series by dimensions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from uuid import UUID

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.aggregate import Series, SeriesName, with_revisions
from shared.service.ports import NewId

_CACHE_MAX = 100_000
_NAMES = """
    unnest(%(namespaces)s::text[], %(services)s::text[], %(revisions)s::text[], %(dimensions)s::jsonb[])
        WITH ORDINALITY u (namespace, service, revision, dimensions, n)
"""
_IDS = """
    unnest(%(ids)s::uuid[], %(namespaces)s::text[], %(services)s::text[], %(revisions)s::text[],
           %(dimensions)s::jsonb[]) WITH ORDINALITY u (id, namespace, service, revision, dimensions, n)
"""
_SERVICE = """
    service ON (service.tenant_id, service.namespace, service.name) = (%(tenant_id)s, u.namespace, u.service)
"""
_KEY = "tenant_id, service_id, name, dimensions_key"
_SELECT = f"""
    SELECT n, service.id, r.id FROM {_NAMES} JOIN {_SERVICE}
    JOIN revision r ON (r.tenant_id, r.service_id, r.name, r.dimensions_key)
        = (%(tenant_id)s, service.id, u.revision, text_key(u.dimensions::text))
""".encode()
_INSERT_SERVICES = f"""
    INSERT INTO service (tenant_id, id, namespace, name, created_at)
    SELECT DISTINCT ON (namespace, service) %(tenant_id)s::uuid, id, namespace, service,
        %(seen_at)s::timestamptz
    FROM {_IDS} ORDER BY namespace, service
    ON CONFLICT (tenant_id, namespace, name) DO NOTHING
""".encode()
_INSERT_REVISIONS = f"""
    INSERT INTO revision (tenant_id, id, service_id, name, created_at)
    SELECT service.tenant_id, u.id, service.id, u.revision, %(seen_at)s::timestamptz
    FROM {_IDS} JOIN {_SERVICE} WHERE u.dimensions = '{{}}' ORDER BY n ON CONFLICT ({_KEY}) DO NOTHING
""".encode()
_INSERT_APART = f"""
    INSERT INTO revision (tenant_id, id, service_id, name, created_at, dimensions, base_id)
    SELECT service.tenant_id, u.id, service.id, u.revision, %(seen_at)s::timestamptz, u.dimensions, base.id
    FROM {_IDS} JOIN {_SERVICE}
    JOIN revision base ON (base.tenant_id, base.service_id, base.name, base.dimensions_key)
        = (%(tenant_id)s, service.id, u.revision, text_key('{{}}'))
    WHERE u.dimensions <> '{{}}' ORDER BY n ON CONFLICT ({_KEY}) DO NOTHING
""".encode()


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
                "SELECT namespace, s.name, r.name, r.dimensions, s.id, r.id FROM service s"
                " JOIN revision r ON (r.tenant_id, r.service_id) = (s.tenant_id, s.id)"
                " WHERE s.tenant_id = %s",
                (tenant_id,),
            ).fetchall()
        self._keep(
            tenant_id,
            {
                SeriesName(namespace, service, revision, tuple(sorted(dimensions.items()))): Series(*ids)
                for namespace, service, revision, dimensions, *ids in rows
            },
        )

    def register(
        self, tenant_id: UUID, names: Iterable[SeriesName], *, seen_at: datetime
    ) -> Mapping[SeriesName, Series]:
        wanted = set(names)
        found = {name: series for name in wanted if (series := self._known.get((tenant_id, name)))}
        missing = wanted - found.keys()
        if missing:
            registered = self._register(tenant_id, sorted(with_revisions(missing)), seen_at)
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
        of = {
            "tenant_id": tenant_id,
            "seen_at": seen_at,
            "namespaces": [name.namespace for name in names],
            "services": [name.service_name for name in names],
            "revisions": [name.revision for name in names],
            "dimensions": [json.dumps(dict(name.dimensions)) for name in names],
        }
        with self._database.transaction() as connection:
            found = _select(connection, names, of)
            if len(found) < len(names):
                inserts = [_INSERT_SERVICES, _INSERT_REVISIONS]
                if any(name.dimensions for name in names):
                    inserts.append(_INSERT_APART)
                for insert in inserts:
                    connection.execute(insert, of | {"ids": [self._new_id() for _ in names]})
                found = _select(connection, names, of)
        return found


def _select(
    connection: Connection, names: Sequence[SeriesName], of: Mapping[str, object]
) -> dict[SeriesName, Series]:
    return {
        names[n - 1]: Series(service_id, revision_id)
        for n, service_id, revision_id in connection.execute(_SELECT, of)
    }
