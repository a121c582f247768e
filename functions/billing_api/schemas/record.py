"""The usage record, described from what reads it (`eventing.usage`)."""

from typing import Any

import msgspec

from eventing.usage.wire import Record
from shared.domain.usage import AHEAD_S_MAX, DEFAULT_NAMESPACE, DEFAULT_REVISION, HTTP_RECORDS_MAX

NAME = "UsageRecord"
EXAMPLE = {
    "timestamp": "2025-10-15T12:00:00Z",
    "tenant_id": "demo-tenant",
    "service_name": "waiter",
    "revision": "waiter-00001",
    "invocations": 1,
    "duration_seconds": 0.234,
    "memory_mb": 64.5,
    "cold_start": False,
    "labels": {"method": "GET", "status": "200"},
}
_REF = {"$ref": f"#/components/schemas/{NAME}"}
_RECORDS = {"type": "array", "items": _REF, "minItems": 1, "maxItems": HTTP_RECORDS_MAX}
INGEST_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    _REF,
                    _RECORDS,
                    {
                        "type": "object",
                        "properties": {"records": _RECORDS},
                        "required": ["records"],
                        "additionalProperties": False,
                    },
                ]
            },
            "example": EXAMPLE,
        }
    },
}
_INSTANTS = ("timestamp", "started_at")
_NUMBERS = ("duration_seconds", "memory_mb", "cpu_seconds", "provisioned_seconds")
_MEANINGS = {
    "timestamp": "End of the invocation; decides the window. Arrival where left out, at most "
    f"{AHEAD_S_MAX} s ahead of it.",
    "tenant_id": "The tenant's UUID, slug or alias.",
    "namespace": f"{DEFAULT_NAMESPACE!r} where left out.",
    "revision": f"{DEFAULT_REVISION!r} where left out.",
    "invocations": "1 where left out. Several count as equal ones unless durations_ns is given.",
    "duration_seconds": "Total of the record, exact to the nanosecond.",
    "duration_ns": "The same as a whole number, in place of duration_seconds.",
    "durations_ns": "One per invocation.",
    "memory_mb": "MiB of each invocation; may be fractional.",
    "cpu_seconds": "Total of the record.",
    "egress_bytes": "Total of the record.",
    "cold_start": "Whether a single invocation was one; of several, send cold_starts.",
    "request_id": "Identifies a single record: sent again, it counts once.",
    "started_at": "Where provisioned capacity begins.",
    "provisioned_seconds": "Capacity held from started_at on, used or not.",
    "quantities": "Quantities of custom meters, as decimal strings.",
}


def record_schema() -> dict[str, Any]:
    """JSON Schema of one record sent over HTTP."""
    _, components = msgspec.json.schema_components([Record])
    schema: dict[str, Any] = components[Record.__name__]
    properties = schema["properties"]
    for name in _INSTANTS:
        properties[name] = {"type": "string", "format": "date-time"}
    for name in _NUMBERS:
        properties[name] = {"type": "number", "minimum": 0}
    quantity = properties["quantities"]["additionalProperties"]
    quantity["pattern"] = quantity["pattern"].replace(r"\Z", "$")
    for name, meaning in _MEANINGS.items():
        properties[name]["description"] = meaning
    return schema | {
        "title": NAME,
        "description": "Invocations of one revision of one service that ended at one instant.",
        "required": ["service_name", "tenant_id"],
    }
