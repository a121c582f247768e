import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.processes import Command, Process, ProcessFailed
from runtime.settings import CHECKOUT

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
DEAF = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True); time.sleep(600)",
)
PARENT_OF_ONE = (
    sys.executable,
    "-c",
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True); time.sleep(600)",
)
SUPERVISOR = """
import signal, sys, time
from pathlib import Path
from runtime.processes import Command, Process
folder = Path(sys.argv[1])
sleeps = "import time; time.sleep(600)"
for name, program, orphan_signal in (
    ("one", sleeps, None),
    # Deaf to SIGTERM, so that only its own signal ends it (not SIGQUIT: a shell may have had it ignored).
    ("two", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + sleeps, signal.SIGUSR1),
):
    argv = (sys.executable, "-c", program)
    command = Command(name, argv, folder / f"{name}.log", {}, folder, orphan_signal=orphan_signal)
    print(Process.start(command).pid, flush=True)
time.sleep(600)
"""


def command(folder: Path, argv: tuple[str, ...], *, grace_s: float = 5) -> Command:
    return Command("the child", argv, folder / "child.log", {}, folder, grace_s=grace_s)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def eventually(holds: Callable[[], bool], limit_s: float = 20) -> bool:
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wrote(folder: Path) -> Callable[[], bool]:
    return lambda: "\n" in (folder / "child.log").read_text()


def test_a_stopped_child_is_gone(tmp_path: Path) -> None:
    process = Process.start(command(tmp_path, SLEEPER))
    process.wait_until(wrote(tmp_path), limit_s=20)
    process.stop()
    assert process.exit_code == -signal.SIGTERM
    assert not alive(process.pid)


def test_a_child_that_does_not_listen_is_killed_after_its_grace_period(tmp_path: Path) -> None:
    process = Process.start(command(tmp_path, DEAF, grace_s=0.2))
    process.wait_until(wrote(tmp_path), limit_s=20)
    process.stop()
    assert process.exit_code == -signal.SIGKILL


def test_grandchildren_go_with_the_child(tmp_path: Path) -> None:
    process = Process.start(command(tmp_path, PARENT_OF_ONE))
    process.wait_until(wrote(tmp_path), limit_s=20)
    grandchild = int((tmp_path / "child.log").read_text())
    assert alive(grandchild)
    process.stop()
    assert eventually(lambda: not alive(grandchild))


def test_who_has_other_things_to_do_asks_first_and_kills_later(tmp_path: Path) -> None:
    process = Process.start(command(tmp_path, PARENT_OF_ONE))
    process.wait_until(wrote(tmp_path), limit_s=20)
    grandchild = int((tmp_path / "child.log").read_text())
    process.ask_to_stop()
    assert eventually(lambda: process.exit_code == -signal.SIGTERM)
    assert alive(grandchild)
    process.kill()
    assert eventually(lambda: not alive(grandchild))


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    process = Process.start(command(tmp_path, SLEEPER))
    process.stop()
    process.stop()
    assert not alive(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child when its parent dies")
def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        children = [int(supervisor.stdout.readline()) for _ in range(2)]
        assert all(map(alive, children))
        supervisor.kill()
    assert eventually(lambda: not any(map(alive, children)))


def test_a_child_that_ends_too_soon_shows_the_end_of_its_log(tmp_path: Path) -> None:
    failing = (
        sys.executable,
        "-c",
        "print('first'); print('no such table', flush=True); raise SystemExit(3)",
    )
    process = Process.start(command(tmp_path, failing))
    with pytest.raises(ProcessFailed, match=r"(?s)ended with code 3 .*child\.log.*no such table"):
        process.wait_until(lambda: False, limit_s=20)
    process.stop()


def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    process = Process.start(command(tmp_path, SLEEPER))
    with pytest.raises(ProcessFailed, match="was not ready after"):
        process.wait_until(lambda: False, limit_s=0.1)
    process.stop()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="nowhere"):
        Process.start(command(tmp_path, (str(tmp_path / "nowhere"),)))


def test_a_child_finds_only_the_environment_it_was_given(tmp_path: Path) -> None:
    printing = (sys.executable, "-S", "-c", "import os; print(sorted(os.environ.items()), flush=True)")
    given = {"ONLY": "this", "LC_ALL": "C"}
    process = Process.start(Command("the child", printing, tmp_path / "child.log", given, tmp_path))
    assert process.wait() == 0
    assert (tmp_path / "child.log").read_text().strip() == str(sorted(given.items()))
