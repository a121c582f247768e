"""Dead letters through the API as a process: over a real Redis, with and without a database."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.redis_dead_letters import RedisDeadLetters
from tests.emitter.receiver import Receiver, receiving
from tests.functions.serving import Served, serving
from tests.shared.service.letter_fakes import letter

KEY = "the-admin-key"
SENT = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
NOWHERE = ""
RECORD = b'{"timestamp":"2025-10-15T12:00:00Z","service_name":"waiter"}'


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def letters(letters_url: str) -> Iterator[RedisDeadLetters]:
    letters = RedisDeadLetters(letters_url)
    yield letters
    letters.close()


def call(served: Served, method: str, path: str, body: object = None) -> tuple[int, Mapping[str, Any]]:
    data = b"" if body is None else json.dumps(body).encode()
    answer = served.request(method, f"/api/v1{path}", SENT, data)
    return answer.status, json.loads(answer.body)


def test_what_failed_while_the_database_was_away_is_drained_when_it_is_back(
    tmp_path: Path, database_url: str, letters_url: str, letters: RedisDeadLetters, sink: Receiver
) -> None:
    for n, status in enumerate(("503", "", "422")):
        letters.keep(letter(str(n), RECORD, status=status))

    def api(database: str) -> AbstractContextManager[Served]:
        return serving(
            tmp_path,
            "billing_api",
            DATABASE_URL=database,
            REDIS_URL=letters_url,
            K_SINK=sink.url,
            ADMIN_API_KEY=KEY,
        )

    with api(NOWHERE) as served:
        _, listed = call(served, "GET", "/dead-letters?order=oldest")
        assert [item["event_id"] for item in listed["items"]] == ["0", "1", "2"]
        assert (
            call(served, "POST", f"/dead-letters/{listed['items'][2]['id']}/drop", {"reason": "x"})[0] == 200
        )
        assert call(served, "POST", "/dead-letters/drain", {})[0] == 503
        assert sink.received == []

    with api(database_url) as served:
        assert call(served, "POST", "/dead-letters/drain", {})[1]["replayed"] == 2
        assert [one.id for one in sink.received] == ["0", "1"]
        assert [one.data for one in sink.received] == [RECORD, RECORD]
        assert not any(name.startswith("ce-knative") for one in sink.received for name in one.headers)
        assert sink.received[0].headers["ce-time"] == "2025-10-15T11:00:00Z"
        metrics = served.request("GET", "/metrics").body
        assert b"faas_billing_usage_conflicts_total 0.0" in metrics


def test_without_redis_only_these_routes_are_away(tmp_path: Path, database_url: str) -> None:
    with serving(tmp_path, "billing_api", DATABASE_URL=database_url, ADMIN_API_KEY=KEY) as served:
        assert call(served, "GET", "/dead-letters")[0] == 503
        assert call(served, "GET", "/metering-gaps") == (200, {"items": [], "next_cursor": None})
        assert call(served, "GET", "/usage-conflicts") == (200, {"items": [], "next_cursor": None})
