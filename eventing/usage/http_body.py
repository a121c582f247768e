"""Usage that people and programs post over HTTP: of several tenants at once, in any number of records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from msgspec import UNSET, ValidationError

from eventing.usage.convert import Arrival, arrival_of, usage_record
from eventing.usage.event_data import NUL_ESCAPED, UNREADABLE, decoded
from eventing.usage.faults import check_count, check_http, unreadable
from eventing.usage.repeats import conflict_faults, find_repeats
from eventing.usage.wire import (
    Record,
    read_envelope,
    read_list,
    read_raw_envelope,
    read_raw_list,
    read_record,
)
from eventing.usage.wrong import Wrong
from shared.domain.errors import Rejected, TooLarge
from shared.domain.usage import (
    DATA_BYTES_MAX,
    HTTP_BYTES_MAX,
    HTTP_RECORDS_MAX,
    RECORDS_MAX,
    TEXT_MAX,
    DecodedUsage,
    UsageRecord,
)

_OPEN, _CLOSE = b'{"records":[', b"]}"
_WHITE_SPACE = b" \t\r\n"


class PartContent(NamedTuple):
    """One tenant's share of a body: what it means, and the payload texts to keep, in order."""

    usage: DecodedUsage
    bodies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HttpUsage:
    """A body that was read and found good, record by record in the order sent.

    `list_name` is None for a single record, else what stands before the index in a record's path.
    """

    texts: Sequence[bytes]
    sent: Sequence[Record]
    usages: Sequence[UsageRecord]
    list_name: str | None
    positions_by_tenant: dict[str, list[int]]

    @property
    def tenant_refs(self) -> tuple[str, ...]:
        """The tenants as the records name them, in the order of their first mention."""
        return tuple(self.positions_by_tenant)

    @property
    def request_id(self) -> str | None:
        """Of a body that is a single record."""
        return (self.sent[0].request_id or None) if self.list_name is None else None

    def tenant_fields(self, tenant_ref: str) -> Iterator[str]:
        """The path of every field that names this tenant."""
        for position in self.positions_by_tenant[tenant_ref]:
            place = self._place(position)
            yield f"{place}.tenant_id" if place else "tenant_id"

    def part_of(self, tenant_refs: Iterable[str]) -> PartContent:
        """The share of one tenant, by all the names that mean it.

        A record that repeats an earlier request is counted and stored once. Raises Rejected where two
        names of the tenant hide a request of differing content.
        """
        positions = sorted(p for ref in tenant_refs for p in self.positions_by_tenant[ref])
        sent = [self.sent[p] for p in positions]
        repeats = find_repeats([record.request_id or None for record in sent], sent)
        if repeats.conflicting:
            raise Rejected(*conflict_faults(repeats, [self._place(p) for p in positions]))
        texts = [self.texts[p] for at, p in enumerate(positions) if at not in repeats.equal]
        usage = decoded(sent, [self.usages[p] for p in positions], repeats)
        return PartContent(usage, tuple(payload_bodies(texts)))

    def _place(self, position: int) -> str:
        return "" if self.list_name is None else f"{self.list_name}[{position}]"


def split_http_body(body: bytes, *, received_at: datetime) -> HttpUsage:
    """A record, a list of records or `{"records": [...]}`, each naming its tenant; checked whole.

    Raises Malformed where the body is not JSON, TooLarge beyond 50,000 records, 16 MiB, or 768 KiB of one
    record, and Rejected with every fault by its path as sent: `memory_mb`, `[3].memory_mb` or
    `records[3].memory_mb`.
    """
    if len(body) > HTTP_BYTES_MAX:
        raise TooLarge.because("body", f"is {len(body)} bytes long, more than {HTTP_BYTES_MAX}")
    arrival = arrival_of(received_at, received_at)
    try:
        usage = _split(body, arrival)
    except UNREADABLE as error:
        no = str(error)
    else:
        if NUL_ESCAPED in body:
            check_http(body, arrival)
        return usage
    check_http(body, arrival)
    raise unreadable(body, "body", no)


def http_identity(body: bytes, *, idempotency_key: str | None, request_id: str | None) -> str:
    """The id of a part posted over HTTP: by the sender's key, its single request, or the bytes sent."""
    if idempotency_key is not None:
        if not 0 < len(idempotency_key) <= TEXT_MAX or not idempotency_key.isprintable():
            raise Rejected.because("Idempotency-Key", f"must be 1 to {TEXT_MAX} printable characters")
        return f"key:{idempotency_key}"
    if request_id is not None:
        return f"req:{request_id}"
    return f"sha:{sha256(body).hexdigest()}"


def payload_bodies(texts: Sequence[bytes]) -> Iterator[str]:
    """Payload texts that hold the records verbatim, as few as the limits of a usage event allow.

    A record by itself stays as it is; several become `{"records":[...]}`.
    """
    start, size = 0, 0
    for position, text in enumerate(texts):
        grown = size + len(text) + 1
        if position - start == RECORDS_MAX or len(_OPEN) + grown - 1 + len(_CLOSE) > DATA_BYTES_MAX:
            if position > start:
                yield _payload_body(texts[start:position])
            start, grown = position, len(text) + 1
        size = grown
    yield _payload_body(texts[start:])


def _payload_body(texts: Sequence[bytes]) -> str:
    if len(texts) == 1:
        return bytes(texts[0]).decode()
    return (_OPEN + b",".join(texts) + _CLOSE).decode()


def _split(body: bytes, arrival: Arrival) -> HttpUsage:
    sent, texts, list_name = _records_of(body)
    if not sent:
        raise Wrong("no record")
    check_count(sent, HTTP_RECORDS_MAX)
    usages = [usage_record(record, arrival) for record in sent]
    positions_by_tenant: dict[str, list[int]] = {}
    for position, record in enumerate(sent):
        if record.tenant_id is UNSET:
            raise Wrong("no tenant_id")
        positions_by_tenant.setdefault(record.tenant_id, []).append(position)
    requests = [(r.tenant_id, r.request_id) if r.request_id else None for r in sent]
    if find_repeats(requests, sent).conflicting:
        raise Wrong("two records of one request")
    usage = HttpUsage(texts, sent, usages, list_name, positions_by_tenant)
    for position, text in enumerate(texts):
        if len(text) > DATA_BYTES_MAX:
            place = usage._place(position) or "body"
            raise TooLarge.because(place, f"is {len(text)} bytes long, more than {DATA_BYTES_MAX}")
    return usage


def _records_of(body: bytes) -> tuple[list[Record], Sequence[bytes], str | None]:
    """The records, each one's text, and what stands before the index in its path."""
    text = body.strip(_WHITE_SPACE)
    if text.startswith(b"["):
        return read_list(text), read_raw_list(text), ""
    if not text.startswith(b'{"records"'):
        try:
            return [read_record(text)], [text], None
        except ValidationError:
            pass
    return read_envelope(text).records, read_raw_envelope(text).records, "records"
