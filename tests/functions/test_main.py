"""Every function starts the same way, and answers a broker the same way under either server."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import functions.main
from functions.main import UnknownFunction, check, known
from tests.functions.serving import CHECKOUT, GRANIAN, Served, serving

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
NOBODY = "redis://127.0.0.1:1"


@pytest.fixture(scope="module", params=["granian", "functions-framework"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """dead_letter without a Redis, so that every event is one for later."""
    framework = request.param == "functions-framework"
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "dead_letter", framework=framework, REDIS_URL=NOBODY, THREADS="4") as served:
        yield served


def test_probes_and_metrics_are_answered(served: Served) -> None:
    for path in ("/health/liveness", "/health/readiness"):
        assert served.request("GET", path).body == b"ok\n"
    assert b"# TYPE faas_billing_events_total counter" in served.request("GET", "/metrics").body


def test_an_event_that_cannot_be_kept_now_is_503(served: Served) -> None:
    answer = served.request("POST", "/", EVENT, b"{}")
    assert (answer.status, answer.body) == (503, b'{"error":"unavailable, repeat later"}')
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("path", ["//", "//a//b", "/a/", "/a/../b", "/%2e%2e", "/%ff", "/a?b=1", "/é"])
def test_no_path_is_redirected_or_not_found(served: Served, path: str) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert served.raw(request.encode()).split(b" ")[1] in (b"503", b"400")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_405(served: Served, method: str) -> None:
    assert served.request(method).status == 405


def test_a_body_of_40_mb_is_413_and_the_sender_sees_it(served: Served) -> None:
    answer = served.request("POST", "/", EVENT, b"x" * 40_000_000)
    assert (answer.status, answer.headers["content-type"]) == (413, "application/json")


def test_a_chunked_body_is_taken_whole(served: Served) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert served.raw(head + b"3\r\nabc\r\n0\r\n\r\n").startswith(b"HTTP/1.1 503 ")


def test_the_log_has_plain_lines_and_no_access_log(tmp_path: Path) -> None:
    with serving(tmp_path, "dead_letter", REDIS_URL=NOBODY) as served:
        served.request("POST", "/", EVENT, b"secret")
    lines = served.log.read_text().splitlines()
    assert len(lines) == 1
    assert (
        "WARNING eventing.delivery: cannot take event 1 of /s now: the Redis of the dead letters" in lines[0]
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_asked_to_alone_or_with_its_group(tmp_path: Path, number: signal.Signals) -> None:
    for ask in (os.kill, os.killpg):
        with serving(tmp_path, "dead_letter", REDIS_URL=NOBODY) as served:
            ask(served.process.pid, number)
            served.process.wait()
            assert served.process.exit_code == 0
    assert served.log.read_text() == ""


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(
        argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_unknown_target_is_refused_with_the_names_that_are_known() -> None:
    for target in ("nope", "", "../dead_letter", "dead-letter"):
        ended = run(*GRANIAN, FUNCTION_TARGET=target)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"FUNCTION_TARGET: '{target}' is not one of the functions here: ")
        assert "dead_letter" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_functions_framework_is_told_too_which_names_are_known() -> None:
    code = "from functions.main import application; application()"
    ended = run(sys.executable, "-c", code, FUNCTION_TARGET="nope")
    assert "UnknownFunction: 'nope' is not one of the functions here: " in ended.stderr


def test_a_worker_that_cannot_start_ends_the_process_with_its_reason() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run(*GRANIAN, FUNCTION_TARGET="dead_letter", ADDRESS="127.0.0.1", PORT=port)
    assert ended.returncode == 1
    assert "Address already in use" in ended.stderr


def test_a_target_is_looked_up_by_the_name_of_its_folder() -> None:
    assert "dead_letter" in known()
    check("dead_letter")
    assert functions.main.dead_letter.__module__ == "eventing.delivery"
    with pytest.raises(UnknownFunction):
        functions.main.no_such_function  # noqa: B018
    assert not hasattr(functions.main, "__no_such_attribute__")
    with pytest.raises(UnknownFunction, match="is not one of the functions here"):
        check("background")


def test_only_the_handler_that_is_asked_for_is_imported() -> None:
    heavy = "('functions.', 'sqlalchemy', 'psycopg', 'alembic', 'prometheus')"
    code = (
        "import sys; from functions.main import application; application();"
        f"print(*sorted(name for name in sys.modules if name.startswith({heavy})))"
    )
    ended = run(sys.executable, "-c", code, FUNCTION_TARGET="dead_letter")
    assert ended.stdout.split() == [
        "functions.background",
        "functions.bootstrap",
        "functions.dead_letter",
        "functions.dead_letter.handler",
        "functions.dead_letter.letter",
        "functions.main",
        "functions.once",
    ]
