"""Credit of tenants: bought or given away, paid out, and lapsed."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID, uuid5

from shared.domain import money
from shared.domain.errors import Conflict, Fault, NotFound, Rejected, Unavailable
from shared.domain.invoicing import postings
from shared.domain.invoicing.credits import CreditUse, Grant, check_refund, lapsed
from shared.service.invoicing.asked import (
    amount_faults,
    check,
    check_same,
    find_tenant,
    in_currency,
    text_faults,
)
from shared.service.invoicing.money_ports import CreditGrant, MoneyStore, Refund
from shared.service.ports import Clock, NewId, TenantDirectory

_log = logging.getLogger(__name__)
_PRIORITIES: Final = range(-1_000, 1_001)


@dataclass(frozen=True, slots=True)
class PaidOut:
    """A refund of credit, and what remains of the grant."""

    refund: Refund
    credit: CreditGrant


class Credits:
    """Each of these is one transaction: its row, what was used of the grant, and its posting.

    Whoever asks again under the same idempotency key gets the same answer, and Conflict where something
    else is asked.
    """

    def __init__(self, *, money: MoneyStore, tenants: TenantDirectory, clock: Clock, new_id: NewId) -> None:
        self._money = money
        self._tenants = tenants
        self._clock = clock
        self._new_id = new_id

    def grant(
        self,
        tenant_ref: str,
        kind: Literal["prepaid", "promotional"],
        amount: Decimal,
        *,
        description: str = "",
        priority: int = 0,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
        who: str,
    ) -> CreditGrant:
        """Credit that the tenant bought, or is given, in its currency; it pays the next invoices, that of the
        smallest priority first, until it expires."""
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(
            amount_faults("amount", amount, tenant.currency),
            text_faults("description", description, may_be_empty=True),
            text_faults("idempotency_key", idempotency_key),
            _faults(kind, priority),
        )
        amount = in_currency(amount, tenant.currency)
        grant = Grant(
            id=self._new_id() if idempotency_key is None else _id_of(tenant.id, idempotency_key),
            kind=kind,
            description=description,
            currency=tenant.currency,
            remaining=amount,
            priority=priority,
            created_at=now,
            expires_at=expires_at,
        )
        with self._money.crediting(tenant.id) as book:
            if grant.has_expired(now) and book.grant(grant.id) is None:
                raise Rejected.because("expires_at", f"must be after now, {now:%Y-%m-%dT%H:%M:%SZ}")
            if not book.add_grant(grant, who):
                return _known(book.grant(grant.id), grant, idempotency_key)
            book.post(postings.granted(kind, amount, grant.currency), grant.id, now)
        return CreditGrant(grant, amount, who, None)

    def list(self, tenant_ref: str, *, limit: int, after: UUID | None = None) -> Sequence[CreditGrant]:
        """In order of id, what is used up as well."""
        tenant = find_tenant(self._tenants, tenant_ref)
        return self._money.grants(tenant.id, limit=limit, after=after)

    def refund(
        self,
        tenant_ref: str,
        grant_id: UUID,
        amount: Decimal | None = None,
        *,
        reason: str,
        idempotency_key: str | None = None,
        who: str,
    ) -> PaidOut:
        """Pay out what remains of a grant, or a part of it.

        Raises NotFound; Rejected for more than remains; Conflict for a promotion, and for what has expired.
        """
        tenant, now = find_tenant(self._tenants, tenant_ref), self._clock()
        check(text_faults("reason", reason), text_faults("idempotency_key", idempotency_key))
        with self._money.crediting(tenant.id) as book:
            credit = book.grant(grant_id)
            if credit is None:
                raise NotFound.because("grant_id", f"no credit grant '{grant_id}'")
            if idempotency_key is not None and (known := book.refund_with_key(idempotency_key)) is not None:
                check_same(
                    idempotency_key,
                    known.grant_id == grant_id,
                    amount in (None, known.amount),
                    reason == known.reason,
                )
                return PaidOut(known, credit)
            grant = credit.grant
            amount = _refundable(grant, amount, now)
            refund = Refund(
                id=self._new_id(),
                payment_id=None,
                grant_id=grant_id,
                currency=grant.currency,
                amount=amount,
                refunded_at=now,
                refunded_by=who,
                reason=reason,
                idempotency_key=idempotency_key,
            )
            book.add_refund(refund)
            book.use([CreditUse(grant, amount)], "refunded", now)
            book.post(postings.credit_refunded(amount, grant.currency), refund.id, now)
        left = replace(grant, remaining=money.difference(grant.remaining, amount))
        return PaidOut(refund, replace(credit, grant=left))

    def expire(self, now: datetime) -> int:
        """Write off the credit that has expired unused, tenant by tenant; of how many grants.

        A tenant where that fails holds up nobody: a bug is logged. Raises Unavailable where some are to be
        tried again.
        """
        expired, failures = 0, list[Unavailable]()
        for tenant_id in self._money.lapsed(now):
            try:
                expired += self._expire(tenant_id, now)
            except Unavailable as failure:
                failures.append(failure)
            except Exception:
                _log.exception("the expired credit of tenant %s cannot be written off", tenant_id)
        if failures:
            raise Unavailable(f"expired credit of {len(failures)} tenants; the first: {failures[0]}")
        return expired

    def _expire(self, tenant_id: UUID, now: datetime) -> int:
        with self._money.crediting(tenant_id) as book:
            uses = lapsed(book.grants(), now)
            for use, use_id in zip(uses, book.use(uses, "expired", now), strict=True):
                book.post(postings.expired(use.grant.kind, use.amount, use.grant.currency), use_id, now)
        return len(uses)


def _id_of(tenant_id: UUID, idempotency_key: str) -> UUID:
    """The same for the same key, which no two grants of a tenant have so."""
    return uuid5(tenant_id, json.dumps(["credit_grant", idempotency_key]))


def _known(known: CreditGrant | None, asked: Grant, idempotency_key: str | None) -> CreditGrant:
    assert known is not None, "no grant is ever removed"
    was = replace(known.grant, remaining=known.amount, created_at=asked.created_at)
    check_same(idempotency_key or "", was == asked)
    return known


def _faults(kind: str, priority: int) -> list[Fault]:
    faults = []
    if kind not in ("prepaid", "promotional"):
        faults.append(Fault("kind", "must be one of prepaid, promotional"))
    if priority not in _PRIORITIES:
        faults.append(Fault("priority", f"must be a whole number from {_PRIORITIES[0]} to {_PRIORITIES[-1]}"))
    return faults


def _refundable(grant: Grant, amount: Decimal | None, now: datetime) -> Decimal:
    check(amount_faults("amount", amount, grant.currency))
    if not grant.remaining:
        raise Conflict.because("grant", "nothing remains of the credit")
    amount = grant.remaining if amount is None else in_currency(amount, grant.currency)
    check_refund(grant, amount)
    if grant.has_expired(now):
        raise Conflict.because("grant", f"the credit expired at {grant.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    return amount
