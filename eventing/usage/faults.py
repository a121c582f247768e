"""Why a body is refused: all of it, found at leisure once the hot path has said no."""

from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from typing import Any

from eventing.usage.contradictions import contradictions
from eventing.usage.convert import Arrival
from eventing.usage.field_faults import field_faults, shown
from eventing.usage.json_text import read_json, repeated_names
from eventing.usage.repeats import conflict_faults, find_repeats
from shared.domain.errors import Fault, Rejected, TooLarge
from shared.domain.usage import HTTP_RECORDS_MAX, RECORDS_MAX

FAULTS_KEPT_MAX = 1_000


def check_event(data: bytes, arrival: Arrival) -> None:
    """Raises Rejected with every fault of a usage event's data, if there is any."""
    sent = read_json(data, "data")
    if not isinstance(sent, dict):
        raise Rejected.because("data", 'must be an object: one record or {"records": [...]}')
    _refuse(_object_faults(sent, RECORDS_MAX, arrival, is_http=False))


def check_http(body: bytes, arrival: Arrival) -> None:
    """Raises Rejected with every fault of a body of usage that came over HTTP, if there is any."""
    sent = read_json(body, "body")
    if isinstance(sent, list):
        _refuse(_list_faults("", sent, HTTP_RECORDS_MAX, arrival, is_http=True))
    elif isinstance(sent, dict):
        _refuse(_object_faults(sent, HTTP_RECORDS_MAX, arrival, is_http=True))
    else:
        raise Rejected.because("body", 'must be a record, a list of records or {"records": [...]}')


def check_count(records: Sequence[object], at_most: int) -> None:
    """Raises TooLarge."""
    if len(records) > at_most:
        raise TooLarge.because("records", f"are {len(records)}, more than {at_most} at once")


def unreadable(text: bytes, field: str, no: str) -> Rejected:
    """Of a text refused though no fault is in it as read: a name's last value hides an earlier one."""
    names = repeated_names(text)
    if names:
        return Rejected(*(Fault(shown(name), "is given twice in one object") for name in names))
    return Rejected.because(field, f"cannot be read: {no}")


def _refuse(faults: Iterator[Fault]) -> None:
    kept = list(islice(faults, FAULTS_KEPT_MAX))
    if kept:
        raise Rejected(*kept, total=len(kept) + sum(1 for _ in faults))


def _object_faults(
    sent: dict[str, Any], records_max: int, arrival: Arrival, *, is_http: bool
) -> Iterator[Fault]:
    if "parts" in sent:
        yield Fault("parts", 'are not accepted yet: send the records of one part as {"records": [...]}')
    elif "records" not in sent:
        yield from _record_faults(sent, "", arrival, is_http=is_http)
    else:
        yield from (Fault(shown(name), "has no place beside records") for name in sent if name != "records")
        if isinstance(sent["records"], list):
            yield from _list_faults("records", sent["records"], records_max, arrival, is_http=is_http)
        else:
            yield Fault("records", "must be a list")


def _list_faults(
    name: str, records: list[Any], records_max: int, arrival: Arrival, *, is_http: bool
) -> Iterator[Fault]:
    check_count(records, records_max)
    if not records:
        yield Fault(name or "body", "must hold at least one record")
    places = [f"{name}[{position}]" for position in range(len(records))]
    for record, place in zip(records, places, strict=True):
        yield from _record_faults(record, place, arrival, is_http=is_http)
    requests = [_request_of(record, is_http=is_http) for record in records]
    yield from conflict_faults(find_repeats(requests, records), places)


def _record_faults(record: object, place: str, arrival: Arrival, *, is_http: bool) -> Iterator[Fault]:
    if not isinstance(record, dict):
        yield Fault(place, "must be an object")
        return
    for name, message in _faults_within(record, arrival, is_http=is_http):
        yield Fault(f"{place}.{name}" if place else name, message)


def _faults_within(record: dict[str, Any], arrival: Arrival, *, is_http: bool) -> Iterator[Fault]:
    sound: dict[str, Any] = {}
    for name, value in record.items():
        yield from field_faults(name, value, sound)
    for name in ("service_name", "tenant_id") if is_http else ("service_name",):
        if name not in record:
            yield Fault(name, "is required")
    yield from contradictions(record, sound, arrival)


def _request_of(record: object, *, is_http: bool) -> Hashable | None:
    """What may not come twice: within a body for several tenants, a request of one of them."""
    if not isinstance(record, dict) or not isinstance(record.get("request_id"), str):
        return None
    request_id = record["request_id"]
    if not is_http:
        return str(request_id)
    return (record["tenant_id"], request_id) if isinstance(record.get("tenant_id"), str) else None
