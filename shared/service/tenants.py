"""Tenants and services: registering and finding them."""

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from shared.domain.errors import Fault, NotFound, Rejected
from shared.domain.money import CURRENCY_EXPONENTS
from shared.domain.period import read_zone
from shared.domain.tenant import Service, Tenant
from shared.domain.usage import DEFAULT_NAMESPACE, TEXT_MAX
from shared.service.ports import Clock, NewId, TenantDirectory

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^@\s\x00]+@[^@\s\x00]+")
_ALIASES_MAX = 16


class Tenants:
    """The use cases around tenants and their services."""

    def __init__(self, directory: TenantDirectory, clock: Clock, new_id: NewId) -> None:
        self._directory = directory
        self._clock = clock
        self._new_id = new_id

    def get(self, ref: str, *, field: str = "tenant_id") -> Tenant:
        """The tenant of that UUID, slug or alias; raises NotFound."""
        tenant = self._directory.find(ref)
        if tenant is None:
            raise NotFound.because(field, f"no tenant {ref[:TEXT_MAX]!r}")
        return tenant

    def create(
        self,
        *,
        name: str,
        currency: str,
        slug: str | None = None,
        billing_email: str | None = None,
        timezone: str = "UTC",
        aliases: Sequence[str] = (),
    ) -> Tenant:
        """Register a tenant; the slug is made from the name where left out.

        Raises Rejected with every fault, Conflict where the slug or an alias is taken.
        """
        slug = slugify(name) if slug is None else slug
        faults = [
            *_text_faults("name", name),
            *_slug_faults("slug", slug),
            *(fault for n, alias in enumerate(aliases) for fault in _slug_faults(f"aliases[{n}]", alias)),
        ]
        if len(aliases) > _ALIASES_MAX:
            faults.append(Fault("aliases", f"must be at most {_ALIASES_MAX}"))
        if currency not in CURRENCY_EXPONENTS:
            faults.append(Fault("currency", f"{currency[:TEXT_MAX]!r} is not an ISO 4217 code"))
        faults += _zone_faults(timezone)
        if billing_email is not None and not (
            len(billing_email) <= TEXT_MAX and _EMAIL.fullmatch(billing_email)
        ):
            faults.append(Fault("billing_email", "must be an e-mail address"))
        if faults:
            raise Rejected(*faults)
        now = self._clock()
        tenant = Tenant(
            id=self._new_id(),
            slug=slug,
            name=name,
            billing_email=billing_email,
            currency=currency,
            timezone=timezone,
            created_at=now,
            updated_at=now,
            aliases=tuple(sorted(set(aliases) - {slug})),
        )
        self._directory.add(tenant)
        return tenant

    def list(self, *, limit: int, after: UUID | None = None) -> Sequence[Tenant]:
        return self._directory.list(limit=limit, after=after)

    def create_service(
        self,
        *,
        tenant_ref: str,
        name: str,
        namespace: str = DEFAULT_NAMESPACE,
        runtime: str | None = None,
        memory_limit_mb: Decimal | None = None,
        cpu_limit_cores: Decimal | None = None,
    ) -> Service:
        """Register a service by hand. Raises NotFound, Rejected with every fault, or Conflict."""
        faults = [*_text_faults("name", name), *_text_faults("namespace", namespace)]
        if runtime is not None:
            faults += _text_faults("runtime", runtime)
        for field, limit in (("memory_limit_mb", memory_limit_mb), ("cpu_limit_cores", cpu_limit_cores)):
            if limit is not None and not (limit.is_finite() and 0 < limit < 10**12):
                faults.append(Fault(field, "must be a positive number below 10^12"))
            elif limit is not None and limit != round(limit, 6):
                faults.append(Fault(field, "must have at most 6 decimals"))
        if faults:
            raise Rejected(*faults)
        service = Service(
            id=self._new_id(),
            tenant_id=self.get(tenant_ref).id,
            name=name,
            namespace=namespace,
            created_at=self._clock(),
            runtime=runtime,
            memory_limit_mb=memory_limit_mb,
            cpu_limit_cores=cpu_limit_cores,
        )
        self._directory.add_service(service)
        return service

    def list_services(
        self, *, tenant_ref: str | None, limit: int, after: UUID | None = None
    ) -> Sequence[Service]:
        tenant_id = self.get(tenant_ref).id if tenant_ref is not None else None
        return self._directory.list_services(tenant_id=tenant_id, limit=limit, after=after)


def slugify(name: str) -> str:
    """A slug made from a name: lower-case ASCII letters, digits and single dashes, at most 63."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:63].rstrip("-")


def _text_faults(field: str, value: str) -> list[Fault]:
    if not value.strip():
        return [Fault(field, "must not be empty")]
    if len(value) > TEXT_MAX:
        return [Fault(field, f"must be at most {TEXT_MAX} characters")]
    if "\x00" in value:
        return [Fault(field, "must not contain NUL")]
    return []


def _slug_faults(field: str, value: str) -> list[Fault]:
    if not _SLUG.fullmatch(value):
        return [Fault(field, "must be 1 to 63 of a-z, 0-9 and -, with no dash at either end")]
    with suppress(ValueError):
        UUID(value)
        return [Fault(field, "must not look like a UUID")]
    return []


def _zone_faults(name: str) -> Sequence[Fault]:
    try:
        read_zone(name)
    except Rejected as refusal:
        return refusal.faults
    return ()
