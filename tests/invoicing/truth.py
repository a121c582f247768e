"""What a tenant's usage truly costs, from the records alone: nothing here knows of invoices."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.domain.facts import WindowFacts
from shared.domain.period import Period, counting_periods
from shared.domain.plan import Subscription
from shared.domain.tenant import Tenant
from shared.service.billing import rate_period, used_in
from tests.shared.service.rating_fakes import FakeUsage

MS_NS = 10**6


class Calls(NamedTuple):
    """So many calls of a millisecond each, that ended then."""

    at: datetime
    number: int


class Part(NamedTuple):
    """Which part of which price of which plan, in which calendar month."""

    month: datetime
    plan: str
    version: int
    price: str
    meter: str
    part: str


def owed(
    tenant: Tenant, history: Sequence[Subscription], used: Iterable[Calls], closed: Period
) -> Mapping[Part, Decimal]:
    """Of the time that is closed; a month before there was the tenant counts only if it was used."""
    usage, zone = FakeUsage(), ZoneInfo(tenant.timezone)
    for at, number in used:
        usage.record(at, WindowFacts(records=number, invocations=number, duration_ns=number * MS_NS))
    usage.fold(tenant.id)
    sums: dict[Part, Decimal] = {}
    for piece in counting_periods(*closed, zone):
        was_used = usage.total(tenant.id, piece.start, piece.end).invocations
        if piece.end <= tenant.created_at and not was_used:
            continue
        for line in rate_period([piece], history, partial(used_in, usage, tenant.id, zone)):
            key = Part(
                line.counting.start, str(line.plan_id), line.plan_version, line.price, line.meter, line.part
            )
            sums[key] = sums.get(key, Decimal(0)) + line.amount
    return {key: amount for key, amount in sums.items() if amount}
