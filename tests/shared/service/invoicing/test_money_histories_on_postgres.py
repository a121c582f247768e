"""Whatever becomes of invoices, one after the other or all at once: the books are right after every step."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.pool import Database
from shared.domain.errors import Rejected
from shared.domain.invoicing.credit_notes import Wanted
from shared.domain.invoicing.taxes import Rate, Rates
from shared.domain.money import CURRENCY_EXPONENTS
from shared.service.invoicing.invoice_ports import StoredInvoice
from tests.shared.service.invoicing.audit import check_books
from tests.shared.service.invoicing.till import DAY, VAT, Till, till_on

RATES: list[Rates] = [
    (),
    VAT,
    (Rate("GST", Decimal("7.7"), inclusive=True), Rate("PST", Decimal("9.975"))),
]


@dataclass(frozen=True)
class Step:
    """Of an invoice or a grant at some place, so much: in hundredths, rounded up."""

    name: str
    place: int
    percent: int


@dataclass
class History:
    till: Till

    def take(self, step: Step) -> None:
        """A refusal is part of a history: it changes nothing."""
        with suppress(Rejected):
            STEPS[step.name](self, step)

    def amount(self, units: int) -> str:
        return str(Decimal(units).scaleb(-CURRENCY_EXPONENTS[self.till.tenant.currency]))

    def part(self, of: Decimal, percent: int) -> Decimal:
        return (of * percent / 100).quantize(Decimal(self.amount(1)), "ROUND_UP")

    def any(self, step: Step) -> StoredInvoice:
        numbers = self.till.invoices or [self.till.final(self.amount(1_000))]
        return self.till.stored(numbers[-1 - step.place % len(numbers)])

    def close(self, step: Step) -> None:
        units = [step.percent * 7 - 100, step.place * 33]
        rates = RATES[step.place % len(RATES)]
        self.till.final(*(self.amount(one) for one in units), rates=rates)

    def pay(self, step: Step) -> None:
        stored = self.any(step)
        amount = self.part(stored.invoice.due, step.percent)
        paid = self.till.payments.pay(self.till.ref, _number(stored), amount, method="bank", who="admin")
        assert paid.invoice == self.till.stored(_number(stored))

    def give_back(self, step: Step) -> None:
        for payment in self.till.payments.list(self.till.ref, _number(self.any(step)))[-1:]:
            amount = self.part(payment.amount, step.percent)
            back = self.till.payments.refund(self.till.ref, payment.id, amount, reason="Mistake", who="admin")
            assert back.invoice == self.till.stored(back.invoice.document.number)

    def credit(self, step: Step) -> None:
        stored = self.any(step)
        lines = stored.document.lines
        wanted = None
        if lines and step.percent <= 80:
            line = lines[step.percent % len(lines)]
            wanted = [Wanted(line.id, self.part(line.amount, step.percent))]
        credited = self.till.notes.issue(
            self.till.ref, _number(stored), wanted, reason="Goodwill", who="admin"
        )
        assert credited.invoice == self.till.stored(_number(stored))

    def write_off(self, step: Step) -> None:
        self.till.payments.write_off(self.till.ref, _number(self.any(step)), reason="Bankrupt", who="admin")

    def void(self, step: Step) -> None:
        number = _number(self.any(step))
        stored = self.till.payments.void(self.till.ref, number, "Wrong", who="admin")
        assert stored == self.till.stored(number)
        self.till.periods -= 1

    def grant(self, step: Step) -> None:
        self.till.credits.grant(
            self.till.ref,
            "promotional" if step.place % 2 else "prepaid",
            Decimal(self.amount(step.percent * 5)),
            priority=step.place % 3,
            expires_at=self.till.now + step.place * DAY if step.place % 5 else None,
            who="admin",
        )

    def pay_out(self, step: Step) -> None:
        grants = self.till.credits.list(self.till.ref, limit=99)
        if grants:
            credit = grants[step.place % len(grants)]
            amount = self.part(credit.grant.remaining, step.percent)
            self.till.credits.refund(self.till.ref, credit.grant.id, amount, reason="Wishes", who="admin")

    def expire(self, step: Step) -> None:
        self.till.now += step.place * DAY
        self.till.credits.expire(self.till.now)


STEPS: dict[str, Callable[[History, Step], None]] = {
    "close": History.close,
    "pay": History.pay,
    "give_back": History.give_back,
    "credit": History.credit,
    "write_off": History.write_off,
    "void": History.void,
    "grant": History.grant,
    "pay_out": History.pay_out,
    "expire": History.expire,
}
LIKELY = ("close", "pay", "give_back", "credit")
steps = st.builds(Step, st.sampled_from([*STEPS, *LIKELY]), st.integers(0, 9), st.integers(1, 100))


def _number(stored: StoredInvoice) -> str:
    return stored.document.number


@given(currency=st.sampled_from(["RUB", "JPY", "KWD"]), history=st.lists(steps, min_size=8, max_size=24))
@settings(max_examples=25)
def test_after_every_step_the_books_are_right(
    money_database: Database, currency: str, history: list[Step]
) -> None:
    till = till_on(money_database, currency)
    for step in history:
        History(till).take(step)
        check_books(till)


def test_whatever_is_done_at_once_to_the_same_invoices_the_books_are_right(till: Till) -> None:
    for amount in ("30.00", "40.00"):
        till.credits.grant(till.ref, "prepaid", Decimal(amount), who="admin")
    for _ in range(3):
        till.final("100.00", "10.00")
    names = [name for name in STEPS if name not in ("close", "expire")]

    def work(seed: int) -> None:
        chance = Random(seed)
        for _ in range(12):
            name = chance.choice(names)
            with suppress(Rejected):
                step = Step(name, chance.randrange(10), chance.randrange(1, 100))
                CONCURRENT.get(name, STEPS[name])(History(till), step)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def _issue(history: History, step: Step) -> None:
    number = _number(history.any(step))
    history.till.notes.issue(history.till.ref, number, None, reason="Goodwill", who="admin")


def _pay(history: History, step: Step) -> None:
    number, amount = _number(history.any(step)), Decimal(step.percent)
    history.till.payments.pay(history.till.ref, number, amount, method="bank", who="admin")


def _give_back(history: History, step: Step) -> None:
    for payment in history.till.payments.list(history.till.ref, _number(history.any(step))):
        history.till.payments.refund(history.till.ref, payment.id, reason="Mistake", who="admin")


def _void(history: History, step: Step) -> None:
    history.till.payments.void(history.till.ref, _number(history.any(step)), "Wrong", who="admin")


CONCURRENT: dict[str, Callable[[History, Step], None]] = {
    "credit": _issue,
    "pay": _pay,
    "give_back": _give_back,
    "void": _void,
}
"""Without a look at what they left, which is another thing by then."""
