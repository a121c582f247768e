"""Facts → CloudEvents → the sink. What could not be sent stays in the outbox."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from eventing import types
from eventing.event import Event, rfc3339
from shared.domain.errors import Rejected, Unavailable
from shared.domain.events import (
    CostAccrued,
    Fact,
    InvoiceDrafted,
    InvoiceFact,
    InvoiceFinalized,
    InvoicePaid,
    UsageAggregated,
)
from shared.service.ports import Outbox

logger = logging.getLogger(__name__)

BATCH: Final = 100
REFUSED_MAX: Final = 1_000


class Publishes(Protocol):
    def publish(self, event: Event) -> None: ...


def to_event(fact: Fact) -> Event:
    """The event that announces a fact: the same for the same fact, so that sending it again is a duplicate.

    Amounts are decimal strings with the currency beside them, times RFC 3339 in UTC.
    """
    match fact:
        case UsageAggregated():
            return _usage_aggregated(fact)
        case CostAccrued():
            return _cost_accrued(fact)
        case InvoiceDrafted():
            return _invoice(fact, types.INVOICE_DRAFTED, "draft", f"{fact.invoice_id}")
        case InvoiceFinalized():
            return _invoice(fact, types.INVOICE_FINALIZED, "final", f"{fact.invoice_id}")
        case InvoicePaid():
            # Paid again, where a payment was given back meanwhile.
            return _invoice(fact, types.INVOICE_PAID, "paid", f"{fact.invoice_id}/{_compact(fact.as_of)}")


def _usage_aggregated(fact: UsageAggregated) -> Event:
    data = {
        "changed_from": rfc3339(fact.changed_from),
        "changed_until": rfc3339(fact.changed_until),
    }
    return _sequenced(fact, types.USAGE_AGGREGATED, types.SOURCE_AGGREGATOR, str(fact.sequence), data)


def _cost_accrued(fact: CostAccrued) -> Event:
    data = {
        "period_start": rfc3339(fact.period_start),
        "period_end": rfc3339(fact.period_end),
        "currency": fact.currency,
        "amount": f"{fact.amount:f}",
        "plan": fact.plan,
    }
    # A change of plan alters what the same usage costs.
    of = f"{fact.sequence}/{_compact(fact.as_of)}"
    state = f"{_compact(fact.period_start)}/{_compact(fact.period_end)}/{of}"
    return _sequenced(fact, types.COST_ACCRUED, types.SOURCE_PRICING, state, data)


def _invoice(fact: InvoiceFact, type: str, status: str, state: str) -> Event:
    data = {
        "invoice_id": str(fact.invoice_id),
        "number": fact.number or None,
        "status": status,
        "period_start": rfc3339(fact.period_start),
        "period_end": rfc3339(fact.period_end),
        "currency": fact.currency,
        "net": f"{fact.net:f}",
        "tax": f"{fact.tax_total:f}",
        "total": f"{fact.total:f}",
        "amount_due": f"{fact.amount_due:f}",
        "due_at": None if fact.due_at is None else rfc3339(fact.due_at),
    }
    return _event(fact, type, types.SOURCE_INVOICING, state, data)


def _sequenced(
    fact: UsageAggregated | CostAccrued, type: str, source: str, state: str, data: Mapping[str, Any]
) -> Event:
    """Of announcements that take the place of earlier ones."""
    sequence = {types.SEQUENCE: str(fact.sequence)}
    return _event(fact, type, source, state, {"sequence": fact.sequence, **data}, sequence)


def _event(
    fact: Fact,
    type: str,
    source: str,
    state: str,
    data: Mapping[str, Any],
    extensions: Mapping[str, str] | None = None,
) -> Event:
    """`state` tells this announcement from every other one of its type and tenant."""
    common = {
        "tenant_id": str(fact.tenant_id),
        "tenant": fact.tenant_slug,
        "as_of": rfc3339(fact.as_of),
    }
    return Event(
        id=f"{fact.tenant_id}/{type}/{state}",
        source=source,
        type=type,
        time=fact.as_of,
        datacontenttype="application/json",
        extensions={
            types.TENANT_ID: fact.tenant_slug,
            types.PARTITION_KEY: fact.tenant_slug,
            **(extensions or {}),
        },
        data=msgspec.json.encode({**common, **data}),
    )


def _compact(time: datetime) -> str:
    return rfc3339(time).replace("-", "").replace(":", "")


class Relay:
    """Sends what waits in the outbox, oldest first. One thread at a time; several processes may relay.

    A fact that the sink refuses for good, or that cannot be sent for a fault of ours, stays in the outbox
    and is passed over by this relay: it is not lost, holds up nobody, and is offered again by the next
    process.
    """

    def __init__(self, outbox: Outbox, publisher: Publishes) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._refused: set[UUID] = set()

    def send_pending(self) -> int:
        """Sends until the outbox is empty but for refused facts; the number sent.

        Raises Unavailable when the sink cannot take more now; what was sent before is marked so.
        """
        total = 0
        while True:
            sent, more, failure = self._send_some()
            total += sent
            if failure is not None:
                raise failure
            if not more:
                return total

    def _send_some(self) -> tuple[int, bool, Unavailable | None]:
        """How many were sent, whether there may be more, and what stopped it."""
        sent: list[UUID] = []
        failure = None
        limit = BATCH + len(self._refused)
        with self._outbox.take(limit) as taken:
            for id, fact in taken:
                if id in self._refused:
                    continue
                try:
                    self._publisher.publish(to_event(fact))
                    sent.append(id)
                except Unavailable as error:
                    failure = error
                except Exception as error:
                    failure = self._put_aside(id, fact, error)
                if failure is not None:
                    break
            self._outbox.done(sent)
        return len(sent), len(taken) >= limit, failure

    def _put_aside(self, id: UUID, fact: Fact, error: Exception) -> Unavailable | None:
        bug = None if isinstance(error, Rejected) else error
        name = type(fact).__name__
        logger.error("%s %s of %s is passed over: %s", name, id, fact.tenant_slug, error, exc_info=bug)
        self._refused.add(id)
        if len(self._refused) < REFUSED_MAX:
            return None
        self._refused.clear()
        return Unavailable(f"the sink has refused {REFUSED_MAX} facts, so they are not what is wrong")
