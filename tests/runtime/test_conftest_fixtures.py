"""The fixtures that every other test stands on."""

import psycopg
import redis


def test_a_test_has_a_database_of_its_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE mine (x int)")


def test_what_another_test_wrote_is_not_there(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT to_regclass('mine')").fetchone()
    assert found == (None,)


def test_a_test_has_an_empty_redis(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("mine", "1")
