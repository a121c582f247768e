"""The body of `POST /metrics/ingest` → one part for each tenant in it."""

from dataclasses import dataclass
from uuid import UUID

from eventing import types
from eventing.usage import http_identity, split_http_body
from shared.domain.errors import Fault, Rejected
from shared.domain.usage import TEXT_MAX, Part
from shared.service.ingest import IngestUsage, Outcome
from shared.service.ports import Clock, TenantDirectory


@dataclass(frozen=True, slots=True)
class IngestBody:
    ingest: IngestUsage
    tenants: TenantDirectory
    clock: Clock

    def __call__(self, body: bytes, *, idempotency_key: str | None) -> Outcome:
        """Accept a record or many, of one tenant or several, once.

        Raises Malformed, TooLarge, Rejected with every fault, or Conflict; nothing is kept then.
        """
        received_at = self.clock()
        usage = split_http_body(body, received_at=received_at)
        id = http_identity(body, idempotency_key=idempotency_key, request_id=usage.request_id)
        names: dict[UUID, list[str]] = {}
        faults: list[Fault] = []
        for ref in usage.tenant_refs:
            tenant = self.tenants.find(ref)
            if tenant is None:
                message = f"no tenant {ref[:TEXT_MAX]!r}"
                faults += (Fault(field, message) for field in usage.tenant_fields(ref))
            else:
                names.setdefault(tenant.id, []).append(ref)
        if faults:
            raise Rejected(*faults)
        contents = {tenant_id: usage.part_of(refs) for tenant_id, refs in sorted(names.items())}
        return self.ingest.accept_all(
            [
                Part(
                    types.SOURCE_HTTP_INGEST,
                    id,
                    tenant_id,
                    received_at,
                    received_at,
                    content.usage,
                    content.bodies,
                )
                for tenant_id, content in contents.items()
            ]
        )
