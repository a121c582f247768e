import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.settings import CHECKOUT
from runtime.state import SOCKET_DIR_LENGTH_MAX, StateInUse, admin_key, claim, socket_dir, write_whole

HOLDER = """
import subprocess, sys
from pathlib import Path
from runtime.state import claim
lock = claim(Path(sys.argv[1]))
heir = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"], pass_fds=[lock])
"""


def test_a_second_claim_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    held = claim(tmp_path / "state")
    with pytest.raises(StateInUse, match=rf"process {os.getpid()}\) works on .*STATE_DIR"):
        claim(tmp_path / "state")
    os.close(held)


def test_a_released_folder_can_be_claimed_again(tmp_path: Path) -> None:
    os.close(claim(tmp_path))
    os.close(claim(tmp_path))


def test_a_folder_stays_claimed_while_a_server_of_a_dead_run_lives(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", HOLDER, str(tmp_path)], cwd=CHECKOUT, check=True)
    with pytest.raises(BlockingIOError), (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(claim(tmp_path))


def test_the_state_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    os.close(claim(tmp_path / "state"))
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_the_admin_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = admin_key(tmp_path)
    assert len(key) >= 32
    assert admin_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "admin-api-key").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["d" * 120, "with space", "with,comma", "ünï"])
def test_sockets_of_an_awkward_folder_live_in_a_short_one(tmp_path: Path, name: str) -> None:
    folder = socket_dir(tmp_path / name)
    assert len(os.fsencode(folder)) <= SOCKET_DIR_LENGTH_MAX
    assert folder == socket_dir(tmp_path / name)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = socket_dir(tmp_path / ("d" * 120))
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        socket_dir(tmp_path / ("d" * 120))
    folder.unlink()


def test_a_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
