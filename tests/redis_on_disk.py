"""A Redis that writes to disk what it confirms."""

from collections.abc import Iterator

import pytest
import redis


@pytest.fixture
def letters_url(redis_url: str) -> Iterator[str]:
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("append*")
        client.config_set("appendfsync", "always")
        yield redis_url
        client.config_set("appendfsync", before["appendfsync"])
