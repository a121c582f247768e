"""Facts become events, each the same each time, and leave in order without holding each other up."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from eventing import outbox as outbox_module
from eventing.codec import Event
from eventing.outbox import BATCH, Relay, to_event
from shared.domain.errors import Rejected, Unavailable
from shared.domain.events import (
    CostAccrued,
    Fact,
    InvoiceDrafted,
    InvoiceFinalized,
    InvoicePaid,
    UsageAggregated,
)

DEMO = UUID("01930000-0000-7000-8000-000000000001")
NOON = datetime(2025, 10, 15, 12, tzinfo=UTC)

AGGREGATED = UsageAggregated(
    tenant_id=DEMO,
    tenant_slug="demo",
    sequence=7,
    changed_from=NOON,
    changed_until=NOON + timedelta(minutes=5),
    as_of=NOON + timedelta(minutes=5, microseconds=1500),
)
ACCRUED = CostAccrued(
    tenant_id=DEMO,
    tenant_slug="demo",
    sequence=7,
    period_start=datetime(2025, 10, 1, tzinfo=timezone(timedelta(hours=3))),
    period_end=datetime(2025, 11, 1, tzinfo=timezone(timedelta(hours=3))),
    currency="RUB",
    amount=Decimal("190.080000000000000000"),
    plan="demo",
    as_of=NOON,
)

DRAFTED = InvoiceDrafted(
    tenant_id=DEMO,
    tenant_slug="demo",
    invoice_id=UUID(int=5),
    number="",
    period_start=ACCRUED.period_start,
    period_end=ACCRUED.period_end,
    currency="RUB",
    net=Decimal("150.00"),
    tax_total=Decimal("30.00"),
    total=Decimal("180.00"),
    amount_due=Decimal("170.00"),
    due_at=None,
    as_of=NOON,
)


class FakeOutbox:
    """Facts in order; what is not done stays."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.waiting = {UUID(int=n): fact for n, fact in enumerate(facts)}
        self.limits: list[int] = []
        self._taking = False

    @contextmanager
    def take(self, limit: int) -> Iterator[Sequence[tuple[UUID, Fact]]]:
        self.limits.append(limit)
        self._taking = True
        yield list(self.waiting.items())[:limit]
        self._taking = False

    def done(self, ids: Iterable[UUID]) -> None:
        assert self._taking
        for id in ids:
            del self.waiting[id]


class FakePublisher:
    """Takes events, but for those of which `failing` names the sequence."""

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        self.failing = failing or {}
        self.events: list[Event] = []
        self.tries = 0

    def publish(self, event: Event) -> None:
        self.tries += 1
        if error := self.failing.get(event.extensions["sequence"]):
            raise error
        self.events.append(event)

    @property
    def sequences(self) -> list[str]:
        return [event.extensions["sequence"] for event in self.events]


def numbered(count: int) -> list[Fact]:
    return [replace(AGGREGATED, sequence=n, tenant_slug=f"tenant-{n % 3}") for n in range(count)]


# ---- facts as events


def test_a_change_of_usage_is_announced_without_its_amount() -> None:
    event = to_event(AGGREGATED)
    assert event.id == f"{DEMO}/dev.faasbilling.usage.aggregated.v1/7"
    assert event.source == "/faas-billing/aggregator"
    assert event.time == AGGREGATED.as_of
    assert event.extensions == {"tenantid": "demo", "partitionkey": "demo", "sequence": "7"}
    assert event.datacontenttype == "application/json"
    assert json.loads(event.data) == {
        "tenant_id": str(DEMO),
        "tenant": "demo",
        "sequence": 7,
        "changed_from": "2025-10-15T12:00:00Z",
        "changed_until": "2025-10-15T12:05:00Z",
        "as_of": "2025-10-15T12:05:00.001500Z",
    }


def test_a_cost_is_a_decimal_string_with_its_currency_beside_it() -> None:
    event = to_event(ACCRUED)
    assert event.type == "dev.faasbilling.cost.accrued.v1"
    assert event.source == "/faas-billing/pricing"
    assert event.id == f"{DEMO}/{event.type}/20250930T210000Z/20251031T210000Z/7/20251015T120000Z"
    data = json.loads(event.data)
    assert (data["amount"], data["currency"], data["plan"]) == ("190.080000000000000000", "RUB", "demo")
    assert (data["period_start"], data["period_end"]) == ("2025-09-30T21:00:00Z", "2025-10-31T21:00:00Z")
    assert json.loads(to_event(replace(ACCRUED, amount=Decimal("1E-9"))).data)["amount"] == "0.000000001"


def test_the_same_fact_is_the_same_event_and_another_state_another_id() -> None:
    for fact in (AGGREGATED, ACCRUED):
        assert to_event(fact) == to_event(replace(fact))
    other = UUID(int=2)
    facts: list[Fact] = [AGGREGATED, replace(AGGREGATED, sequence=8), replace(AGGREGATED, tenant_id=other)]
    facts += [ACCRUED, replace(ACCRUED, sequence=8), replace(ACCRUED, tenant_id=other)]
    facts += [replace(ACCRUED, period_start=NOON), replace(ACCRUED, period_end=NOON)]
    facts.append(replace(ACCRUED, as_of=NOON + timedelta(days=1)))  # by another plan
    assert len({to_event(fact).id for fact in facts}) == len(facts)


# ---- the relay


def test_everything_leaves_in_order_in_batches() -> None:
    outbox, publisher = FakeOutbox(numbered(2 * BATCH + 1)), FakePublisher()
    assert Relay(outbox, publisher).send_pending() == 2 * BATCH + 1
    assert publisher.sequences == [str(n) for n in range(2 * BATCH + 1)]
    assert (outbox.waiting, outbox.limits) == ({}, [BATCH] * 3)


def test_an_empty_outbox_asks_the_sink_nothing() -> None:
    publisher = FakePublisher()
    assert Relay(FakeOutbox([]), publisher).send_pending() == 0
    assert publisher.tries == 0


def test_where_the_sink_is_away_nothing_after_it_is_tried_and_what_was_sent_is_done() -> None:
    outbox, publisher = FakeOutbox(numbered(10)), FakePublisher({"4": Unavailable("away")})
    relay = Relay(outbox, publisher)
    with pytest.raises(Unavailable, match="away"):
        relay.send_pending()
    assert (publisher.sequences, publisher.tries) == (["0", "1", "2", "3"], 5)
    assert len(outbox.waiting) == 6
    publisher.failing = {}
    assert relay.send_pending() == 6
    assert publisher.sequences == [str(n) for n in range(10)]


@pytest.mark.parametrize("error", [Rejected.because("event", "answered 400"), ZeroDivisionError("a bug")])
def test_a_poisonous_fact_stays_and_holds_up_nobody(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, publisher = FakeOutbox(numbered(10)), FakePublisher({"4": error})
    relay = Relay(outbox, publisher)
    assert relay.send_pending() == 9
    assert list(outbox.waiting.values()) == [numbered(5)[4]]
    assert "UsageAggregated 00000000-0000-0000-0000-000000000004 of tenant-1 is passed over" in caplog.text
    assert relay.send_pending() == 0
    assert publisher.tries == 10, "it is not offered again by the same relay"
    assert Relay(outbox, FakePublisher()).send_pending() == 1


def test_more_poisonous_facts_than_a_batch_do_not_hide_those_behind_them() -> None:
    poison = {str(n): Rejected.because("event", "no") for n in range(BATCH + 5)}
    outbox, publisher = FakeOutbox(numbered(BATCH + 10)), FakePublisher(dict(poison))
    assert Relay(outbox, publisher).send_pending() == 5
    assert len(outbox.waiting) == BATCH + 5


def test_a_sink_that_refuses_everything_is_taken_to_be_wrong_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "REFUSED_MAX", 20)
    poison = {str(n): Rejected.because("event", "no") for n in range(50)}
    outbox, publisher = FakeOutbox(numbered(50)), FakePublisher(dict(poison))
    relay = Relay(outbox, publisher)
    with pytest.raises(Unavailable, match="refused 20 facts"):
        relay.send_pending()
    publisher.failing = {}
    assert relay.send_pending() == 50


def test_an_invoice_is_announced_as_it_stands_with_its_amounts_as_text() -> None:
    event = to_event(DRAFTED)
    assert (event.type, event.source) == ("dev.faasbilling.invoice.drafted.v1", "/faas-billing/invoicing")
    assert event.id == f"{DEMO}/{event.type}/{DRAFTED.invoice_id}"
    assert event.extensions == {"tenantid": "demo", "partitionkey": "demo"}
    assert json.loads(event.data) == {
        "tenant_id": str(DEMO),
        "tenant": "demo",
        "as_of": "2025-10-15T12:00:00Z",
        "invoice_id": str(DRAFTED.invoice_id),
        "number": None,
        "status": "draft",
        "period_start": "2025-09-30T21:00:00Z",
        "period_end": "2025-10-31T21:00:00Z",
        "currency": "RUB",
        "net": "150.00",
        "tax": "30.00",
        "total": "180.00",
        "amount_due": "170.00",
        "due_at": None,
    }


def test_a_draft_its_invoice_and_each_time_it_is_paid_are_events_of_their_own() -> None:
    fields = {name: getattr(DRAFTED, name) for name in DRAFTED.__dataclass_fields__}
    fields |= {"number": "INV-2025-000001", "due_at": NOON}
    final, paid = InvoiceFinalized(**fields), InvoicePaid(**fields)
    again = replace(paid, as_of=NOON + timedelta(days=1))
    assert len({to_event(fact).id for fact in (DRAFTED, final, paid, again)}) == 4
    assert to_event(paid) == to_event(replace(paid))
    assert json.loads(to_event(final).data)["status"] == "final"
    assert json.loads(to_event(final).data)["due_at"] == "2025-10-15T12:00:00Z"
