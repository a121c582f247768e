"""Closing: what ended is drafted, and what nothing holds is made final, for every tenant, from the state."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from heapq import heappop, heappush
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.domain.errors import Rejected, Unavailable
from shared.domain.invoicing.cycle import BillingCycle, period_after, period_holding
from shared.domain.invoicing.holds import holding
from shared.domain.period import Period
from shared.service.invoicing.drafts import rate_invoice
from shared.service.invoicing.finalising import close_empty, holds_of, make_final, put_draft
from shared.service.invoicing.invoice_ports import Account, Candidate, ClosedUntil, InvoiceStore
from shared.service.invoicing.invoices import check_draft, kept, repeated
from shared.service.invoicing.periods import next_period, period_from
from shared.service.ports import Clock, NewId

_log = logging.getLogger(__name__)
CLOSE_LIMIT_S: Final = 10.0
"""With what else a sweep does, below what a Broker waits for."""
WHO: Final = "closing"
"""Who made what nobody asked for."""


class Closed(NamedTuple):
    """How many periods were drafted, made final, and held back; `more` says that there is more to do."""

    drafted: int
    finalised: int
    held: int
    more: bool


class _Waiting(NamedTuple):
    """In the order in which they come."""

    was_held: bool
    since: datetime
    tenant_id: UUID


class _Done(Enum):
    NOTHING = "nothing"
    DRAFTED = "drafted"
    FINALISED = "finalised"
    HELD = "held"
    EMPTY = "empty"


class Closing:
    """May be run at any time, by several at once, and cut short anywhere: what is to be done is found in the
    state, one period of one tenant in a transaction, in order. A tenant that is held, or fails, holds up
    nobody."""

    def __init__(
        self, *, store: InvoiceStore, fold: Callable[[UUID], object], clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._fold = fold
        self._clock = clock
        self._new_id = new_id

    def run(self, deadline: float) -> Closed:
        """All that is due, until `deadline`, a time of the monotonic clock; at least one period.

        Whoever has waited longest comes first; at last, and only as far as there is time, what was held
        before.
        """
        now = self._clock()
        waiting: list[_Waiting] = []
        for candidate in self._store.candidates():
            if (due := _due(candidate, now)) is not None:
                heappush(waiting, due)
        done = dict.fromkeys(_Done, 0)
        while waiting:
            if any(done.values()) and monotonic() > deadline:
                break
            one = heappop(waiting)
            outcome, is_behind = self._attempt(one.tenant_id, now)
            done[outcome] += 1
            if is_behind:
                heappush(waiting, one._replace(was_held=False))
        more = any(not one.was_held for one in waiting)
        return Closed(done[_Done.DRAFTED], done[_Done.FINALISED], done[_Done.HELD], more)

    def run_all(self, *, limit_s: float = CLOSE_LIMIT_S) -> Closed:
        """As a step of a sweep: raises Unavailable where there is more to do after `limit_s`."""
        closed = self.run(monotonic() + limit_s)
        if closed.more:
            raise Unavailable(f"there are more periods to close after {limit_s:g} s")
        return closed

    def _attempt(self, tenant_id: UUID, now: datetime) -> tuple[_Done, bool]:
        """What became of the next period, and whether another is over."""
        try:
            return repeated(lambda: self._close_next(tenant_id, now))
        except (Rejected, Unavailable) as reason:
            _log.warning("the period of tenant %s cannot be closed yet: %s", tenant_id, reason)
        except Exception:
            _log.exception("the period of tenant %s cannot be closed", tenant_id)
        return _Done.NOTHING, False

    def _close_next(self, tenant_id: UUID, now: datetime) -> tuple[_Done, bool]:
        self._fold_account(tenant_id)
        with self._store.view() as view:
            account = view.account(tenant_id)
            following = next_period(view, account, now)
            if following.is_passed and account.payer.closed is not None:
                self._pass(account, following.period.start)
                return _Done.EMPTY, following.period.end <= now
            draft = view.draft_from(tenant_id, following.period.start)
            period = kept(following.period, draft)
            if period.end > now:
                return _Done.NOTHING, False
            rated = rate_invoice(view, account, draft.id if draft else self._new_id(), period)
            grants = view.grants(tenant_id)
        is_behind = period_from(account, period.end).end <= now
        with self._store.changing(account, rated.invoice_id, period) as book:
            check_draft(book.draft_from(tenant_id, period.start), draft)
            stored = book.load(tenant_id, draft.id) if draft else None
            held = holding(holds_of(book, rated), stored.overrides if stored else ())
            is_due = rated.grace_ends_at <= now
            if not rated.is_wanted and not held:
                if not is_due:
                    return _Done.NOTHING, False
                close_empty(book, rated)
                return _Done.EMPTY, is_behind
            created_at = draft.created_at if draft else None
            if held or not is_due:
                put_draft(book, rated, grants, now, created_at)
                return (_Done.HELD if is_due else _Done.DRAFTED), False
            make_final(book, rated, now, created_at or now, WHO, self._new_id)
            return _Done.FINALISED, is_behind

    def _pass(self, account: Account, until: datetime) -> None:
        """There is nothing to rate, so what was counted stays as it is."""
        closed = account.payer.closed
        assert closed is not None
        with self._store.changing(account, self._new_id(), Period(closed.at, until)) as book:
            book.move(account.tenant.id, ClosedUntil(until, closed.sequence))

    def _fold_account(self, tenant_id: UUID) -> None:
        with self._store.view() as view:
            members = view.account(tenant_id).members
        for member in members:
            self._fold(member.tenant.id)


def _due(candidate: Candidate, now: datetime) -> _Waiting | None:
    """None where nothing is due yet."""
    if candidate.draft_until is not None and candidate.draft_until <= now:
        assert candidate.draft_rated_at is not None
        grace_ends_at = candidate.draft_until + timedelta(seconds=candidate.grace_s)
        was_held = candidate.draft_rated_at >= grace_ends_at
        since = candidate.draft_rated_at if was_held else grace_ends_at
        return _Waiting(was_held, since, candidate.tenant_id) if grace_ends_at <= now else None
    end = _ends_at(candidate.cycle, candidate.since, candidate.timezone, candidate.is_closed)
    if candidate.plan_ends_at is not None and candidate.since < candidate.plan_ends_at < end:
        end = candidate.plan_ends_at
    return _Waiting(False, end, candidate.tenant_id) if end <= now else None


@lru_cache(maxsize=10_000)
def _ends_at(cycle: BillingCycle, since: datetime, timezone: str, is_closed: bool) -> datetime:
    """Of the period that begins at `since`, or of that which holds it. Most tenants have the same."""
    of = period_after if is_closed else period_holding
    return of(cycle, since, ZoneInfo(timezone)).end
