"""A sealed batch: its exact bytes, and the rules by which records are cut into batches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import takewhile

RECORDS_MAX = 1_000
DATA_BYTES_MAX = 768 * 1024

_OPENING = b'{"records":[\n'
_CLOSING = b"]}"


@dataclass(frozen=True)
class Origin:
    """Who sends: the tenant that is billed and the source, which numbers its batches from 1."""

    source: str
    tenant: str


@dataclass(frozen=True)
class Batch:
    """Up to 1,000 records of one tenant, sent again and again as these bytes until they are taken.

    `time` is when its first record was emitted, as RFC 3339.
    """

    origin: Origin
    sequence: int
    time: str
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """The first 32 hexadecimal digits of the SHA-256 of `data`."""
        return sha256(self.data).hexdigest()[:32]

    @property
    def id(self) -> str:
        """The same cut at the same place of the sequence has the same id, wherever it is made."""
        return f"{self.sequence}-{self.digest}"


@dataclass(frozen=True)
class Fill:
    """How full an open batch is: its records, and the bytes its data will have once sealed."""

    records: int = 0
    data_bytes: int = len(_OPENING) + len(_CLOSING)

    def plus(self, record: bytes) -> Fill:
        return Fill(self.records + 1, self.data_bytes + len(_line(record, first=self.records == 0)))

    @property
    def within_limits(self) -> bool:
        return self.records <= RECORDS_MAX and self.data_bytes <= DATA_BYTES_MAX

    @property
    def full(self) -> bool:
        return self.records >= RECORDS_MAX or self.data_bytes >= DATA_BYTES_MAX


def opening(origin: Origin, sequence: int, time: str, record: bytes) -> bytes:
    """The first bytes of a batch's file: one line that says what it is, then the data as far as it goes."""
    about = {"sequence": sequence, "source": origin.source, "tenantid": origin.tenant, "time": time}
    return json.dumps(about).encode() + b"\n" + _OPENING + _line(record, first=True)


def following(record: bytes) -> bytes:
    return _line(record, first=False)


def closed(content: bytes) -> bytes:
    """The content of a sealed file, from that of an open one that holds whole records."""
    return content + _CLOSING


def whole_part(content: bytes) -> bytes:
    """An open file after a crash, up to its last whole record; empty where it has none.

    What was torn goes: half a record, a page that reads as zeros, a closing already written.
    """
    about, _, data = content.partition(b"\n")
    if not data.startswith(_OPENING) or not _is_object(about):
        return b""
    lines = data[len(_OPENING) :].split(b"\n")[:-1]
    records = list(takewhile(lambda line: _is_object(line.removeprefix(b",")), lines))
    return b"\n".join([about + b"\n" + _OPENING[:-1], *records, b""]) if records else b""


def read(content: bytes) -> Batch:
    """The batch of a sealed file. Raises ValueError where the file is none."""
    first, _, data = content.partition(b"\n")
    if not data.startswith(_OPENING) or not data.endswith(_CLOSING):
        raise ValueError("not a sealed batch")
    try:
        about = json.loads(first.decode())
        origin = Origin(source=str(about["source"]), tenant=str(about["tenantid"]))
        return Batch(origin, int(about["sequence"]), str(about["time"]), data)
    except (KeyError, TypeError, ValueError) as fault:
        raise ValueError("not a sealed batch") from fault


def _line(record: bytes, *, first: bool) -> bytes:
    return record + b"\n" if first else b"," + record + b"\n"


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text.decode()), dict)
    except ValueError:
        return False
