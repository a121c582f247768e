"""The taxes on what a tenant is charged: added, ended, looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from shared.domain.errors import NotFound, Rejected
from shared.domain.invoicing.parties import TaxRate
from shared.domain.invoicing.party_change import party_changed
from shared.domain.invoicing.party_document import read_tax_rate
from shared.domain.period import grid_instant, next_grid_instant
from shared.service.invoicing.ports import PartyStore
from shared.service.ports import Clock, NewId


class TaxRates:
    """What is changed here counts for invoices that are not final yet."""

    def __init__(self, *, parties: PartyStore, clock: Clock, new_id: NewId) -> None:
        self._parties = parties
        self._clock = clock
        self._new_id = new_id

    def list(self, tenant_id: UUID, *, limit: int, after: UUID | None = None) -> Sequence[TaxRate]:
        """Those that were valid, are and will be, in the order in which they were added."""
        return self._parties.tax_rates(tenant_id, limit=limit, after=after)

    def add(self, tenant_id: UUID, document: Mapping[str, object], *, who: str) -> TaxRate:
        """Raises Rejected with every fault, Conflict where another of the name is valid at the same time."""
        rate = read_tax_rate(document, id=self._new_id(), tenant_id=tenant_id)
        with self._parties.changing(tenant_id) as book:
            book.put_tax_rate(rate)
            book.note(party_changed(None, rate, self._clock(), who))
        return rate

    def end(self, tenant_id: UUID, rate_id: UUID, *, ends_at: datetime | None, who: str) -> TaxRate:
        """Have a rate be valid until `ends_at`, the next 5-minute instant where none is given.

        Raises NotFound; Rejected off the grid and before the rate begins; Conflict where another of the
        name is valid by then.
        """
        now = self._clock()
        at = next_grid_instant(now) if ends_at is None else grid_instant("ends_at", ends_at)
        with self._parties.changing(tenant_id) as book:
            was = book.tax_rate(tenant_id, rate_id)
            if was is None:
                raise NotFound.because("rate", f"no tax rate '{rate_id}'")
            if was.valid_from is not None and at <= was.valid_from:
                begins = f"{was.valid_from:%Y-%m-%dT%H:%M:%SZ}"
                raise Rejected.because("ends_at", f"must be after the rate begins, which is {begins}")
            rate = replace(was, valid_until=at)
            if rate != was:
                book.put_tax_rate(rate)
                book.note(party_changed(was, rate, now, who))
        return rate
