"""Whatever happens to usage, credit and payments, and in whatever order: what is charged for a closed period
is what it truly costs, the books balance, and nothing is negative that may not be."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.domain.errors import Rejected
from shared.domain.invoicing.credit_notes import Wanted
from shared.domain.invoicing.credits import GrantKind
from shared.domain.invoicing.invoice import Status
from shared.domain.invoicing.postings import Account
from shared.domain.invoicing.taxes import Rate, Rates
from tests.property.books import Books, Kept
from tests.shared.domain.rating.any_plan import CURRENCIES

PRICES = ("calls", "memory", "fee")
units = st.integers(-2_000, 20_000)
usages = st.dictionaries(st.sampled_from(PRICES), st.integers(0, 20_000), max_size=3)
Late = tuple[int, str, int]
lates = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(PRICES), units), max_size=2)
places = st.integers(0, 50)
percents = st.integers(1, 100)
rate_sets: st.SearchStrategy[Rates] = st.sampled_from(
    [
        (),
        (Rate("VAT", Decimal(20)),),
        (Rate("VAT", Decimal(22)),),
        (Rate("GST", Decimal("7.7"), inclusive=True),),
        (Rate("GST", Decimal(5), inclusive=True), Rate("PST", Decimal("9.975"))),
    ]
)
kinds: st.SearchStrategy[GrantKind] = st.sampled_from(["prepaid", "promotional"])


def is_due(kept: Kept) -> object:
    return kept.invoice.due


def is_paid(kept: Kept) -> object:
    return kept.invoice.settlement and kept.invoice.settlement.kept


def is_creditable(kept: Kept) -> object:
    return kept.invoice.status in (Status.FINAL, Status.PAID) and kept.document.total


class Invoicing(RuleBasedStateMachine):
    """Refusals are part of every history: they change nothing, which the invariants see."""

    @initialize(currency=st.sampled_from(CURRENCIES))
    def begin(self, currency: str) -> None:
        self.books = Books(currency)

    @rule(back=st.integers(0, 3), price=st.sampled_from(PRICES), units=units)
    def usage_comes_or_is_voided(self, back: int, price: str, units: int) -> None:
        index = max(0, len(self.books.standing) - back)
        self.books.true[index][price] = self.books.amount(units)

    @rule(used=usages, late=lates, rates=rate_sets)
    def a_period_is_closed(self, used: dict[str, int], late: list[Late], rates: Rates) -> None:
        for back, price, units in late:
            self.usage_comes_or_is_voided(back, price, units)
        amounts = {price: self.books.amount(units) for price, units in used.items()}
        self.books.true[len(self.books.standing)].update(amounts)
        self.books.close(rates)

    @rule(
        kind=kinds,
        units=st.integers(1, 9_000),
        priority=st.integers(0, 2),
        days=st.none() | st.integers(0, 99),
    )
    def credit_is_granted(self, kind: GrantKind, units: int, priority: int, days: int | None) -> None:
        self.books.grant(kind, self.books.amount(units), priority, days)

    @rule()
    def credit_lapses(self) -> None:
        self.books.expire()

    @rule(place=places, percent=percents)
    def something_is_paid(self, place: int, percent: int) -> None:
        if kept := self._any(place, is_due):
            self._try(lambda: self.books.pay(kept, self._part(kept.invoice.due, percent)))

    @rule(place=places, percent=percents)
    def a_payment_is_given_back(self, place: int, percent: int) -> None:
        if (kept := self._any(place, is_paid)) and kept.invoice.settlement is not None:
            amount = self._part(kept.invoice.settlement.kept, percent)
            self._try(lambda: self.books.take_back(kept, amount))

    @rule(place=places, line=places, percent=percents)
    def a_part_is_credited(self, place: int, line: int, percent: int) -> None:
        if (kept := self._any(place, is_creditable)) and kept.document.lines:
            of = kept.document.lines[line % len(kept.document.lines)]
            wanted = [Wanted(of.id, self._part(of.amount, percent))]
            self._try(lambda: self.books.credit(kept, wanted))

    @rule(place=places)
    def the_rest_is_credited(self, place: int) -> None:
        if kept := self._any(place, is_creditable):
            self._try(lambda: self.books.credit(kept, None))

    @rule(place=places)
    def an_invoice_is_written_off(self, place: int) -> None:
        if kept := self._any(place, is_due):
            self._try(lambda: self.books.write_off(kept))

    @rule(place=places)
    def an_invoice_is_voided(self, place: int) -> None:
        if kept := self._any(place, is_due):
            self._try(lambda: self.books.void(kept))

    @invariant()
    def what_is_charged_less_what_was_taken_back_is_what_each_closed_period_costs(self) -> None:
        for index, rating in self.books.rated.items():
            sums: Counter[str] = Counter()
            for line in self.books.charged(index):
                assert line.key is not None
                sums[line.key.price] += line.shown.amount  # type: ignore[assignment]
            assert {price: amount for price, amount in sums.items() if amount} == {
                price: amount for price, amount in rating.items() if amount
            }

    @invariant()
    def the_books_balance(self) -> None:
        books = self.books
        assert sum(books.balance(account) for account in Account) == 0
        assert books.balance(Account.RECEIVABLE) == sum(kept.invoice.due for kept in books.invoices)
        assert -books.balance(Account.CREDITS) == sum(grant.remaining for grant in books.grants.values())

    @invariant()
    def revenue_and_tax_are_those_of_the_invoices_less_their_credit_notes(self) -> None:
        books = self.books
        notes = [note for kept in books.standing for note in kept.notes]
        documents = [kept.document for kept in books.standing]
        tax = sum(one.tax_total for one in documents) - sum(note.tax_total for note in notes)
        net = sum(one.net for one in documents) - sum(note.net for note in notes)
        lapsed = sum(
            entry.amount
            for posting in books.postings
            if posting.kind == "credit_expired"
            for entry in posting.entries
            if entry.account is Account.REVENUE
        )
        assert -books.balance(Account.TAX) == tax
        assert -books.balance(Account.REVENUE) + lapsed == net

    @invariant()
    def nothing_is_negative_that_may_not_be(self) -> None:
        books = self.books
        assert all(grant.remaining >= 0 for grant in books.grants.values())
        for kept in books.invoices:
            assert min(kept.document.total, kept.document.amount_due, kept.assembled.carried_over) >= 0
            assert kept.invoice.due >= 0
            assert (kept.invoice.due == 0) == (kept.invoice.status is not Status.FINAL)
            assert sum(note.total for note in kept.notes) <= kept.document.total
            assert all(note.total > 0 for note in kept.notes)

    @invariant()
    def what_is_credited_whole_is_credited_to_the_cent(self) -> None:
        for kept in self.books.invoices:
            if kept.notes and sum(note.total for note in kept.notes) == kept.document.total:
                assert sum(note.tax_total for note in kept.notes) == kept.document.tax_total

    def _any(self, place: int, likely: Callable[[Kept], object]) -> Kept | None:
        """Most often one of the likely ones."""
        some = [kept for kept in self.books.invoices if likely(kept)]
        invoices = some if some and place % 5 else self.books.invoices
        return invoices[-1 - place % len(invoices)] if invoices else None

    def _part(self, amount: Decimal, percent: int) -> Decimal:
        unit = self.books.amount(1)
        return (amount * percent / 100).quantize(unit, "ROUND_UP")

    def _try(self, step: Callable[[], None]) -> None:
        with suppress(Rejected):
            step()


TestInvoicing = Invoicing.TestCase
TestInvoicing.settings = settings(max_examples=300, stateful_step_count=30)
