"""What names the usage that is to count no more: the data of `usage.voided`, and a body over HTTP."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from eventing.types import SOURCE_HTTP_INGEST, TENANT_ID
from eventing.usage.faults import unreadable
from eventing.usage.field_faults import shown
from eventing.usage.http_body import http_identity
from eventing.usage.json_text import read_json, repeated_names
from shared.domain.errors import Fault, Rejected
from shared.domain.usage import TEXT_MAX
from shared.domain.voids import IDENTITY_BYTES_MAX, VOIDS_MAX, VoidRequest

REASON: Final = "reason"
IN_AN_EVENT: Final = ("source", "id", REASON)
BY_KEY: Final = ("idempotency_key", "request_id")
"""Either stands for the source and the id of what was sent over HTTP."""
OVER_HTTP: Final = ("tenant_id", *IN_AN_EVENT, *BY_KEY)
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def read_event(data: bytes, tenant_ref: str) -> list[VoidRequest]:
    """Of `{"source", "id", "reason"}`, or up to 100 of them as `{"voids": [...]}`, all of one tenant.

    Raises Rejected with every fault by its path, Malformed where the data is not JSON.
    """
    sent = read_json(data, "data")
    if not isinstance(sent, dict):
        raise Rejected.because("data", 'must be an object: {"source", "id", "reason"} or {"voids": [...]}')
    if repeated_names(data):
        raise unreadable(data, "data", "")
    return [
        VoidRequest(tenant_ref, void["source"], void["id"], void[REASON], place, TENANT_ID)
        for place, void in _sound(sent, IN_AN_EVENT)
    ]


def read_body(sent: Mapping[str, Any]) -> list[VoidRequest]:
    """The same over HTTP, where each names its tenant, and `idempotency_key` or `request_id` may stand for
    source and id. Raises Rejected with every fault by its path."""
    requests: list[VoidRequest] = []
    for place, void in _sound(sent, OVER_HTTP):
        source, id = void.get("source", SOURCE_HTTP_INGEST), void.get("id")
        if id is None:
            key, request_id = (void.get(name) for name in BY_KEY)
            id = http_identity(b"", idempotency_key=key, request_id=request_id)
        tenant_field = _path(place, "tenant_id")
        requests.append(VoidRequest(void["tenant_id"], source, id, void[REASON], place, tenant_field))
    return requests


def _sound(sent: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Each void with its place; raises Rejected unless all are sound."""
    voids, faults = _listed(sent)
    for place, void in voids:
        faults += (Fault(_path(place, field), no) for field, no in _faults(void, names))
    if faults:
        raise Rejected(*faults)
    return voids


def _path(place: str, field: str) -> str:
    return ".".join(name for name in (place, field) if name)


def _listed(sent: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[Fault]]:
    if "voids" not in sent:
        return [("", sent)], []
    faults = [Fault(shown(name), "has no place beside voids") for name in sent if name != "voids"]
    voids = sent["voids"]
    if not isinstance(voids, list) or not voids:
        return [], [*faults, Fault("voids", "must be a list of at least one")]
    if len(voids) > VOIDS_MAX:
        return [], [*faults, Fault("voids", f"are {len(voids)}, more than {VOIDS_MAX} at once")]
    return [(f"voids[{n}]", void) for n, void in enumerate(voids)], faults


def _faults(void: object, names: Iterable[str]) -> Iterator[Fault]:
    if not isinstance(void, dict):
        yield Fault("", "must be an object")
        return
    yield from (Fault(shown(name), "unknown field") for name in void if name not in names)
    for name in names:
        if name in void:
            yield from _text_faults(name, void[name])
    keys = [name for name in BY_KEY if name in void and name in names]
    identity = [*keys, *(name for name in ("source", "id") if name in void)]
    if keys and len(identity) > 1:
        yield from (Fault(name, f"comes together with {identity[0]}") for name in identity[1:])
    required = [name for name in names if name not in BY_KEY and not (keys and name in ("source", "id"))]
    yield from (Fault(name, "is required") for name in required if name not in void)


def _text_faults(name: str, value: object) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(name, "must be a text")
    elif not value or (name == REASON and not value.strip()):
        yield Fault(name, "is empty")
    elif _UNFIT.search(value):
        yield Fault(name, "holds NUL or half a surrogate pair")
    elif name == "idempotency_key" and not value.isprintable():
        yield Fault(name, "holds what no Idempotency-Key can")
    elif name in ("source", "id") and len(value.encode()) > IDENTITY_BYTES_MAX:
        yield Fault(name, f"is longer than {IDENTITY_BYTES_MAX} bytes")
    elif name not in ("source", "id") and len(value) > TEXT_MAX:
        yield Fault(name, f"is longer than {TEXT_MAX} characters")
