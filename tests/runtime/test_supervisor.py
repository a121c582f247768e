import sys
import time
from functools import partial
from pathlib import Path

import pytest

from runtime.processes import Command, ProcessFailed
from runtime.supervisor import Stopped, Supervisor

NEVER_STOPPED = bool


def child(folder: Path, name: str, code: str) -> Command:
    return Command(name, (sys.executable, "-S", "-c", code), folder / f"{name}.log", {}, folder)


def starts(folder: Path, name: str) -> int:
    log = folder / f"{name}.log"
    return log.read_text().count("up") if log.exists() else 0


def is_up(folder: Path, name: str) -> bool:
    return starts(folder, name) == 1


def test_a_child_that_keeps_dying_is_started_again_each_time_later(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append, lambda: len(said) == 3)
    supervisor.start(child(tmp_path, "crash", "print('up')"), NEVER_STOPPED, limit_s=1)
    with pytest.raises(Stopped):
        supervisor.watch()
    supervisor.stop()
    assert [line.split(";")[1].split("(")[0] for line in said] == [
        f" starting it again in {wait} s " for wait in ("0.5", "1", "2")
    ]
    assert starts(tmp_path, "crash") == 3


def test_a_child_that_ran_for_more_than_five_seconds_is_started_again_at_once(tmp_path: Path) -> None:
    said: list[str] = []
    now = 0.0
    supervisor = Supervisor(said.append, lambda: False, clock=lambda: now)
    supervisor.start(child(tmp_path, "crash", "print('up')"), NEVER_STOPPED, limit_s=1)
    for lived_s in (4.9, 5.1, 4.9):
        now += lived_s
        lines = len(said)
        while len(said) == lines:
            supervisor.tick()
            time.sleep(0.01)
        now += 60
        supervisor.tick()
    supervisor.stop()
    assert [line.partition(" again in ")[2].partition(" s ")[0] for line in said] == ["0.5", "0.5", "1"]


def test_children_are_stopped_in_reverse_order(tmp_path: Path) -> None:
    noting = (
        "import signal, sys, time\n"
        "def note(*_):\n"
        "    open('order', 'a').write(NAME + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, note)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(0.1)\n"
    )
    supervisor = Supervisor(print, lambda: False)
    for name in ("first", "second", "third"):
        command = child(tmp_path, name, f"NAME = {name!r}\n{noting}")
        supervisor.start(command, partial(is_up, tmp_path, name), limit_s=20)
    supervisor.wait_ready()
    supervisor.stop()
    assert (tmp_path / "order").read_text() == "third second first "


def test_a_command_that_fails_says_so(tmp_path: Path) -> None:
    supervisor = Supervisor(print, lambda: False)
    with pytest.raises(ProcessFailed, match=r"(?s)job ended with code 4.*it broke"):
        supervisor.run(child(tmp_path, "job", "print('it broke'); raise SystemExit(4)"))


def test_a_command_is_stopped_when_the_run_is(tmp_path: Path) -> None:
    supervisor = Supervisor(print, lambda: starts(tmp_path, "job") == 1)
    began = time.monotonic()
    with pytest.raises(Stopped):
        supervisor.run(child(tmp_path, "job", "import time; print('up', flush=True); time.sleep(600)"))
    assert time.monotonic() - began < 60


def test_nothing_is_started_after_the_run_was_stopped(tmp_path: Path) -> None:
    supervisor = Supervisor(print, lambda: True)
    with pytest.raises(Stopped):
        supervisor.start(child(tmp_path, "late", "print('up')"), NEVER_STOPPED, limit_s=1)
    assert starts(tmp_path, "late") == 0
