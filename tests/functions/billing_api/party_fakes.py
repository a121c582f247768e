"""Parties to invoices in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.invoicing.party_change import PartyChange
from shared.service.invoicing.ports import Member

_T = TypeVar("_T")


@dataclass
class PartyShelf:
    """PartyStore and PartyBook without the rules that the database keeps."""

    entities_by_id: dict[UUID, BillingEntity] = field(default_factory=dict)
    organisations_by_id: dict[UUID, Organisation] = field(default_factory=dict)
    details_by_tenant: dict[UUID, BillingDetails] = field(default_factory=dict)
    rates: dict[UUID, TaxRate] = field(default_factory=dict)
    noted: list[PartyChange] = field(default_factory=list)

    @contextmanager
    def changing(self, tenant_id: UUID | None = None) -> Iterator["PartyShelf"]:
        yield self

    def entity(self, entity_id: UUID) -> BillingEntity | None:
        return self.entities_by_id.get(entity_id)

    def put_entity(self, entity: BillingEntity) -> None:
        self.entities_by_id[entity.id] = entity

    def delete_entity(self, entity: BillingEntity) -> None:
        del self.entities_by_id[entity.id]

    def organisation(self, organisation_id: UUID) -> Organisation | None:
        return self.organisations_by_id.get(organisation_id)

    def put_organisation(self, organisation: Organisation) -> None:
        self.organisations_by_id[organisation.id] = organisation

    def delete_organisation(self, organisation: Organisation) -> None:
        del self.organisations_by_id[organisation.id]

    def details(self, tenant_id: UUID) -> BillingDetails | None:
        return self.details_by_tenant.get(tenant_id)

    def put_details(self, details: BillingDetails) -> None:
        self.details_by_tenant[details.tenant_id] = details

    def tax_rate(self, tenant_id: UUID, rate_id: UUID) -> TaxRate | None:
        return self.rates.get(rate_id)

    def put_tax_rate(self, rate: TaxRate) -> None:
        self.rates[rate.id] = rate

    def note(self, change: PartyChange) -> None:
        self.noted.append(change)

    def find_entity(self, ref: str) -> BillingEntity | None:
        return next((e for e in self.entities_by_id.values() if ref in (str(e.id), e.name)), None)

    def entity_of(self, tenant_id: UUID) -> BillingEntity | None:
        return next(iter(self.entities_by_id.values()), None)

    def entities(self, *, limit: int, after: UUID | None) -> Sequence[BillingEntity]:
        return _page(self.entities_by_id, limit, after)

    def find_organisation(self, ref: str) -> Organisation | None:
        return next((o for o in self.organisations_by_id.values() if ref in (str(o.id), o.slug)), None)

    def organisations(self, *, limit: int, after: UUID | None) -> Sequence[Organisation]:
        return _page(self.organisations_by_id, limit, after)

    def tenants_of(self, organisation_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Member]:
        return []

    def tax_rates(self, tenant_id: UUID, *, limit: int, after: UUID | None) -> Sequence[TaxRate]:
        return _page(self.rates, limit, after)

    def changes(self, about: UUID, *, limit: int, before: UUID | None) -> Sequence[PartyChange]:
        return []


def _page(found: dict[UUID, _T], limit: int, after: UUID | None) -> Sequence[_T]:
    return [one for id, one in sorted(found.items()) if after is None or id > after][:limit]
