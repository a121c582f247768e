"""Sellers, organisations of buyers, and what a buyer is billed by: created, changed, looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.domain.errors import NotFound, Rejected
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation
from shared.domain.invoicing.party_change import PartyChange, party_changed
from shared.domain.invoicing.party_document import (
    read_billing_details,
    read_billing_entity,
    read_organisation,
)
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.invoicing.ports import Member, PartyBook, PartyStore
from shared.service.ports import Clock, NewId, TenantDirectory


@dataclass(frozen=True, slots=True)
class Buyer:
    """A tenant with what it is billed by, and who sells to it: None where there is nobody yet."""

    tenant: Tenant
    details: BillingDetails
    seller: BillingEntity | None


class Parties:
    """A billing entity is found by UUID or name, an organisation by UUID or slug. Every change is noted with
    `who` made it."""

    def __init__(self, *, parties: PartyStore, tenants: TenantDirectory, clock: Clock, new_id: NewId) -> None:
        self._parties = parties
        self._tenants = tenants
        self._clock = clock
        self._new_id = new_id

    def entities(self, *, limit: int, after: UUID | None = None) -> Sequence[BillingEntity]:
        return self._parties.entities(limit=limit, after=after)

    def entity(self, ref: str) -> BillingEntity:
        """Raises NotFound."""
        entity = self._parties.find_entity(ref)
        if entity is None:
            raise _no_entity(ref)
        return entity

    def create_entity(self, document: Mapping[str, object], *, who: str) -> BillingEntity:
        """Raises Rejected with every fault, Conflict for a taken name."""
        entity = read_billing_entity(document, id=self._new_id(), created_at=self._clock())
        with self._parties.changing() as book:
            book.put_entity(entity)
            book.note(party_changed(None, entity, self._clock(), who))
        return entity

    def replace_entity(self, ref: str, document: Mapping[str, object], *, who: str) -> BillingEntity:
        """Invoices that are final stay as they are. Raises NotFound, and as `create_entity`."""
        found = self.entity(ref)
        entity = read_billing_entity(document, id=found.id, created_at=found.created_at)
        with self._parties.changing() as book:
            was = book.entity(found.id)
            if was is None:
                raise _no_entity(ref)
            if entity != was:
                book.put_entity(entity)
                book.note(party_changed(was, entity, self._clock(), who))
        return entity

    def delete_entity(self, ref: str, *, who: str) -> BillingEntity:
        """Raises NotFound, and Conflict for one that is a party to anything."""
        found = self.entity(ref)
        with self._parties.changing() as book:
            was = book.entity(found.id)
            if was is None:
                raise _no_entity(ref)
            book.delete_entity(was)
            book.note(party_changed(was, None, self._clock(), who))
        return was

    def organisations(self, *, limit: int, after: UUID | None = None) -> Sequence[Organisation]:
        return self._parties.organisations(limit=limit, after=after)

    def organisation(self, ref: str) -> Organisation:
        """Raises NotFound."""
        organisation = self._parties.find_organisation(ref)
        if organisation is None:
            raise _no_organisation(ref)
        return organisation

    def create_organisation(self, document: Mapping[str, object], *, who: str) -> Organisation:
        """Raises Rejected with every fault, Conflict for a taken slug."""
        organisation = read_organisation(
            document, id=self._new_id(), created_at=self._clock(), find_tenant=self._tenant_id
        )
        with self._parties.changing() as book:
            book.put_organisation(organisation)
            book.note(party_changed(None, organisation, self._clock(), who))
        return organisation

    def replace_organisation(self, ref: str, document: Mapping[str, object], *, who: str) -> Organisation:
        """But its slug and its currency. Raises NotFound, and as `create_organisation`."""
        found = self.organisation(ref)
        organisation = read_organisation(
            document, id=found.id, created_at=found.created_at, find_tenant=self._tenant_id, was=found
        )
        with self._parties.changing() as book:
            was = self._locked(book, found)
            if organisation != was:
                book.put_organisation(organisation)
                book.note(party_changed(was, organisation, self._clock(), who))
        return organisation

    def delete_organisation(self, ref: str, *, who: str) -> Organisation:
        """Raises NotFound, and Conflict for one that has tenants or invoices."""
        with self._parties.changing() as book:
            was = self._locked(book, self.organisation(ref))
            book.delete_organisation(was)
            book.note(party_changed(was, None, self._clock(), who))
        return was

    def tenants_of(self, ref: str, *, limit: int, after: UUID | None = None) -> Sequence[Member]:
        """The tenants of an organisation, in order of id. Raises NotFound."""
        return self._parties.tenants_of(self.organisation(ref).id, limit=limit, after=after)

    def buyer(self, tenant: Tenant) -> Buyer:
        """Raises NotFound where nothing says yet what the tenant is billed by."""
        details = self._parties.details(tenant.id)
        if details is None:
            raise NotFound.because("tenant", f"tenant {tenant.slug!r} has no billing details yet")
        return Buyer(tenant, details, self._parties.entity_of(tenant.id))

    def replace_details(self, tenant: Tenant, document: Mapping[str, object], *, who: str) -> Buyer:
        """Say, whole, what a tenant is billed by.

        Raises Rejected with every fault, Conflict where it pays for the organisation that it would leave.
        """
        details = read_billing_details(
            document,
            tenant,
            find_entity=self._entity_id,
            find_organisation=self._parties.find_organisation,
        )
        with self._parties.changing(tenant.id) as book:
            was = book.details(tenant.id)
            if details != was:
                book.put_details(details)
                book.note(party_changed(was, details, self._clock(), who))
        return Buyer(tenant, details, self._parties.entity_of(tenant.id))

    def history(self, about: UUID, *, limit: int, before: UUID | None = None) -> Sequence[PartyChange]:
        """Who changed what of a billing entity, an organisation, or a tenant's details and tax rates, the
        newest first."""
        return self._parties.changes(about, limit=limit, before=before)

    def _locked(self, book: PartyBook, found: Organisation) -> Organisation:
        organisation = book.organisation(found.id)
        if organisation is None:
            raise _no_organisation(found.slug)
        return organisation

    def _tenant_id(self, ref: str) -> UUID | None:
        tenant = self._tenants.find(ref)
        return None if tenant is None else tenant.id

    def _entity_id(self, ref: str) -> UUID | None:
        entity = self._parties.find_entity(ref)
        return None if entity is None else entity.id


def _no_entity(ref: str) -> Rejected:
    return NotFound.because("billing_entity", f"no billing entity {ref[:TEXT_MAX]!r}")


def _no_organisation(ref: str) -> Rejected:
    return NotFound.because("organisation", f"no organisation {ref[:TEXT_MAX]!r}")
