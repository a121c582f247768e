"""Accepted payloads once more, for the labels of their records and nothing else."""

from collections.abc import Mapping

from msgspec import Struct, ValidationError
from msgspec.json import Decoder


class _Labelled(Struct, gc=False):
    labels: dict[str, str] = {}
    request_id: str = ""


class _Envelope(Struct):
    records: list[_Labelled]


_read_record = Decoder(_Labelled).decode
_read_envelope = Decoder(_Envelope).decode


def read_labels(body: str) -> list[Mapping[str, str]]:
    """Of the records of a payload that was accepted, those that count; a repeated request counts once."""
    records = _records(body)
    named = [record.request_id for record in records if record.request_id]
    if len(set(named)) == len(named):
        return [record.labels for record in records]
    seen: set[str] = set()
    labels: list[Mapping[str, str]] = []
    for record in records:
        if record.request_id not in seen:
            labels.append(record.labels)
        if record.request_id:
            seen.add(record.request_id)
    return labels


def _records(body: str) -> list[_Labelled]:
    try:
        return _read_envelope(body).records
    except ValidationError:
        return [_read_record(body)]
