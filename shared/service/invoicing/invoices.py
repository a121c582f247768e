"""Invoices, made and looked at on request."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from shared.domain.errors import Conflict, NotFound, Rejected, Unavailable
from shared.domain.invoicing.cycle import period_holding
from shared.domain.invoicing.holds import Hold, HoldReason, Override
from shared.domain.invoicing.invoice import Status
from shared.domain.invoicing.lines import has_amounts
from shared.domain.period import Period, grid_instant
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.invoicing.drafts import rate_invoice
from shared.service.invoicing.finalising import all_holds, check_holds, holds_of, make_final, put_draft
from shared.service.invoicing.invoice_ports import (
    Account,
    DraftRef,
    InvoiceStore,
    InvoiceView,
    Overtaken,
    StoredInvoice,
)
from shared.service.invoicing.periods import next_period, open_from, period_from
from shared.service.ports import Clock, NewId, TenantDirectory

_log = logging.getLogger(__name__)
ATTEMPTS_MAX: Final = 20
_T = TypeVar("_T")


class Overriding(NamedTuple):
    """To answer for it that these reasons hold no invoice back."""

    reasons: frozenset[HoldReason]
    why: str


class _Wanted(NamedTuple):
    """A period, and the draft of it, where there is one."""

    period: Period
    draft: DraftRef | None


class Invoices:
    """`fold` is asked to fold all that a tenant has sent before it is rated, `read_letters` to look at
    the dead letters, which hold drafts back. An invoice is found by UUID or number. Everything raises
    NotFound for what is unknown."""

    def __init__(
        self,
        *,
        store: InvoiceStore,
        tenants: TenantDirectory,
        fold: Callable[[UUID], object],
        clock: Clock,
        new_id: NewId,
        read_letters: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._read_letters = read_letters
        self._tenants = tenants
        self._fold = fold
        self._clock = clock
        self._new_id = new_id

    def generate(
        self,
        tenant_ref: str,
        period_start: datetime | None = None,
        period_end: datetime | None = None,
        who: str = "",
    ) -> StoredInvoice:
        """A draft, new or rated again: of the next period that is not closed, or of the one that begins at
        `period_start`, up to `period_end` where that is before its end.

        Raises Rejected for a period that there is none of, naming the nearest; Conflict for one that is
        closed, and for a tenant that another pays for.
        """
        draft = self._draft(
            self._tenant(tenant_ref),
            lambda view, account, now: _wanted(view, account, now, period_start, period_end),
        )
        _log.info("invoice %s of tenant %s was drafted for %s", draft.invoice.id, tenant_ref, who)
        return draft

    def rerate(self, tenant_ref: str, invoice_id: UUID) -> StoredInvoice:
        """The draft, by usage, plans and taxes as they are now. Raises Conflict for what is final."""
        tenant = self._tenant(tenant_ref)

        def same(view: InvoiceView, _account: Account, _now: datetime) -> _Wanted:
            stored = _draft_in(view, tenant, invoice_id)
            return _Wanted(stored.invoice.period, view.draft_from(tenant.id, stored.invoice.period.start))

        return self._draft(tenant, same)

    def finalise(
        self, tenant_ref: str, invoice_id: UUID, *, who: str, override: Overriding | None = None
    ) -> StoredInvoice:
        """Rate the draft once more, and have it be the invoice, with its number, for good.

        Raises Conflict for what is no draft, while its period or one before it is open, where it comes to
        nothing, and where reasons hold it back that are not overridden, with the way out of each. Raises
        Rejected for an override that says too little, or that is of what cannot be overridden.
        """
        tenant = self._tenant(tenant_ref)
        self._read_letters()
        at = self._clock()
        overrides = () if override is None else (Override(who, override.why, override.reasons, at),)

        def work() -> None:
            self._fold_account(tenant)
            with self._store.view() as view:
                account = view.account(tenant.id)
                stored = _draft_in(view, tenant, invoice_id)
                _check_turn(view, account, stored.invoice.period, at)
                rated = rate_invoice(view, account, invoice_id, stored.invoice.period)
            with self._store.changing(account, invoice_id, rated.period) as book:
                locked = book.load(tenant.id, invoice_id)
                if locked is None or locked.invoice.status is not Status.DRAFT:
                    raise Overtaken
                for one in overrides:
                    book.add_override(tenant.id, invoice_id, one)
                check_holds(holds_of(book, rated), (*locked.overrides, *overrides))
                if not rated.is_wanted:
                    said = "comes to nothing: its period is closed without an invoice; discard it"
                    raise Conflict.because("invoice", said)
                make_final(book, rated, at, locked.created_at, who, self._new_id)

        repeated(work)
        return self.get(tenant_ref, str(invoice_id))

    def discard(self, tenant_ref: str, invoice_id: UUID) -> None:
        """Remove a draft; the next one of its period is another. Raises Conflict for what is final."""
        tenant = self._tenant(tenant_ref)

        def work() -> None:
            with self._store.view() as view:
                stored = _draft_in(view, tenant, invoice_id)
                account = view.account(tenant.id)
            with self._store.changing(account, invoice_id, stored.invoice.period) as book:
                locked = book.load(tenant.id, invoice_id)
                if locked is None or locked.invoice.status is not Status.DRAFT:
                    raise Overtaken
                book.discard(tenant.id, invoice_id)

        repeated(work)

    def get(self, tenant_ref: str | None, invoice_ref: str) -> StoredInvoice:
        """Of any tenant, where none is named."""
        tenant_id = None if tenant_ref is None else self._tenant(tenant_ref).id
        found = self._store.find(tenant_id, invoice_ref)
        if found is None:
            raise NotFound.because("invoice", f"no invoice {invoice_ref[:TEXT_MAX]!r}")
        return found

    def list(
        self,
        tenant_ref: str | None = None,
        status: Status | None = None,
        *,
        limit: int,
        after: UUID | None = None,
    ) -> Sequence[StoredInvoice]:
        """In the order in which they were drafted; of all tenants where none is named."""
        tenant_id = None if tenant_ref is None else self._tenant(tenant_ref).id
        return self._store.list(tenant_id, status, limit=limit, after=after)

    def holds(self, tenant_ref: str, invoice_id: UUID) -> tuple[Hold, ...]:
        """All that is in the way of a draft as it was last rated, overridden or not; of an invoice none."""
        tenant = self._tenant(tenant_ref)
        self._read_letters()
        with self._store.view() as view:
            stored = view.load(tenant.id, invoice_id)
            if stored is None:
                raise _no_invoice(invoice_id)
            if stored.invoice.status is not Status.DRAFT or stored.basis is None:
                return ()
            account = view.account(tenant.id)
            is_wanted = has_amounts(stored.lines) or account.zero_invoices
            return all_holds(view, account, stored.invoice.period, stored.basis, is_wanted=is_wanted)

    def _draft(
        self, tenant: Tenant, choose: Callable[[InvoiceView, Account, datetime], _Wanted]
    ) -> StoredInvoice:
        def work() -> StoredInvoice:
            self._fold_account(tenant)
            now = self._clock()
            with self._store.view() as view:
                account = view.account(tenant.id)
                period, draft = choose(view, account, now)
                rated = rate_invoice(view, account, draft.id if draft else self._new_id(), period)
                grants = view.grants(tenant.id)
            with self._store.changing(account, rated.invoice_id, period) as book:
                check_draft(book.draft_from(tenant.id, period.start), draft)
                return put_draft(book, rated, grants, now, draft.created_at if draft else None)

        put = repeated(work)
        return self.get(str(tenant.id), str(put.invoice.id))

    def _fold_account(self, tenant: Tenant) -> None:
        with self._store.view() as view:
            account = view.account(tenant.id)
        for member in account.members:
            self._fold(member.tenant.id)

    def _tenant(self, ref: str) -> Tenant:
        tenant = self._tenants.find(ref)
        if tenant is None:
            raise NotFound.because("tenant_id", f"no tenant {ref[:TEXT_MAX]!r}")
        return tenant


def repeated(work: Callable[[], _T]) -> _T:
    """Anew, as long as others get in first."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return work()
        except Overtaken:
            continue
    raise Unavailable(f"others closed or drafted first, {ATTEMPTS_MAX} times")


def check_draft(found: DraftRef | None, seen: DraftRef | None) -> None:
    """Raises Overtaken where the draft of a period is not the one that was seen."""
    if (found and found.id) != (seen and seen.id):
        raise Overtaken


def kept(period: Period, draft: DraftRef | None) -> Period:
    """The period of a draft that was asked to end sooner stays so."""
    return period if draft is None else Period(period.start, min(period.end, draft.period.end))


def _wanted(
    view: InvoiceView, account: Account, now: datetime, start: datetime | None, end: datetime | None
) -> _Wanted:
    if start is None:
        period = next_period(view, account, now).period
    else:
        period = _period_at(account, now, grid_instant("period_start", start))
    draft = view.draft_from(account.tenant.id, period.start)
    if end is None:
        return _Wanted(kept(period, draft), draft)
    end = grid_instant("period_end", end)
    if not period.start < end <= period.end:
        raise Rejected.because("period_end", f"must be after {_z(period.start)} and at most {_z(period.end)}")
    return _Wanted(Period(period.start, end), draft)


def _period_at(account: Account, now: datetime, start: datetime) -> Period:
    first = open_from(account)
    if start > now:
        raise Rejected.because("period_start", "the period has not begun yet")
    if start < first and account.payer.closed is not None:
        raise Conflict.because("period_start", f"everything before {_z(first)} is closed")
    if start < first:
        raise Rejected.because("period_start", f"nothing is invoiced before {_z(first)}")
    if start == first:
        return period_from(account, first)
    holding = period_holding(account.cycle, start, account.payer.zone)
    if holding.start != start:
        nearest = max(first, holding.start)
        raise Rejected.because("period_start", f"no period begins then; one begins at {_z(nearest)}")
    return period_from(account, start)


def _check_turn(view: InvoiceView, account: Account, period: Period, now: datetime) -> None:
    """Periods become final in order, each once it is over."""
    if period.end > now:
        raise Conflict.because("period", f"it runs until {_z(period.end)}: an invoice is made after its end")
    first = next_period(view, account, now).period
    if first.start != period.start:
        said = f"the period from {_z(first.start)} is not closed yet: finalise that first"
        raise Conflict.because("period", said)


def _draft_in(view: InvoiceView, tenant: Tenant, invoice_id: UUID) -> StoredInvoice:
    """Raises NotFound, and Conflict for what is final."""
    stored = view.load(tenant.id, invoice_id)
    if stored is None:
        raise _no_invoice(invoice_id)
    if stored.invoice.status is not Status.DRAFT:
        stored.invoice.finalise(stored.document)
    return stored


def _no_invoice(invoice_id: UUID) -> Rejected:
    return NotFound.because("invoice", f"no invoice '{invoice_id}'")


def _z(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
