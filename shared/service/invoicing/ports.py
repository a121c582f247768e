"""What invoicing needs from outside."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.invoicing.party_change import PartyChange


class Member(NamedTuple):
    """A tenant of an organisation."""

    tenant_id: UUID
    slug: str
    name: str


class PartyBook(Protocol):
    """Parties in one transaction; what is read is locked until the block of `PartyStore.changing` ends."""

    def entity(self, entity_id: UUID) -> BillingEntity | None: ...

    def put_entity(self, entity: BillingEntity) -> None:
        """Raises Conflict where the name is taken."""

    def delete_entity(self, entity: BillingEntity) -> None:
        """Raises Conflict where it is a party to anything."""

    def organisation(self, organisation_id: UUID) -> Organisation | None: ...

    def put_organisation(self, organisation: Organisation) -> None:
        """Raises Conflict where the slug is taken, Rejected where the payer is none of its tenants."""

    def delete_organisation(self, organisation: Organisation) -> None:
        """Raises Conflict where it has tenants or invoices."""

    def details(self, tenant_id: UUID) -> BillingDetails | None: ...

    def put_details(self, details: BillingDetails) -> None:
        """Raises Conflict where the tenant pays for the organisation that it would leave, Rejected where
        what it refers to is gone."""

    def tax_rate(self, tenant_id: UUID, rate_id: UUID) -> TaxRate | None: ...

    def put_tax_rate(self, rate: TaxRate) -> None:
        """Raises Conflict where another of the name is valid at the same time."""

    def note(self, change: PartyChange) -> None:
        """Keep, for ever, who changed what."""


class PartyStore(Protocol):
    def changing(self, tenant_id: UUID | None = None) -> AbstractContextManager[PartyBook]:
        """With the tenant locked, where one is named: its changes come one after the other."""

    def find_entity(self, ref: str) -> BillingEntity | None:
        """By UUID or name."""

    def entity_of(self, tenant_id: UUID) -> BillingEntity | None:
        """Who sells to the tenant: that of its details, else the only one there is."""

    def entities(self, *, limit: int, after: UUID | None) -> Sequence[BillingEntity]:
        """In order of id, from the one behind `after`."""

    def find_organisation(self, ref: str) -> Organisation | None:
        """By UUID or slug."""

    def organisations(self, *, limit: int, after: UUID | None) -> Sequence[Organisation]: ...

    def tenants_of(self, organisation_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Member]: ...

    def details(self, tenant_id: UUID) -> BillingDetails | None: ...

    def tax_rates(self, tenant_id: UUID, *, limit: int, after: UUID | None) -> Sequence[TaxRate]: ...

    def changes(self, about: UUID, *, limit: int, before: UUID | None) -> Sequence[PartyChange]:
        """The newest first."""
