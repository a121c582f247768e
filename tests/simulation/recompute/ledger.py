"""Bills from what was sent and asked for: nothing of the project is imported here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from tests.simulation.recompute.bands import is_in, is_of
from tests.simulation.recompute.months import Month, months_between
from tests.simulation.recompute.numbers import rounded
from tests.simulation.recompute.plans import BEGINNING, Holding, Plan, Prices, Term, Version
from tests.simulation.recompute.prices import Moment, Price, charged
from tests.simulation.recompute.usage import LABEL, Bins, Record, Usage, Used, once, records_of, summed

DIGITS = {"JPY": 0, "USD": 2, "RUB": 2, "KWD": 3}


class Line(NamedTuple):
    """`quantity` is None where no meter is counted."""

    start: datetime
    end: datetime
    plan: str
    version: int
    price: str
    part: str
    quantity: Fraction | None
    exact_before: Fraction
    exact: Fraction
    amount: Fraction


class Bill(NamedTuple):
    lines: Sequence[Line]
    total: Fraction
    total_exact: Fraction


@dataclass
class Account:
    """A tenant: what it had, what it sent, and what of that is void."""

    currency: str
    holding: Holding
    parts: dict[str, Bins] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)

    @cached_property
    def usage(self) -> Usage:
        """Once all that is to be sent has come."""
        return Usage(bins for identity, bins in self.parts.items() if identity not in self.void)

    def counted(self, price: Price) -> Usage:
        """What of the usage a price counts."""
        said = {name: price[name] for name in ("band", "where", "except") if name in price}
        if not said:
            return self.usage
        zone = self.holding.zone

        def holds(number: int, value: str) -> bool:
            return ("band" not in said or is_in(said["band"], zone, number)) and is_of(value, said, LABEL)

        return self.usage.part(repr(said), holds)


@dataclass
class Ledger:
    plans: dict[str, Plan] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    records: int = 0

    def open(self, tenant: str, zone: str, currency: str) -> None:
        self.accounts[tenant] = Account(currency, Holding(zone))

    def offer(self, plan: str, prices: Prices) -> None:
        self.plans[plan] = Plan(plan, [Version(1, prices, BEGINNING, at_once=True)])

    def sent(self, tenant: str | None, identity: str, body: bytes, recorded_at: datetime) -> None:
        """Of one tenant, or of those that the records name. What came under an identity before stays."""
        by_tenant: dict[str, list[Record]] = {}
        for record in records_of(body):
            by_tenant.setdefault(tenant or record["tenant_id"], []).append(record)
        for name, records in by_tenant.items():
            account = self.accounts[name]
            if identity not in account.parts:
                account.parts[identity] = summed(once(records), recorded_at)
                self.records += len(records)

    def voided(self, tenant: str, identity: str) -> None:
        self.accounts[tenant].void.add(identity)

    def bill(self, tenant: str, start: datetime, end: datetime) -> Bill | None:
        """None where there is usage without a plan, or no plan at all: that has no bill."""
        account = self.accounts[tenant]
        lines: list[Line] = []
        for month in months_between(account.holding.zone, start, end):
            terms = account.holding.terms(month, self.plans)
            for term in terms:
                a, b = max(term.start, start), min(term.end, end)
                if a < b and not term.plan and account.usage.is_there(a, b):
                    return None
                if a < b and term.plan:
                    first = next(one.start for one in terms if one.plan)
                    lines += _lines(account, month, term, first, a, b)
        if not lines:
            return None
        total, exact = (sum(amounts, Fraction(0)) for amounts in zip(*map(_amounts, lines), strict=True))
        return Bill(lines, total, exact)


def _amounts(line: Line) -> tuple[Fraction, Fraction]:
    return line.amount, line.exact


def _lines(
    account: Account, month: Month, term: Term, first: datetime, a: datetime, b: datetime
) -> Iterator[Line]:
    digits, zone = DIGITS[account.currency], account.holding.zone

    def moment(at: datetime) -> Moment:
        def used(price: Price) -> Used:
            return account.counted(price).between(month[0], at)

        return Moment(at, month, (term.start, term.end), first, used, zone)

    opening = charged(term.prices, moment(term.start), digits)
    was, now = (charged(term.prices, moment(at), digits, opening) for at in (a, b))
    for x, y in zip(was, now, strict=True):
        used = None if x.quantity is None or y.quantity is None else y.quantity - x.quantity
        amount = rounded(y.exact, digits) - rounded(x.exact, digits)
        yield Line(a, b, term.plan, term.version, y.price, y.part, used, x.exact, y.exact - x.exact, amount)
