"""Servers for the tests: one PostgreSQL and one Redis per session, a fresh database for each test."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
import redis
from psycopg import sql

import runtime.postgres
import runtime.redis
from runtime.processes import Process
from shared.config import environment

REDIS_DATABASES = 16
# A merge must not depend on what is drawn that day; developers' runs go on searching. How long an example
# takes is up to whoever else is on the machine.
hypothesis.settings.register_profile("any", deadline=None, derandomize=bool(environment().get("CI")))
hypothesis.settings.load_profile("any")
# pytest-xdist's: two processes that are given the same Redis never take the same database of it.
_workers = int(environment().get("PYTEST_XDIST_WORKER_COUNT", "1"))
_numbers = count(int(environment().get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")), _workers)


def _run_id() -> str:
    """Tells this session's databases from another's on the same server."""
    return f"{os.getpid()}_{secrets.token_hex(3)}"


def _url_of(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()


@contextmanager
def _database(server: str, name: str, template: str = "template0") -> Iterator[str]:
    options = sql.SQL("TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), options))
    try:
        yield name
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """libpq URL of a server where databases may be made: DATABASE_URL, or an embedded one, fsync off."""
    if given := environment().get("DATABASE_URL"):
        yield given
        return
    server = runtime.postgres.prepare(tmp_path_factory.mktemp("server"), runtime.postgres.FORGETFUL)
    process = Process.start(server.command)
    try:
        process.wait_until(server.ready, limit_s=runtime.postgres.READY_LIMIT_S)
        yield server.url_of("postgres")
    finally:
        process.stop()


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> Iterator[str]:
    """Name of a database in the state the migrations leave; nothing may stay connected to it."""
    with _database(postgres_server, f"template_{_run_id()}") as name:
        if find_spec("shared.migrations") is not None:
            from shared.migrations import upgrade

            upgrade(_url_of(postgres_server, name))
        yield name


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """Of a database that no migration has seen."""
    with _database(postgres_server, f"empty_{_run_id()}_{next(_numbers)}") as name:
        yield _url_of(postgres_server, name)


@pytest.fixture
def database_url(postgres_server: str, template_database: str) -> Iterator[str]:
    """libpq URL of a database of this test's own, migrated and empty; dropped after it."""
    with _database(postgres_server, f"test_{_run_id()}_{next(_numbers)}", template_database) as name:
        yield _url_of(postgres_server, name)


@pytest.fixture(scope="module")
def module_database_url(postgres_server: str, template_database: str) -> Iterator[str]:
    """As `database_url`, for the tests of one module together: each with tenants of its own."""
    with _database(postgres_server, f"test_{_run_id()}_{next(_numbers)}", template_database) as name:
        yield _url_of(postgres_server, name)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server, without a database number: REDIS_URL, or an embedded one."""
    if given := environment().get("REDIS_URL"):
        yield given
        return
    server = runtime.redis.prepare(tmp_path_factory.mktemp("server"))
    process = Process.start(server.command)
    try:
        process.wait_until(server.ready, limit_s=runtime.redis.READY_LIMIT_S)
        yield server.url
    finally:
        process.stop()


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """URL of a database of this test's own, empty; emptied after it."""
    usable = (REDIS_DATABASES - 1) // _workers * _workers
    url = f"{redis_server}?db={1 + next(_numbers) % usable}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()
