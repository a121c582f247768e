"""Who changed what about the parties to invoices: values that are kept for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.parties import BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.plan_document import instant_text

Party = BillingEntity | Organisation | BillingDetails | TaxRate


@dataclass(frozen=True, slots=True)
class PartyChange:
    """What was before and what is after, as JSON objects; None where there was or is nothing.

    `about` is the billing entity, the organisation, or the tenant whose details or tax rates changed. `id`
    grows with time; None until it is kept.
    """

    at: datetime
    who: str
    what: str
    about: UUID
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    id: UUID | None = None


def party_changed(before: Party | None, after: Party | None, at: datetime, who: str) -> PartyChange:
    """`what` is such as "organisation.created", ".changed" or ".deleted"."""
    party = after or before
    assert party is not None
    what = "created" if before is None else "deleted" if after is None else "changed"
    return PartyChange(
        at,
        who,
        f"{_kind(party)}.{what}",
        party.tenant_id if isinstance(party, BillingDetails | TaxRate) else party.id,
        None if before is None else party_to_dict(before),
        None if after is None else party_to_dict(after),
    )


def party_to_dict(party: Party) -> dict[str, object]:
    return {field.name: _plain(getattr(party, field.name)) for field in fields(party)}


def _kind(party: Party) -> str:
    match party:
        case BillingEntity():
            return "billing_entity"
        case Organisation():
            return "organisation"
        case BillingDetails():
            return "billing_details"
        case TaxRate():
            return "tax_rate"


def _plain(value: object) -> object:
    match value:
        case datetime():
            return instant_text(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case tuple():
            return [_plain(item) for item in value]
        case BillingCycle():
            return {"interval": value.interval, "anchor": _plain(value.anchor)}
    return value
