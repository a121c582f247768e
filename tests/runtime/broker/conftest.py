"""A Redis that keeps its word, and one broker for the tests that do not kill it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import runtime.redis
from runtime.processes import Process
from tests.runtime.broker.rig import RunningBroker, Subscriber, broker_home


@pytest.fixture(scope="session")
def redis_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="session")
def durable_redis(redis_home: Path) -> Iterator[str]:
    """URL of a server that waits for the disk; database 0 is `broker`'s."""
    server = runtime.redis.prepare(redis_home, fsync="always")
    process = Process.start(server.command)
    try:
        process.wait_until(server.ready, limit_s=runtime.redis.READY_LIMIT_S)
        yield server.url
    finally:
        process.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, durable_redis: str) -> Iterator[RunningBroker]:
    """A running broker; a test brings its own Triggers."""
    with broker_home(tmp_path_factory.mktemp("broker"), f"{durable_redis}?db=0") as broker:
        broker.start()
        yield broker


@pytest.fixture
def own_broker(tmp_path: Path, durable_redis: str) -> Iterator[RunningBroker]:
    """A broker of this test alone, to start, kill and stop."""
    with broker_home(tmp_path, f"{durable_redis}?db=1") as broker:
        yield broker


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.close()


@pytest.fixture
def letters(broker: RunningBroker) -> Iterator[Subscriber]:
    """The dead-letter sink of `broker`."""
    sink = Subscriber()
    broker.name_services(letters=sink.url)
    yield sink
    sink.close()
