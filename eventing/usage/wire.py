"""A usage record as it is sent. What is not sent stays UNSET: defaults come later and are in no digest."""

from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder

from shared.domain.usage import (
    DURATION_NS_MAX,
    EGRESS_BYTES_MAX,
    INVOCATIONS_MAX,
    LABELS_MAX,
    TEXT_MAX,
)

QUANTITY_PATTERN = r"^[0-9]{1,20}(\.[0-9]{1,18})?\Z"

Name = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_MAX)]
Count = Annotated[int, Meta(ge=0, le=INVOCATIONS_MAX)]
Quantity = Annotated[str, Meta(pattern=QUANTITY_PATTERN)]
Number = Any
"""int or Decimal, straight from the text; the type is checked later, as Decimal would also take a string."""


class Record(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One record. The digest follows the order of the fields: add new ones at the end."""

    timestamp: str | UnsetType = UNSET
    service_name: Name
    revision: Name | UnsetType = UNSET
    invocations: Count | UnsetType = UNSET
    duration_seconds: Number = UNSET
    memory_mb: Number = UNSET
    cold_start: bool | UnsetType = UNSET
    labels: Annotated[dict[Name, Text], Meta(max_length=LABELS_MAX)] | UnsetType = UNSET
    namespace: Name | UnsetType = UNSET
    request_id: Name | UnsetType = UNSET
    duration_ns: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    cpu_seconds: Number = UNSET
    egress_bytes: Annotated[int, Meta(ge=0, le=EGRESS_BYTES_MAX)] | UnsetType = UNSET
    errors: Count | UnsetType = UNSET
    cold_starts: Count | UnsetType = UNSET
    durations_ns: list[Annotated[int, Meta(ge=0, le=DURATION_NS_MAX)]] | UnsetType = UNSET
    quantities: Annotated[dict[Name, Quantity], Meta(max_length=LABELS_MAX)] | UnsetType = UNSET
    started_at: str | UnsetType = UNSET
    provisioned_seconds: Number = UNSET
    tenant_id: Name | UnsetType = UNSET


class Envelope(Struct, forbid_unknown_fields=True):
    records: list[Record]


class RawEnvelope(Struct):
    records: list[Raw]


read_record = Decoder(Record, float_hook=Decimal).decode
read_envelope = Decoder(Envelope, float_hook=Decimal).decode
read_list = Decoder(list[Record], float_hook=Decimal).decode
read_raw_envelope = Decoder(RawEnvelope).decode
read_raw_list = Decoder(list[Raw]).decode
_encoder = Encoder(order="deterministic")


def digest_of(records: list[Record]) -> bytes:
    """SHA-256 over the records, whatever their envelope, white space and order of names.

    Numbers count as they are written: 0.5 and 0.50 differ.
    """
    return sha256(_encoder.encode(records)).digest()
