"""`usage.voided` to the aggregator as a real process, answered as a Broker must be answered."""

import json
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.emitter.receiver import Receiver
from tests.functions.aggregator.test_process import HEADERS, acme, counts, send, sink
from tests.functions.serving import Served, serving

__all__ = ["acme", "sink"]

VOIDED = HEADERS | {"ce-type": "dev.faasbilling.usage.voided.v1", "ce-source": "/ops"}


def void(
    served: Served, id: str, *, headers: Mapping[str, str] = VOIDED, **changes: str
) -> tuple[int, bytes]:
    data = {"source": "/t", "id": id, "reason": "a load test"} | changes
    body = json.dumps({name: text for name, text in data.items() if text}).encode()
    answer = served.request("POST", "/", {**headers, "ce-id": f"void {id}"}, body)
    return answer.status, answer.body


def test_usage_is_taken_back_once_and_announced(acme: str, sink: Receiver, tmp_path: Path) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
        send(served, "1")
        send(served, "2")
        sink.wait_for(1)
        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(lambda _: void(served, "1"), range(50))) == {(204, b"")}
        assert void(served, "late") == (204, b"")
        for id in ("1", "late"):
            send(served, id)
    assert counts(acme) == (0, 1, 0)
    assert int(sink.delivered[-1].headers["ce-sequence"]) >= 2
    with psycopg.connect(acme) as connection:
        rows = connection.execute(
            "SELECT event_id, voided_by, counted, received_at IS NULL FROM usage_void ORDER BY 1"
        ).fetchall()
    assert rows == [("1", "/ops void 1", True, False), ("late", "/ops void late", False, False)]


def test_faults_are_answered_for_good_and_outages_for_now(acme: str, tmp_path: Path) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme) as served:
        status, body = void(served, "", reason="")
        assert status == 422
        assert {error["field"] for error in json.loads(body)["errors"]} == {"id", "reason"}
        assert void(served, "1", headers=VOIDED | {"ce-tenantid": "nobody"})[0] == 422
        assert void(served, "1", headers={k: v for k, v in VOIDED.items() if k != "ce-tenantid"})[0] == 422
        assert void(served, "1", headers=VOIDED | {"Content-Type": "text/plain"})[0] == 422
    with serving(tmp_path, "aggregator") as served:
        assert void(served, "1")[0] == 503


def test_a_killed_process_leaves_nothing_half_done(acme: str, sink: Receiver, tmp_path: Path) -> None:
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
        send(served, "1")
        sink.wait_for(1)
    with psycopg.connect(acme) as holder, ThreadPoolExecutor(1) as pool:
        # It has marked the part, and waits to change the window.
        holder.execute("SELECT FROM usage_window FOR UPDATE")
        with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
            answer = pool.submit(void, served, "1")
            wait_for_a_lock(acme)
            os.killpg(served.process.pid, signal.SIGKILL)
            served.process.wait()
            with suppress(OSError, Exception):
                answer.result()
    with psycopg.connect(acme) as connection:
        assert connection.execute("SELECT count(*) FROM usage_void").fetchone() == (0,)
    assert counts(acme) == (0, 1, 0)
    with serving(tmp_path, "aggregator", DATABASE_URL=acme, K_SINK=sink.url) as served:
        assert void(served, "1") == (204, b"")
    assert counts(acme) == (0, 0, 0)


def wait_for_a_lock(url: str) -> None:
    deadline = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.02)
