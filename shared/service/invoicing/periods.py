"""Which period of an account is next, and where nothing can be charged."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple

from shared.domain.invoicing.cycle import period_after, period_holding
from shared.domain.period import Period
from shared.service.invoicing.invoice_ports import Account, Billed, InvoiceView

_DAY: Final = timedelta(days=1)


class Next(NamedTuple):
    """The period to invoice next; all before it is closed, or nothing can be charged for it: `is_passed`
    says that there is such time."""

    period: Period
    is_passed: bool = False


def open_from(account: Account) -> datetime:
    """Where the next period begins: where the last one ended; at first where the period does that holds the
    first usage or the tenant's creation, whichever is earlier."""
    if account.payer.closed is not None:
        return account.payer.closed.at
    return min(begins_at(account, member) for member in account.members)


def begins_at(account: Account, member: Billed) -> datetime:
    """From when on the usage of a member is not closed yet."""
    return began_at(account, member) if member.closed is None else member.closed.at


def began_at(account: Account, member: Billed) -> datetime:
    """Where the first period of a member begins: that which holds its first usage or its creation, whichever
    is earlier. Before that nothing is charged, no fees either."""
    first = min(filter(None, (member.first_used, member.tenant.created_at)))
    return period_holding(account.cycle, first, account.payer.zone).start


def period_from(account: Account, start: datetime) -> Period:
    """The period that begins then. Where the tenant's plan ends for good in it, so does the period."""
    period = period_after(account.cycle, start, account.payer.zone)
    ends_at = plan_ends_at(account.payer) if len(account.members) == 1 else None
    if ends_at is not None and period.start < ends_at < period.end:
        return Period(period.start, ends_at)
    return period


def plan_ends_at(billed: Billed) -> datetime | None:
    """Where nothing follows the tenant's last plan."""
    return billed.subscriptions[-1].ends_at if billed.subscriptions else None


def next_period(view: InvoiceView, account: Account, now: datetime) -> Next:
    """The first period for which anything can be charged; the running one, where that is later.

    What is empty is passed over at once, however many years it is; not where closed periods came to
    something else meanwhile, for that is charged with the next one.
    """
    start = open_from(account)
    period = period_from(account, start)
    if period.end > now or any(changed_days(view, member) for member in account.members):
        return Next(period)
    charged_from = min(_charged_from(view, account, start), default=None)
    if charged_from is not None and charged_from < period.end:
        return Next(period)
    goal = now if charged_from is None else min(now, charged_from)
    holding = period_holding(account.cycle, goal, account.payer.zone).start
    return Next(period_from(account, max(start, holding)), is_passed=holding > start)


def changed_days(view: InvoiceView, member: Billed) -> Sequence[Period]:
    """The closed days of a member whose usage has changed since."""
    if member.closed is None:
        return ()
    until = member.closed.at
    days = view.changed_days(member.tenant.id, member.closed.sequence)
    starts = (datetime.combine(day, time(), UTC) for day in days)
    return [Period(start, min(start + _DAY, until)) for start in starts if start < until]


def _charged_from(view: InvoiceView, account: Account, start: datetime) -> Iterator[datetime]:
    """For each member the first instant at which there may be something to charge: usage, or a plan."""
    for member in account.members:
        begin = begins_at(account, member)
        since = begin if account.payer.closed is not None else max(start, begin)
        used = view.used_from(member.tenant.id, since)
        if used is not None:
            yield used
        there_from = max(since, member.tenant.created_at)
        held = there_from if account.zero_invoices else _plan_from(member, there_from)
        if held is not None:
            yield held


def _plan_from(member: Billed, since: datetime) -> datetime | None:
    """The first instant from `since` on at which the tenant has a plan."""
    followers = [held.starts_at for held in member.subscriptions[1:]]
    for held, follower in zip(member.subscriptions, [*followers, None], strict=False):
        end = held.ends_at or follower
        if end is None or end > since:
            return max(since, held.starts_at or since)
    return None
