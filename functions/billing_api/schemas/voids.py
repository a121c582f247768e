"""Voids on the wire."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from functions.billing_api.schemas.common import Answer, Page, Time
from shared.domain import voids
from shared.domain.usage import TEXT_MAX
from shared.domain.voids import VOIDS_MAX

_TEXT = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
_TENANT = {**_TEXT, "description": "A tenant's UUID, slug or alias."}
_REASON = {**_TEXT, "description": "For people who look at it later."}


def _named_by(**identity: dict[str, Any]) -> dict[str, Any]:
    properties = {"tenant_id": _TENANT, **identity, "reason": _REASON}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_VOID = {
    "oneOf": [
        _named_by(source={"type": "string", "minLength": 1}, id={"type": "string", "minLength": 1}),
        _named_by(idempotency_key=_TEXT),
        _named_by(request_id=_TEXT),
    ]
}
VOID_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    *_VOID["oneOf"],
                    {
                        "type": "object",
                        "properties": {
                            "voids": {"type": "array", "items": _VOID, "minItems": 1, "maxItems": VOIDS_MAX}
                        },
                        "required": ["voids"],
                        "additionalProperties": False,
                    },
                ]
            },
            "example": {"tenant_id": "demo-tenant", "request_id": "4f1c", "reason": "a load test"},
        }
    },
}


class UsageVoid(Answer):
    """What was sent under one identity, and does not count.

    `received_at` is when it came, null as long as nothing has. It `counted` where it had come before it was
    voided: then `records` and `invocations` were taken back. `voided_by` is who called the API, or source
    and id of the event that voided it.
    """

    tenant_id: UUID
    tenant: Annotated[str, Field(description="The tenant's slug.")]
    source: str
    id: str
    reason: str
    voided_at: Time
    voided_by: str
    received_at: Time | None
    counted: bool
    records: int
    invocations: int

    @classmethod
    def of(cls, void: voids.Void) -> Self:
        return cls(
            tenant_id=void.tenant_id,
            tenant=void.tenant,
            source=void.source,
            id=void.event_id,
            reason=void.reason,
            voided_at=void.voided_at,
            voided_by=void.voided_by,
            received_at=void.received_at,
            counted=void.counted,
            records=void.records,
            invocations=void.invocations,
        )


class UsageVoidList(Page[UsageVoid]):
    """Voids, the newest first."""


class VoidedUsage(Answer):
    """All that was named, in that order; how many of it are void now, and how many were before."""

    voided: int
    duplicate: int
    items: list[UsageVoid]
