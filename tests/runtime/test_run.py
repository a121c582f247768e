"""`python -m runtime` from outside: what it refuses, and that nothing stays behind however it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime import ports
from runtime.settings import CHECKOUT
from shared.config import environment

LIMIT_S = 60


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    api_port, broker_port = ports.some_free(2, frozenset())
    ours = {name: value for name, value in environment().items() if name in ("PATH", "HOME")}
    return {
        **ours,
        "STATE_DIR": str(tmp_path / "state"),
        "API_PORT": str(api_port),
        "BROKER_PORT": str(broker_port),
    }


def refused(env: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "runtime"],
        cwd=CHECKOUT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


@contextmanager
def running(env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A run that is up."""
    with subprocess.Popen(
        [sys.executable, "-m", "runtime"], cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        try:
            said = ""
            while "Ctrl-C stops it" not in said:
                line = run.stdout.readline()
                assert line, said
                said += line
            yield run
        finally:
            run.terminate()
            run.stdout.read()


def descendants(pid: int) -> set[int]:
    found = {
        int(word)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for word in path.read_text().split()
    }
    return found.union(*map(descendants, found))


def eventually_gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_it_refuses_to_start_in_a_cluster_and_names_every_other_fault(settings: dict[str, str]) -> None:
    said = refused({**settings, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "IDLE_SECONDS": "soon"})
    assert "NOT a production broker" in said
    assert "FAILED: KUBERNETES_SERVICE_HOST: is set: this runtime is for development only" in said
    assert "FAILED: IDLE_SECONDS: must be a whole number" in said
    assert not Path(settings["STATE_DIR"]).exists()


def test_a_port_in_use_is_named_with_its_setting(settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(settings["API_PORT"]))):
        said = refused(settings)
    assert f"FAILED: API_PORT: port {settings['API_PORT']} is in use" in said


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_stays_behind_and_the_state_is_used_again(settings: dict[str, str]) -> None:
    with running(settings) as run:
        family = descendants(run.pid)
        assert len(family) > 8
        two_more = map(str, ports.some_free(2, frozenset()))
        said = refused({**settings, **dict(zip(("API_PORT", "BROKER_PORT"), two_more, strict=True))})
        assert f"process {run.pid}) works on {settings['STATE_DIR']}" in said
        run.terminate()
        assert run.wait(LIMIT_S) == 0
        assert eventually_gone(family)
    with running(settings) as run:
        family = descendants(run.pid)
        run.send_signal(signal.SIGKILL)
        assert eventually_gone(family)
    with running(settings) as run:
        os.kill(run.pid, signal.SIGINT)
        assert run.wait(LIMIT_S) == 0
