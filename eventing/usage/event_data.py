"""Usage data to records in whole units: the hot path."""

from collections.abc import Sequence
from datetime import datetime
from decimal import DecimalException

from msgspec import MsgspecError, ValidationError

from eventing.usage.columns import columns_of
from eventing.usage.convert import Arrival, arrival_of, usage_record
from eventing.usage.faults import check_count, check_event, unreadable
from eventing.usage.repeats import Repeats, find_repeats
from eventing.usage.wire import Record, digest_of, read_envelope, read_record
from eventing.usage.wrong import Wrong
from shared.domain.errors import TooLarge
from shared.domain.usage import DATA_BYTES_MAX, RECORDS_MAX, DecodedUsage, UsageRecord
from shared.domain.usage_columns import UsageColumns

UNREADABLE = (MsgspecError, UnicodeDecodeError, RecursionError, DecimalException, Wrong)
"""What the hot path says no with."""

NUL_ESCAPED = b"\\u0000"


def decode(data: bytes, *, recorded_at: datetime, received_at: datetime) -> DecodedUsage:
    """One record or `{"records": [...]}`, checked, in whole units.

    `recorded_at` is the time of records without timestamp. Fractions below a nanosecond round half up,
    those of a byte of memory up; timestamps are truncated to microseconds. Raises Rejected with every
    fault by its path, such as `records[3].memory_mb` (Malformed where the data is not JSON), and TooLarge
    beyond 1,000 records or 768 KiB.
    """
    if len(data) > DATA_BYTES_MAX:
        raise TooLarge.because("data", f"is {len(data)} bytes long, more than {DATA_BYTES_MAX}")
    arrival = arrival_of(recorded_at, received_at)
    try:
        usage = _decode(data, arrival)
    except UNREADABLE as error:
        no = str(error)
    else:
        # One character is looked for by far faster than six.
        if b"\\" in data and NUL_ESCAPED in data:
            check_event(data, arrival)
        return usage
    check_event(data, arrival)
    raise unreadable(data, "data", no)


def _decode(data: bytes, arrival: Arrival) -> DecodedUsage:
    sent = records_of(data)
    if not sent:
        raise Wrong("no record")
    check_count(sent, RECORDS_MAX)
    usages = columns_of(sent, arrival) or [usage_record(record, arrival) for record in sent]
    repeats = find_repeats([record.request_id or None for record in sent], sent)
    if repeats.conflicting:
        raise Wrong("two records of one request")
    return decoded(sent, usages, repeats)


def records_of(data: bytes) -> list[Record]:
    """Raises what `UNREADABLE` names."""
    if data.lstrip().startswith(b'{"records"'):
        return read_envelope(data).records
    try:
        return [read_record(data)]
    except ValidationError:
        return read_envelope(data).records


def decoded(sent: list[Record], usages: Sequence[UsageRecord], repeats: Repeats) -> DecodedUsage:
    """What the records of one part make together; a repeated request counts once."""
    if repeats.equal:
        usages = [usage for position, usage in enumerate(usages) if position not in repeats.equal]
    return DecodedUsage(
        records=usages if isinstance(usages, UsageColumns) else tuple(usages),
        digest=digest_of(sent),
        tenant_refs=frozenset([record.tenant_id for record in sent if record.tenant_id]),
        duplicates=len(repeats.equal),
    )
