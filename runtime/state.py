"""The state folder: who holds it, short paths for sockets, and files that are whole or absent."""

import fcntl
import hashlib
import os
import pwd
import re
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

SOCKET_DIR_LENGTH_MAX: Final = 80  # the kernel's limit for the whole path is 103 (macOS) or 107 bytes
PLAIN_PATH: Final = re.compile(rb"[\w./-]+")  # PostgreSQL takes a list of folders, Redis words
RELEASE_LIMIT_S: Final = 10.0


class StateInUse(Exception):
    """Another runtime works on this state folder."""


def claim(state_dir: Path) -> int:
    """Makes the folder and locks it; returns the descriptor that holds the lock.

    The embedded servers inherit it, so the folder stays locked until the last of them has ended, whatever
    became of the runtime: two servers never share a data directory. Raises StateInUse.
    """
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = state_dir / "lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + RELEASE_LIMIT_S
    while not _locked(descriptor):
        holder = lock.read_text().strip()
        if _alive(holder) or time.monotonic() > deadline:
            os.close(descriptor)
            raise StateInUse(
                f"another `make run` (process {holder or 'unknown'}) works on {state_dir}: stop it first,"
                " or set STATE_DIR, API_PORT and BROKER_PORT to run a second one beside it"
            )
        time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _locked(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _alive(pid: str) -> bool:
    with suppress(ValueError, ProcessLookupError):
        os.kill(int(pid), 0)
        return True
    return False


def socket_dir(state_dir: Path) -> Path:
    """A folder of ours for sockets, below the state folder or, where that path is too long, below /tmp."""
    absolute = os.fsencode(state_dir.absolute())
    if len(absolute) + len("/run") <= SOCKET_DIR_LENGTH_MAX and PLAIN_PATH.fullmatch(absolute):
        path = state_dir.absolute() / "run"
    else:
        digest = hashlib.sha256(absolute).hexdigest()[:12]
        path = Path("/tmp") / f"faas-billing-{os.geteuid()}-{digest}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    # As root, PostgreSQL and its sockets may be those of `nobody`.
    owners = {os.geteuid()} if os.geteuid() else {0, pwd.getpwnam("nobody").pw_uid}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise PermissionError(f"{path} belongs to somebody else: set STATE_DIR to another folder")
    return path


def write_whole(path: Path, text: str) -> None:
    """Readers, who can be its owner only, see the old content or the new, never a part."""
    fresh = path.with_name(f".{path.name}.new")
    with open(fresh, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    fresh.replace(path)


def admin_key(state_dir: Path) -> str:
    """The development admin key, made once and kept readable by its owner only."""
    path = state_dir / "admin-api-key"
    if not path.exists():
        write_whole(path, f"dev-{secrets.token_urlsafe(24)}\n")
    return path.read_text().strip()
