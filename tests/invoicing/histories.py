"""Any history of one customer: usage, voids, plans, taxes, money and a clock, through the services."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shared.domain.errors import Rejected
from shared.domain.invoicing.credit_notes import Wanted
from shared.domain.invoicing.invoice import Status
from shared.domain.period import Period, month_of, next_grid_instant
from shared.service.invoicing.invoice_ports import StoredInvoice
from tests.invoicing.audit import faults
from tests.invoicing.house import OCTOBER, WHO, House, Prices
from tests.invoicing.truth import Calls, Part, owed

DAY: Final = timedelta(days=1)
GRACE: Final = timedelta(hours=1)
CREATED: Final = OCTOBER + 14 * DAY
FIRST_DAY: Final = {"interval": date(2025, 10, 13), "anchor": date(2025, 9, 30)}
"""Of the week, or the month from a last day on, in which CREATED lies."""
PLANS: Final[Mapping[str, Prices]] = {
    "units": [
        {"kind": "per_unit", "meter": "invocations", "amount": "0.333", "included": "10"},
        {"kind": "flat", "amount": "10"},
    ],
    "tiers": [
        {
            "kind": "graduated",
            "meter": "invocations",
            "tiers": [
                {"up_to": "15", "amount": "1", "flat": "2"},
                {"amount": "0.1", "per": "3", "flat": "5"},
            ],
        },
        {"kind": "minimum_spend", "minimum": "7.77"},
    ],
    "packages": [
        {"kind": "package", "meter": "invocations", "size": "7", "amount": "1.99", "included": "3"},
        {"kind": "per_unit", "meter": "duration_ms", "amount": "0.0149"},
        {"kind": "maximum_spend", "maximum": "25"},
    ],
}
_CHARGED: Final = """
    SELECT l.counting_start, l.plan_id::text, l.plan_version, l.price, l.meter, l.part, sum(l.amount)
    FROM invoice_line l JOIN invoice i ON (i.tenant_id, i.id) = (l.tenant_id, l.invoice_id)
    WHERE l.usage_tenant_id = %s AND l.kind <> 'carried_over' AND i.status NOT IN ('draft', 'void')
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(l.amount) <> 0
"""
_CLOSED: Final = "SELECT closed_until FROM closing WHERE tenant_id = %s"
places = st.integers(0, 9)
percents = st.sampled_from([1, 30, 50, 99, 100])
cents = st.integers(1, 4_000).map(lambda n: Decimal(n) / 100)
names = count()


class Histories(RuleBasedStateMachine):
    house: House
    """With PLANS and a seller; given by who runs this."""

    @initialize(
        zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
        plan=st.sampled_from(sorted(PLANS)),
        tax=st.sampled_from(["20", "7.7", None]),
        cycle=st.sampled_from([{}, {}, {"interval": "week"}, {"anchor": "2025-01-31"}]),
    )
    def a_customer_comes(self, zone: str, plan: str, tax: str | None, cycle: dict[str, str]) -> None:
        house = self.house
        house.now = CREATED
        self.slug = f"h{next(names)}"
        self.tenant = house.customer(self.slug, plan, tax_percent=tax, timezone=zone, cycle=cycle or None)
        self.zone = ZoneInfo(zone)
        self.cycle, self.is_monthly = "".join(cycle), not cycle
        self.sent: dict[str, Calls] = {}
        self.void: set[str] = set()

    @rule(ago_hours=st.integers(0, 24 * 75), calls=st.integers(1, 30))
    def usage_comes(self, ago_hours: int, calls: int) -> None:
        at = self.house.now - timedelta(hours=ago_hours)
        # By other cycles, what there was before the customer has no month of its own.
        if self.is_monthly or at >= CREATED:
            id = f"e{len(self.sent)}"
            self.house.use(self.slug, id, at, calls)
            self.sent[id] = Calls(at, calls)

    @precondition(lambda self: self.sent)
    @rule(place=places)
    def an_event_comes_again(self, place: int) -> None:
        id, (at, calls) = list(self.sent.items())[place % len(self.sent)]
        self.house.use(self.slug, id, at, calls)

    @precondition(lambda self: self.sent)
    @rule(place=places)
    def an_event_is_voided(self, place: int) -> None:
        id = list(self.sent)[place % len(self.sent)]
        self.house.void(id, tenant=self.slug)
        self.void.add(id)

    @rule(days=st.integers(0, 20), back=st.integers(0, 60))
    def the_clock_goes_on_and_has_been_wrong(self, days: int, back: int) -> None:
        now = self.house.now + days * DAY
        self.house.close(now - back * DAY)
        self.house.now = now

    @rule(months=st.integers(1, 3))
    def a_month_ends(self, months: int) -> None:
        """Or several, of which all ticks were lost."""
        for _ in range(months):
            self.house.now = month_of(self.house.now, self.zone).end + GRACE
        self.house.close()

    @rule(plan=st.sampled_from(sorted(PLANS)), immediately=st.booleans())
    def the_plan_changes(self, plan: str, immediately: bool) -> None:
        self._try(lambda: self.house.plans.assign(self.slug, plan, immediately=immediately))

    @rule(percent=st.sampled_from(["20", "5"]), inclusive=st.booleans())
    def the_tax_changes(self, percent: str, inclusive: bool) -> None:
        at = next_grid_instant(self.house.now)
        rates = self.house.tax_rates
        for rate in rates.list(self.tenant.id, limit=100):
            if rate.valid_until is None:
                self._try(partial(rates.end, self.tenant.id, rate.id, ends_at=at, who=WHO))
        new = {"name": "VAT", "percent": percent, "inclusive": inclusive, "valid_from": at.isoformat()}
        self._try(lambda: rates.add(self.tenant.id, new, who=WHO))

    @rule(amount=cents, kind=st.sampled_from(["prepaid", "promotional"]), days=st.none() | st.integers(1, 60))
    def credit_is_granted(self, amount: Decimal, kind: str, days: int | None) -> None:
        expires_at = None if days is None else self.house.now + days * DAY
        credits = self.house.invoicing.credits
        credits.grant(self.slug, kind, amount, expires_at=expires_at, who=WHO)  # type: ignore[arg-type]

    @rule()
    def credit_lapses(self) -> None:
        self.house.invoicing.credits.expire(self.house.now)

    @rule(place=places)
    def credit_is_paid_out(self, place: int) -> None:
        credits = self.house.invoicing.credits
        if granted := credits.list(self.slug, limit=100):
            grant = granted[place % len(granted)].grant
            self._try(lambda: credits.refund(self.slug, grant.id, reason="asked", who=WHO))

    @rule(place=places, percent=percents)
    def something_is_paid(self, place: int, percent: int) -> None:
        if invoice := self._any(place, Status.FINAL):
            amount = _part(invoice.invoice.due, percent)
            payments = self.house.invoicing.payments
            self._try(lambda: payments.pay(self.slug, _ref(invoice), amount, method="card", who=WHO))

    @rule(place=places)
    def a_payment_is_given_back(self, place: int) -> None:
        payments = self.house.invoicing.payments
        if (invoice := self._any(place)) and (paid := payments.list(self.slug, _ref(invoice))):
            self._try(lambda: payments.refund(self.slug, paid[0].id, reason="asked", who=WHO))

    @rule(place=places, line=places, percent=percents)
    def a_part_is_credited(self, place: int, line: int, percent: int) -> None:
        if (invoice := self._any(place)) and (lines := invoice.document.lines):
            of = lines[line % len(lines)]
            self._credit(invoice, [Wanted(of.id, _part(of.amount, percent))])

    @rule(place=places)
    def the_rest_is_credited(self, place: int) -> None:
        if invoice := self._any(place):
            self._credit(invoice, None)

    @rule(place=places)
    def an_invoice_is_written_off(self, place: int) -> None:
        if invoice := self._any(place, Status.FINAL):
            payments = self.house.invoicing.payments
            self._try(lambda: payments.write_off(self.slug, _ref(invoice), reason="gone", who=WHO))

    @rule()
    def the_last_invoice_is_voided(self) -> None:
        if invoices := self.house.finals(self.slug):
            payments = self.house.invoicing.payments
            self._try(lambda: payments.void(self.slug, _ref(invoices[-1]), "a mistake", who=WHO))

    def teardown(self) -> None:
        """Once all is closed that there was, each month's charges are what its true usage costs."""
        if not hasattr(self, "sent"):
            return
        used = [calls for id, calls in self.sent.items() if id not in self.void]
        for _ in range(2):
            self.a_month_ends(2)
        assert faults(self.house.database) == []
        assert self._charged() == self._owed(used)

    def _charged(self) -> dict[Part, Decimal]:
        rows = self.house.rows(_CHARGED, self.tenant.id)
        return {Part(*key): amount for *key, amount in rows}  # type: ignore[arg-type, misc]

    def _owed(self, used: list[Calls]) -> dict[Part, Decimal]:
        ((closed_until,),) = self.house.rows(_CLOSED, self.tenant.id)
        assert isinstance(closed_until, datetime)
        assert closed_until + GRACE <= self.house.now
        history = self.house.subscriptions(self.tenant)
        return dict(owed(self.tenant, history, used, Period(self._begin(), closed_until)))

    def _begin(self) -> datetime:
        if self.is_monthly:
            return month_of(min([CREATED, *(calls.at for calls in self.sent.values())]), self.zone).start
        return datetime.combine(FIRST_DAY[self.cycle], time(), self.zone).astimezone(UTC)

    def _any(self, place: int, *statuses: Status) -> StoredInvoice | None:
        invoices = self.house.finals(self.slug)
        some = [one for one in invoices if one.invoice.status in statuses] or invoices
        return some[-1 - place % len(some)] if some else None

    def _credit(self, invoice: StoredInvoice, lines: list[Wanted] | None) -> None:
        notes = self.house.invoicing.credit_notes
        self._try(lambda: notes.issue(self.slug, _ref(invoice), lines, reason="goodwill", who=WHO))

    def _try(self, step: Callable[[], object]) -> None:
        with suppress(Rejected):
            step()


def prepared(house: House) -> House:
    house.opened()
    for name, prices in PLANS.items():
        house.plan(name, prices)
    return house


def _ref(stored: StoredInvoice) -> str:
    return str(stored.invoice.id)


def _part(amount: Decimal, percent: int) -> Decimal:
    return (amount * percent / 100).quantize(Decimal("0.01"), "ROUND_UP")
