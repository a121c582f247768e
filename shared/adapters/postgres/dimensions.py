"""What tenants have declared, in PostgreSQL."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.pool import Connection, Database
from shared.domain.dimensions import CLOCKS_APART_S_MAX, Declaration, Declarations
from shared.domain.metering.quantity import Uncomputed
from shared.domain.plan_document import instant_text
from shared.service.dimensions import DimensionsChange, LabelValues
from shared.service.ports import NewId

_STALL_S_MAX: Final = CLOCKS_APART_S_MAX // 4
"""From the lock to the commit: what takes effect was reckoned at the lock, and others must see it in time."""


class PostgresDeclarations:
    """DeclarationStore."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    @contextmanager
    def changing(self, tenant_id: UUID) -> Iterator["_Editor"]:
        with self._database.transaction() as connection:
            connection.execute("SELECT FROM meter_registry FOR UPDATE")
            for timeout in ("statement_timeout", "idle_in_transaction_session_timeout"):
                connection.execute("SELECT set_config(%s, %s, true)", (timeout, f"{_STALL_S_MAX}s"))
            yield _Editor(connection, tenant_id, self._new_id)

    def declarations(self, tenant_id: UUID) -> Declarations:
        with self._database.statement() as connection:
            return _declarations(connection, tenant_id)

    def values(self, tenant_id: UUID) -> Sequence[LabelValues]:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT label, size, overflowed_at FROM tenant_dimension_label"
                " WHERE tenant_id = %s ORDER BY label",
                (tenant_id,),
            )
            return [LabelValues(*row) for row in rows]

    def changes(self, tenant_id: UUID, *, limit: int) -> Sequence[DimensionsChange]:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT at, who, before, after, id FROM dimension_change"
                " WHERE tenant_id = %s ORDER BY id DESC LIMIT %s",
                (tenant_id, limit),
            )
            return [
                DimensionsChange(at, who, _read(before), _read(after), id)
                for at, who, before, after, id in rows
            ]


class _Editor:
    """DeclarationEditor."""

    def __init__(self, connection: Connection, tenant_id: UUID, new_id: NewId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._new_id = new_id

    def declarations(self) -> Declarations:
        return _declarations(self._connection, self._tenant_id)

    def save(self, change: DimensionsChange) -> None:
        last = change.after.of[-1]
        self._connection.execute(
            "DELETE FROM tenant_dimension WHERE tenant_id = %s AND declared_from >= %s",
            (self._tenant_id, last.declared_from),
        )
        self._connection.execute(
            "INSERT INTO tenant_dimension (tenant_id, declared_from, labels) VALUES (%s, %s, %s)",
            (self._tenant_id, last.declared_from, list(last.labels)),
        )
        self._connection.execute(
            "INSERT INTO dimension_change (tenant_id, id, at, who, before, after)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                self._tenant_id,
                self._new_id(),
                change.at,
                change.who,
                Jsonb(_written(change.before)),
                Jsonb(_written(change.after)),
            ),
        )
        self._connection.execute("UPDATE meter_registry SET dimensions = dimensions + 1")


def declarations_of(rows: Iterable[Sequence[Any]]) -> Declarations:
    """Of rows of (declared_from, labels), in order of time."""
    return Declarations(tuple(Declaration(declared_from, tuple(labels)) for declared_from, labels in rows))


def require_declared(
    connection: Connection,
    tenant_id: UUID,
    labels: Collection[str],
    start: datetime,
    end: datetime | None = None,
) -> None:
    """Raises Uncomputed where usage of [start, end) was counted while not all of these labels were declared.

    It names the first instant from which they are. Without `end` they must be declared to this day. A time
    without usage needs no declaration: nothing can be missing there.
    """
    declarations = _declarations(connection, tenant_id)
    used = [
        until
        for since, until in declarations.gaps(labels, start)
        if _was_used(connection, tenant_id, since, min(filter(None, (until, end)), default=None))
    ]
    if not used:
        return
    if used[-1] is None:
        declared = declarations.of[-1].labels if declarations.of else ()
        missing = ", ".join(repr(label) for label in sorted(set(labels) - set(declared)))
        raise Uncomputed.because("where", f"usage of the time is not told apart by {missing}: declare it")
    named = ", ".join(repr(label) for label in sorted(labels))
    first = instant_text(used[-1])
    raise Uncomputed.because("where", f"usage is told apart by {named} from {first} on, and not before")


def _was_used(connection: Connection, tenant_id: UUID, start: datetime, end: datetime | None) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM usage_window WHERE tenant_id = %s AND window_size = '5m'"
        " AND window_start >= %s AND window_start < coalesce(%s, 'infinity'::timestamptz))",
        (tenant_id, start, end),
    ).fetchone()
    return row is not None and bool(row[0])


def _declarations(connection: Connection, tenant_id: UUID) -> Declarations:
    return declarations_of(
        connection.execute(
            "SELECT declared_from, labels FROM tenant_dimension WHERE tenant_id = %s ORDER BY declared_from",
            (tenant_id,),
        )
    )


def _written(declarations: Declarations) -> list[dict[str, object]]:
    return [
        {"effective_from": one.declared_from.isoformat(), "dimensions": list(one.labels)}
        for one in declarations.of
    ]


def _read(written: list[dict[str, Any]]) -> Declarations:
    return declarations_of(
        (datetime.fromisoformat(one["effective_from"]), one["dimensions"]) for one in written
    )
