"""The emitter's folder: records are in a file before `append` returns, batches on disk before they are sent.

lock                               held by the one process that uses the folder
origin.json                        tenant and source; the source is made once and stays
00000000000000000007-4be1….settled number 7 is used up: delivered or refused
00000000000000000008-9f86….sealed  waits for a 2xx; its name holds number and digest
00000000000000000009.open          is being filled
refused/                           what was refused for good, with the answer, and bad records
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import deque
from pathlib import Path
from uuid import uuid4

from faas_billing_emitter.batch import Batch, Origin, read
from faas_billing_emitter.cloudevent import rfc3339
from faas_billing_emitter.folder import Lock, sync_folder, write_durably
from faas_billing_emitter.open_file import OPEN, SEALED, OpenFile, salvage, seal

SETTLED = ".settled"

SPOOL_BYTES_MAX = 256 * 1024 * 1024
BLOCK_BYTES = 4096
"""What a file takes at least: many small batches count too."""

log = logging.getLogger("faas_billing_emitter")


class SpoolFull(Exception):
    """The spool holds as much as it may; the record was not kept."""


class Repeated(ValueError):
    """The batch that is being filled has a record of that request already."""


class Spool:
    """Keeps records until they are delivered, across any death of the process.

    Any thread may append and seal; one thread delivers. Batches are numbered from 1 without holes, and
    no number is used twice. `refused` counts batches since it was opened. Raises SpoolInUse where another
    process has the folder, ValueError where it belongs to another tenant or source, OSError where it
    cannot be used.
    """

    def __init__(
        self, folder: Path, tenant: str, source: str | None, bytes_max: int = SPOOL_BYTES_MAX
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.refused_folder = folder / "refused"
        self.refused_folder.mkdir(exist_ok=True)
        self._folder, self._bytes_max = folder, bytes_max
        self._append_lock, self._seal_lock = threading.Lock(), threading.Lock()
        self._open: OpenFile | None = None
        self.refused = 0
        self._lock = Lock(folder / "lock")
        try:
            self.origin = _origin(folder / "origin.json", tenant, source)
            self._resume()
        except BaseException:
            self._lock.release()
            raise

    def _resume(self) -> None:
        for half_written in self._folder.rglob("*.tmp"):
            half_written.unlink()
        files = sorted(path for path in self._folder.iterdir() if path.suffix in (OPEN, SEALED, SETTLED))
        files = [path for path in files if path.suffix != OPEN or salvage(path)]
        self._sealed = deque(path for path in files if path.suffix == SEALED)
        self._unsealed = deque(path for path in files if path.suffix == OPEN)
        self._marks = [path for path in files if path.suffix == SETTLED]
        self.last_number = max(map(_number, files), default=0)
        self.settled_number = (
            min(map(_number, [*self._sealed, *self._unsealed]), default=self.last_number + 1) - 1
        )
        self._bytes = sum(_cost(path) for path in self._folder.rglob("*") if path.is_file())

    @property
    def bytes_held(self) -> int:
        """On the disk, also what was refused; a file counts as 4 KiB more than its size."""
        file = self._open
        return self._bytes + (file.size + BLOCK_BYTES if file else 0)

    @property
    def batches_held(self) -> int:
        """Batches not yet settled, also the one that is being filled."""
        return len(self._sealed) + len(self._unsealed) + (self._open is not None)

    @property
    def open_since_s(self) -> float | None:
        """When the batch that is being filled was begun, by the monotonic clock."""
        file = self._open
        return file.opened_at_s if file else None

    def append(self, record: bytes, now_ns: int, request_id: str | None = None) -> bool:
        """True where a batch became full. Raises Repeated, SpoolFull or OSError: the record was not kept."""
        with self._append_lock:
            self._require_room(len(record) + BLOCK_BYTES)
            old, file = self._open, self._open
            if file is None or not file.takes(record):
                self._roll()
                file = self._open = self._begin(record, now_ns)
            elif request_id in file.request_ids:
                raise Repeated(f"request_id: {request_id!r} is in this batch already")
            else:
                file.append(record)
            if request_id is not None:
                file.request_ids.add(request_id)
            return file.fill.full or (old is not None and old is not file)

    def _require_room(self, size: int) -> None:
        if self._lock.released:
            raise ValueError("the spool is closed")
        if self.bytes_held + size > self._bytes_max:
            raise SpoolFull(f"{self._folder} holds {self.bytes_held} bytes, {self._bytes_max} at most")

    def _begin(self, record: bytes, now_ns: int) -> OpenFile:
        number = self.last_number + 1
        path = self._folder / f"{number:020d}{OPEN}"
        file = OpenFile(path, self.origin, number, rfc3339(now_ns), record)
        self.last_number = number
        return file

    def _roll(self) -> None:
        if self._open is not None:
            self._open.close()
            self._bytes += self._open.size + BLOCK_BYTES
            self._unsealed.append(self._open.path)
            self._open = None

    def seal(self, *, also_unfilled: bool = True) -> None:
        """Fixes what is full, or all there is, on the disk. Raises OSError; nothing is lost then."""
        with self._seal_lock:
            with self._append_lock:
                if self._open is not None and (also_unfilled or self._open.fill.full):
                    self._roll()
            while self._unsealed and not self._lock.released:
                self._sealed.append(seal(self._unsealed[0]))
                self._unsealed.popleft()

    def oldest(self) -> Batch | None:
        """The sealed batch to deliver next. One that is no longer what was sealed is put aside."""
        while self._sealed:
            path = self._sealed[0]
            try:
                return _intact(path)
            except (ValueError, FileNotFoundError) as damage:
                log.error("USAGE LOST: batch %s is damaged and cannot be sent: %s", path.name, damage)
                path.touch()
                self.refuse({"reason": f"damaged on the disk: {damage}"})
        return None

    def settle(self) -> None:
        """The oldest sealed batch was delivered. An empty file marks the highest number as used."""
        path = self._sealed[0]
        freed = _cost(path) - BLOCK_BYTES
        mark = path.replace(path.with_suffix(SETTLED))
        self._sealed.popleft()
        self.settled_number = _number(path)
        self._marks = sorted({*self._marks, mark})
        sync_folder(self._folder)
        os.truncate(mark, 0)
        while len(self._marks) > 1:
            freed += _cost(self._marks[0])
            self._marks.pop(0).unlink()
        with self._append_lock:
            self._bytes -= freed

    def refuse(self, answer: dict[str, object]) -> None:
        """The oldest sealed batch will never be taken: it is kept with the answer, and the next follows."""
        path = self._sealed[0]
        for name, content in (
            (path.name, path.read_bytes()),
            (f"{path.stem}.json", json.dumps(answer).encode()),
        ):
            write_durably(self.refused_folder / name, content)
            with self._append_lock:
                self._bytes += len(content) + BLOCK_BYTES
        self.refused += 1
        self.settle()

    def put_aside(self, record: bytes) -> None:
        """Keeps a record that is not fit to be sent, for people to look at. Raises SpoolFull or OSError."""
        with self._append_lock:
            self._require_room(len(record))
            with (self.refused_folder / "records.jsonl").open("ab") as file:
                file.write(record + b"\n")
            self._bytes += len(record) + 1

    def close(self) -> None:
        """Leaves what is not delivered to the next who opens the folder."""
        with self._append_lock:
            self._roll()
        self._lock.release()


def _origin(path: Path, tenant: str, source: str | None) -> Origin:
    if path.exists():
        kept = json.loads(path.read_bytes())
        origin = Origin(source=kept["source"], tenant=kept["tenant"])
        if origin != Origin(source or origin.source, tenant):
            raise ValueError(f"{path.parent} belongs to tenant {origin.tenant!r}, source {origin.source!r}")
        return origin
    origin = Origin(source or f"/faas-billing/emitter/{uuid4()}", tenant)
    write_durably(path, json.dumps({"source": origin.source, "tenant": origin.tenant}).encode())
    return origin


def _intact(path: Path) -> Batch:
    batch = read(path.read_bytes())
    if path.stem != f"{batch.sequence:020d}-{batch.digest}":
        raise ValueError("its bytes are not those that were sealed")
    return batch


def _number(path: Path) -> int:
    return int(path.name.split("-")[0].split(".")[0])


def _cost(path: Path) -> int:
    return path.stat().st_size + BLOCK_BYTES
