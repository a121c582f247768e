"""The outbox in PostgreSQL: facts, each written in the transaction of the state it announces."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import local
from uuid import UUID

import msgspec

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.events import (
    CostAccrued,
    Fact,
    InvoiceDrafted,
    InvoiceFinalized,
    InvoicePaid,
    UsageAggregated,
)

logger = logging.getLogger(__name__)

_KINDS: dict[str, type[Fact]] = {
    kind.__name__: kind
    for kind in (UsageAggregated, CostAccrued, InvoiceDrafted, InvoiceFinalized, InvoicePaid)
}


def add(connection: Connection, facts: Sequence[tuple[UUID, Fact]], now: datetime) -> None:
    """Leave facts in the outbox, each under an id of its own, within the caller's transaction."""
    if facts:
        rows = [
            (fact.tenant_id, id, type(fact).__name__, msgspec.json.encode(fact).decode())
            for id, fact in facts
        ]
        connection.execute(
            "INSERT INTO outbox (tenant_id, id, kind, data, created_at)"
            " SELECT tenant_id, id, kind, data::json, %s"
            " FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[]) f (tenant_id, id, kind, data)",
            (now, *map(list, zip(*rows, strict=True))),
        )


class PostgresOutbox:
    """Outbox. What is taken stays locked until the block ends, so that no two senders send it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._taking = local()

    @contextmanager
    def take(self, limit: int) -> Iterator[Sequence[tuple[UUID, Fact]]]:
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT id, kind, data::text FROM outbox WHERE kind = ANY(%s) ORDER BY id LIMIT %s"
                " FOR UPDATE SKIP LOCKED",
                # A newer process may announce what this one does not know yet.
                (list(_KINDS), limit),
            ).fetchall()
            self._taking.connection = connection
            try:
                yield list(_readable(rows))
            finally:
                del self._taking.connection

    def done(self, ids: Iterable[UUID]) -> None:
        connection: Connection = self._taking.connection
        connection.execute("DELETE FROM outbox WHERE id = ANY(%s::uuid[])", (list(ids),))


def _readable(rows: Iterable[tuple[UUID, str, str]]) -> Iterator[tuple[UUID, Fact]]:
    for id, kind, data in rows:
        try:
            yield id, msgspec.json.decode(data, type=_KINDS[kind])
        except msgspec.MsgspecError:
            logger.exception("%s %s in the outbox cannot be read and stays there", kind, id)
