"""The few file operations whose order a crash must not undo."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from weakref import WeakSet


class SpoolInUse(Exception):
    """Another emitter holds the folder."""


class Lock:
    """Held by one process until it releases it or dies; raises SpoolInUse where another has it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            self.release()
            raise SpoolInUse(f"{path.parent} is in use by another emitter") from held
        _locks.add(self)

    @property
    def released(self) -> bool:
        return self._fd < 0

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_locks: WeakSet[Lock] = WeakSet()


def _leave_locks_to_the_parent() -> None:
    # A forked child shares the open file: it would hold the folder after its parent's death.
    for lock in list(_locks):
        lock.release()


os.register_at_fork(after_in_child=_leave_locks_to_the_parent)


def write_durably(path: Path, content: bytes) -> None:
    """The whole file is on the disk under its name, or none of it."""
    half = path.with_name(path.name + ".tmp")
    with half.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    rename_durably(half, path)


def rename_durably(old: Path, new: Path) -> None:
    old.replace(new)
    sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_or_undo(fd: int, content: bytes, size: int) -> None:
    """Appends to a file of `size` bytes. Raises OSError, and leaves those bytes, where the disk is full."""
    try:
        written = os.write(fd, content)
        if written < len(content):
            raise OSError(f"only {written} of {len(content)} bytes could be written")
    except OSError:
        os.ftruncate(fd, size)
        raise
