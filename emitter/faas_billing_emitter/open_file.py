"""The batch that is being filled: a file that grows record by record."""

from __future__ import annotations

import os
import time
from pathlib import Path

from faas_billing_emitter.batch import Fill, Origin, closed, following, opening, read, whole_part
from faas_billing_emitter.folder import rename_durably, sync_folder, write_or_undo

OPEN, SEALED = ".open", ".sealed"


class OpenFile:
    """Not thread-safe. A record is with the operating system when `append` returns: it survives the
    process. Raises OSError, and holds what it held before, where it cannot be written.

    `request_ids` are those of its records: a receiver takes a batch that repeats one for a fault.
    """

    def __init__(self, path: Path, origin: Origin, sequence: int, time_text: str, record: bytes) -> None:
        content = opening(origin, sequence, time_text, record)
        self.path, self.opened_at_s = path, time.monotonic()
        self.request_ids: set[str] = set()
        self.fill = Fill().plus(record)
        self._written = len(content)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        try:
            write_or_undo(self._fd, content, 0)
        except OSError:
            self.close()
            path.unlink()
            raise

    @property
    def size(self) -> int:
        """Of the file, once it is sealed."""
        return len(closed(b"")) + self._written

    def takes(self, record: bytes) -> bool:
        return self.fill.plus(record).within_limits

    def append(self, record: bytes) -> None:
        line = following(record)
        write_or_undo(self._fd, line, self._written)
        self._written += len(line)
        self.fill = self.fill.plus(record)

    def close(self) -> None:
        os.close(self._fd)


def salvage(path: Path) -> bool:
    """Cuts off what a crash tore from an open file; removes it, and says False, where no record is whole."""
    content = path.read_bytes()
    whole = whole_part(content)
    if not whole:
        path.unlink()
        return False
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    return True


def seal(path: Path) -> Path:
    """Fixes an open file's bytes, on the disk, under a name that holds its number and their digest.

    May be tried again where it raised OSError.
    """
    done = next(path.parent.glob(f"{path.stem}-*{SEALED}"), None)
    if done is not None:
        sync_folder(path.parent)
        return done
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    content = closed(whole)
    with path.open("r+b") as file:
        file.seek(len(whole))
        file.write(content[len(whole) :])
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    sealed = path.with_name(f"{path.stem}-{read(content).digest}{SEALED}")
    rename_durably(path, sealed)
    return sealed
