"""Work in the background: on time, when woken, through failures, and drained when the process ends."""

import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from functions import background as background_module
from functions.background import Background
from runtime.ports import answers, some_free
from shared.domain.errors import Unavailable
from tests.functions.working import LIMIT_S, Started, Work

CHECKOUT = Path(__file__).parents[2]


def test_nothing_runs_before_it_is_started_and_then_at_once(started: Started) -> None:
    work = Work()
    before = threading.active_count()
    background = started(Background("folding", work))
    assert (threading.active_count(), work.calls) == (before, 0)
    background.start()
    work.wait_for(1)


def test_it_runs_when_it_asked_to_and_after_that_when_woken(started: Started) -> None:
    work = Work(0.01, 0.01, None)
    background = started(Background("folding", work))
    background.wake()
    work.wait_for(3)
    background.wake()
    work.wait_for(4)


def test_it_starts_once_however_many_threads_start_it(started: Started) -> None:
    inside: list[str] = []
    both = threading.Barrier(9)

    def work() -> None:
        inside.append(threading.current_thread().name)

    background = started(Background("only-one", work))

    def start() -> None:
        both.wait()
        background.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    both.wait()
    for thread in threads:
        thread.join()
    background.stop()
    assert inside == ["only-one"]


def test_a_wake_while_it_works_is_not_lost(started: Started) -> None:
    entered, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        entered.set()
        assert go_on.wait(LIMIT_S)

    drained = threading.Event()
    background = started(Background("folding", work, drain=drained.set))
    background.wake()
    assert entered.wait(LIMIT_S)
    entered.clear()
    background.wake()
    background.wake()
    go_on.set()
    assert entered.wait(LIMIT_S)
    background.stop()
    assert len(calls) == 2
    assert drained.is_set()


def test_a_failure_is_logged_and_tried_again_after_a_growing_pause(
    started: Started, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background_module, "BACKOFF_S", 0.01)
    work = Work(ZeroDivisionError("a bug"), Unavailable("away"), None)
    background = started(Background("folding", work))
    background.start()
    work.wait_for(3)
    background.wake()
    work.wait_for(4)
    first, second = caplog.records
    assert first.getMessage() == "folding: a bug; next try in 0.01 s"
    assert first.exc_info
    assert second.getMessage() == "folding: away; next try in 0.02 s"
    assert not second.exc_info


def test_waking_it_does_not_shorten_the_pause_after_a_failure(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_module, "BACKOFF_S", 0.3)
    work = Work(Unavailable("away"), None)
    background = started(Background("folding", work))
    begun = time.monotonic()
    background.start()
    work.wait_for(1)
    for _ in range(100):
        background.wake()
    work.wait_for(2)
    assert time.monotonic() - begun >= 0.3


def test_stopping_drains_once_and_for_good() -> None:
    work, drains = Work(), []
    background = Background("folding", work, drain=lambda: drains.append(threading.current_thread().name))
    background.start()
    work.wait_for(1)
    background.stop()
    background.stop()
    background.wake()
    assert drains == ["folding"]
    assert work.calls == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("folding")]


def test_stopping_at_any_moment_never_hangs() -> None:
    for _ in range(200):
        work, drained = Work(), threading.Event()
        background = Background("folding", work, drain=drained.set)
        background.wake()
        background.stop()
        assert drained.is_set()


def test_a_drain_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    background = Background("folding", Work(), drain=lambda: exec("1/0"))
    background.start()
    background.stop()
    assert "folding could not drain" in caplog.text


def test_a_drain_that_hangs_is_left_at_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    hanging = threading.Event()

    def drain() -> None:
        hanging.wait()

    background = Background("folding", Work(), drain=drain, drain_limit_s=0.1)
    background.start()
    background.stop()
    assert "folding did not finish within 0.1 s of stopping" in caplog.text
    hanging.set()


APPLICATION = """
import sys, threading, time
from pathlib import Path
from functions.background import Background

here = Path(__file__).parent
released = threading.Event()

def drain():
    {drain}
    (here / "drained").write_text(threading.current_thread().name)

background = Background("folding", lambda: 0.01, drain=drain, drain_limit_s=2.0)

def application():
    def app(environ, start_response):
        background.start()
        (here / "asked").touch()
        if environ["PATH_INFO"] == "/slow":
            time.sleep(0.5)
        start_response("200 OK", [("content-length", "2")])
        return [b"ok"]
    return app
"""


def serve(folder: Path, drain: str) -> tuple[subprocess.Popen[bytes], int]:
    (folder / "drained_app.py").write_text(APPLICATION.format(drain=drain))
    (port,) = some_free(1, frozenset())
    options = ["--interface", "wsgi", "--factory", "--no-ws", "--blocking-threads", "2", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options, "drained_app:application"],
        cwd=folder,
        env={"PYTHONPATH": f"{CHECKOUT}:{folder}", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if answers(port):
                break
        except OSError:
            time.sleep(0.02)
    return process, port


def test_in_a_granian_worker_sigterm_lets_the_request_end_and_then_drains(tmp_path: Path) -> None:
    process, port = serve(tmp_path, drain="time.sleep(0.3)")
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        connection.request("GET", "/slow")
        deadline = time.monotonic() + LIMIT_S
        while not (tmp_path / "asked").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert connection.getresponse().read() == b"ok"
        connection.close()
        assert process.wait(LIMIT_S) == 0
        assert (tmp_path / "drained").read_text() == "folding"
    finally:
        process.kill()
        process.wait()


def test_in_a_granian_worker_a_drain_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    process, port = serve(tmp_path, drain="threading.Event().wait()")
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"
        connection.close()
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
        assert 1.5 < time.monotonic() - begun < LIMIT_S
        assert not (tmp_path / "drained").exists()
    finally:
        process.kill()
        process.wait()
