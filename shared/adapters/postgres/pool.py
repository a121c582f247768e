"""Connections to PostgreSQL: a small pool per process, opened on first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool, PoolTimeout

from shared.domain.errors import Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]

_ACQUIRE_TIMEOUT_S = 5.0
_RECONNECT_S = 1.0
_AWAY_TIMEOUT_S = 0.1
"""What a caller waits while the server is known to be away: else events that queue are refused one by one,
each after the whole wait, and the Broker's own patience ends before ours."""


class Database:
    """A PostgreSQL database by its libpq URL.

    Every failure that may pass (no connection, a lost one, a serialization failure, a deadlock) is
    raised as Unavailable, at once while the server is known to be away; the next call after it is back
    finds it.
    """

    def __init__(self, url: str, *, pool_size_max: int = 10) -> None:
        self._url = url
        self._pool_size_max = pool_size_max
        self._pool: ConnectionPool[Connection] | None = None
        self._is_away = False
        self._lock = Lock()

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """A connection in autocommit: each statement is a transaction of its own, in one round trip."""
        with self._connection() as connection:
            yield connection

    @contextmanager
    def transaction(
        self, isolation: IsolationLevel | None = None, *, read_only: bool = False
    ) -> Iterator[Connection]:
        """A transaction, committed when the block ends and rolled back when it raises."""
        with self._connection() as connection:
            connection.isolation_level = isolation
            connection.read_only = read_only or None
            with connection.transaction():
                yield connection

    def check(self) -> None:
        """Raises Unavailable while the database does not answer."""
        with self.statement() as connection:
            connection.execute("SELECT")

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        timeout_s = _AWAY_TIMEOUT_S if self._is_away else _ACQUIRE_TIMEOUT_S
        pool, broken = self._opened(), False
        try:
            with pool.connection(timeout=timeout_s) as connection:
                try:
                    yield connection
                    self._is_away = False
                finally:
                    broken = connection.broken
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"PostgreSQL: {error}") from error
        finally:
            if broken:
                pool.check()  # where one is broken the idle ones are: else each would fail a request

    def _opened(self) -> ConnectionPool[Connection]:
        if not self._url:
            raise Unavailable("DATABASE_URL is not set")
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._url,
                    min_size=1,
                    max_size=self._pool_size_max,
                    kwargs={
                        "autocommit": True,
                        "application_name": "faas-billing",
                        "options": "-c timezone=UTC",
                    },
                    reconnect_timeout=_RECONNECT_S,
                    reconnect_failed=self._note_away,
                    open=True,
                )
            return self._pool

    def _note_away(self, _pool: ConnectionPool[Connection]) -> None:
        self._is_away = True
