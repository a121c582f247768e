"""Has a world happen: to the system, and in the ledger of what must come of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.domain.errors import Conflict
from tests.simulation.recompute.ledger import Ledger
from tests.simulation.recompute.plans import Refused
from tests.simulation.recompute.usage import LABEL
from tests.simulation.records import with_more, without_last
from tests.simulation.system import System
from tests.simulation.world import DAY, Event, Offer, World


@dataclass
class Drive:
    """`wrong` are answers other than what was asked for deserves; `counts` says how often what happened.

    The last record of the delivery that `forget` numbers is kept from the ledger.
    """

    world: World
    system: System
    ledger: Ledger = field(default_factory=Ledger)
    forget: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Tenants and plans, before anything happens."""
        self.system.now = self.world.begins - DAY
        for tenant in self.world.tenants:
            body = {"name": tenant.slug, "currency": tenant.currency, "timezone": tenant.zone}
            self._ask("POST", "/tenants", body, 201)
            declared = {"dimensions": [LABEL], "effective_from": self.world.begins}
            self._ask("PUT", f"/tenants/{tenant.slug}/dimensions", declared, 200)
            self.ledger.open(tenant.slug, tenant.zone, tenant.currency)
        for offer in self.world.offers:
            self._offer(offer)

    def run(self) -> Iterator[int]:
        """Event by event; how many records have come so far."""
        for event in self.world.events:
            self.system.now = event.at
            self.counts[event.what] = self.counts.get(event.what, 0) + 1
            getattr(self, f"_{event.what.replace(' ', '_')}")(event)
            yield self.ledger.records
        self.system.now = self.world.ends

    def _offer(self, offer: Offer) -> None:
        body: dict[str, Any] = {"name": offer.name, "currency": offer.currency, "prices": offer.prices}
        self._ask("POST", "/pricing-plans", body | ({"tenant_id": offer.owner} if offer.owner else {}), 201)
        self.ledger.offer(offer.name, offer.prices)

    def _version(self, event: Event) -> None:
        told = dict(event.told)
        owner = next(offer.owner for offer in self.world.offers if offer.name == event.name)
        query = f"?tenant_id={owner}" if owner else ""
        self._ask("POST", f"/pricing-plans/{event.name}/versions{query}", told, 201)
        at_once = told["applies"] == "immediately"
        plan = self.ledger.plans[event.name]
        plan.add(told["prices"], told.get("effective_from"), at_once=at_once, now=event.at)

    def _take(self, event: Event) -> None:
        told = dict(event.told)
        holding, at_once = self.ledger.accounts[event.name].holding, told.get("applies") == "immediately"
        expected = 200
        try:
            holding.take(told["plan"], now=event.at, starts_at=told.get("starts_at"), at_once=at_once)
        except Refused:
            expected = 422
        self._ask("PUT", f"/tenants/{event.name}/pricing-plan", told, expected)

    def _end(self, event: Event) -> None:
        told, expected = dict(event.told), 200
        try:
            self.ledger.accounts[event.name].holding.end(told["ends_at"])
        except Refused:
            expected = 422
        self._ask("POST", f"/tenants/{event.name}/pricing-plan/end", told, expected)

    def _send(self, event: Event) -> None:
        delivery = self.world.deliveries[event.number]
        body = delivery.body(self.world.seed)
        answer = self.system.send(delivery, body)
        tenant = delivery.tenants[0] if delivery.way == "event" else None
        heard = without_last(body) if event.number == self.forget else body
        self.ledger.sent(tenant, f"{delivery.way} {event.number}", heard, delivery.until)
        if sum(answer.values()) != delivery.size:
            self.wrong.append(f"delivery {event.number} of {delivery.size} records: {dict(answer)}")

    def _send_again(self, event: Event) -> None:
        delivery = self.world.deliveries[event.number]
        answer = self.system.send(delivery, delivery.body(self.world.seed))
        if answer != {"accepted": 0, "duplicate": delivery.size}:
            self.wrong.append(f"delivery {event.number}, sent again: {dict(answer)}")

    def _forge(self, event: Event) -> None:
        delivery = self.world.deliveries[event.number]
        try:
            answer = self.system.send(delivery, with_more(delivery.body(self.world.seed)))
        except Conflict:
            return
        self.wrong.append(f"delivery {event.number}, with other records: {dict(answer)}")

    def _void(self, event: Event) -> None:
        delivery = self.world.deliveries[event.number]
        self.system.void(event.name, delivery, delivery.body(self.world.seed))
        self.ledger.voided(event.name, f"{delivery.way} {event.number}")

    def _fold(self, event: Event) -> None:
        self.system.fold()

    def _rebuild(self, event: Event) -> None:
        self._ask("POST", "/metrics/aggregate", {"tenant_id": event.name, **dict(event.told)}, 200)

    def _ask(self, method: str, path: str, body: dict[str, Any], expected: int) -> None:
        status, answer = self.system.call(method, path, body)
        if status != expected:
            self.wrong.append(f"{method} {path} {body}: {status} instead of {expected}, {answer}")
