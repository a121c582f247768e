"""Voiding, over stores in memory: what is asked of them, and what is refused before anything is void."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

import pytest

from shared.adapters.postgres.folding import StoredPayload
from shared.domain.aggregate import Series, SeriesName, Windows
from shared.domain.errors import Rejected, Unavailable
from shared.domain.tenant import Tenant
from shared.domain.voids import Void, VoidRequest
from shared.service.fold import Fold
from shared.service.ports import TenantDirectory, WindowStore
from shared.service.rebuild import Rebuild
from shared.service.voids import VoidStore, VoidUsage
from tests.shared.service.pipeline import DAY, NOON, decode
from tests.shared.service.voiding import named

Identity = tuple[UUID, UUID]
SERIES = Series(UUID(int=1), UUID(int=2))


class Accepted(NamedTuple):
    data: str
    waits: bool = False


@dataclass
class Memory:
    """Store and transaction; what a transaction did is undone where it fails."""

    parts: dict[Identity, Accepted] = field(default_factory=dict)
    voids: dict[Identity, Void] = field(default_factory=dict)
    rebuilt: list[tuple[UUID, datetime]] = field(default_factory=list)
    locks: list[UUID] = field(default_factory=list)
    complete_from: datetime | None = None

    @contextmanager
    def locked(self, tenant_id: UUID) -> Iterator["Memory"]:
        self.locks.append(tenant_id)
        before = dict(self.parts), dict(self.voids), list(self.rebuilt)
        try:
            yield self
        except BaseException:
            self.parts, self.voids, self.rebuilt = before
            raise

    def find(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Mapping[UUID, Void]:
        return {key: self.voids[tenant_id, key] for key in event_keys if (tenant_id, key) in self.voids}

    def mark(
        self, tenant_id: UUID, requests: Collection[VoidRequest], *, by: str, at: datetime
    ) -> Collection[UUID]:
        new = [request for request in requests if (tenant_id, request.event_key) not in self.voids]
        for r in new:
            identity = tenant_id, r.event_key
            self.voids[identity] = Void(
                tenant_id, str(tenant_id), r.event_key, r.source, r.id, r.reason, at, by, None, False, 0, 0
            )
        return [request.event_key for request in new]

    def accepted(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Mapping[UUID, datetime]:
        return {key: NOON for key in event_keys if (tenant_id, key) in self.parts}

    def drop_deltas(self, tenant_id: UUID, event_keys: Collection[UUID]) -> Collection[UUID]:
        return {key for key in event_keys if (part := self.parts.get((tenant_id, key))) and part.waits}

    def payloads_of(self, tenant_id: UUID, event_key: UUID, received_at: datetime) -> Sequence[StoredPayload]:
        data = self.parts[tenant_id, event_key].data
        return [StoredPayload(data, received_at, received_at)] if data else []

    def note_taken_back(self, tenant_id: UUID, event_key: UUID, **_: object) -> None:
        pass

    def load_between(self, tenant_id: UUID, start: datetime, end: datetime) -> Windows:
        self.rebuilt.append((tenant_id, start))
        return {}

    def payloads(self, tenant_id: UUID, start: datetime, end: datetime) -> Iterator[StoredPayload]:
        return iter(())

    def payloads_complete_from(self, tenant_id: UUID) -> datetime | None:
        return self.complete_from

    def remember(self, tenant_id: UUID) -> None:
        pass

    def register(
        self, tenant_id: UUID, names: Iterable[SeriesName], *, seen_at: datetime
    ) -> Mapping[SeriesName, Series]:
        return dict.fromkeys(names, SERIES)


class Directory:
    tenants = {
        name: Tenant(UUID(int=n), name, name, None, "EUR", "UTC", NOON, NOON)
        for n, name in enumerate(("acme", "globex"), 1)
    }

    def find(self, ref: str) -> Tenant | None:
        return self.tenants.get(ref)


class World(NamedTuple):
    memory: Memory
    voids: VoidUsage
    changes: list[str]

    def part(self, id: str, data: str, *, tenant: int = 1, waits: bool = False) -> None:
        self.memory.parts[UUID(int=tenant), named(id).event_key] = Accepted(data, waits)


@pytest.fixture
def world() -> World:
    memory, changes = Memory(), list[str]()
    windows, series = cast(WindowStore, memory), memory

    def clock() -> datetime:
        return datetime(2025, 10, 20, tzinfo=UTC)

    voids = VoidUsage(
        tenants=cast(TenantDirectory, Directory()),
        store=cast(VoidStore, memory),
        windows=windows,
        series=series,
        rebuild=Rebuild(windows, Fold(windows, clock), series, decode),
        decode=decode,
        clock=clock,
        changed=lambda: changes.append("changed"),
    )
    return World(memory, voids, changes)


def test_exactly_the_days_that_a_part_adds_to_are_rebuilt(world: World) -> None:
    world.part("1", f"waiter 0 5\nwaiter {-3 * 86_400} 5\nwaiter 43000 5 600")
    world.part("2", "waiter 0 5", waits=True)
    world.voids.void([named("1"), named("2"), named("never")], by="ann")
    days = [DAY - timedelta(days=3), DAY, DAY + timedelta(days=1)]
    assert world.memory.rebuilt == [(UUID(int=1), day) for day in days]
    assert world.changes == ["changed"]


def test_what_is_void_already_needs_no_lock_and_changes_nothing(world: World) -> None:
    world.voids.void([named("1")], by="ann")
    world.memory.locks.clear()
    world.changes.clear()
    (again,) = world.voids.void([named("1")], by="bob")
    assert (again.is_new, again.void.voided_by) == (False, "ann")
    assert (world.memory.locks, world.changes) == ([], [])


def test_tenants_are_asked_for_first_and_every_unknown_one_is_named(world: World) -> None:
    asked = [
        VoidRequest(tenant, "/s", "1", "x", f"voids[{n}]", f"voids[{n}].tenant_id")
        for n, tenant in enumerate(("acme", "nobody", "noone"))
    ]
    with pytest.raises(Rejected) as refusal:
        world.voids.void(asked, by="ann")
    assert [fault.field for fault in refusal.value.faults] == ["voids[1].tenant_id", "voids[2].tenant_id"]
    assert world.memory.locks == []


@pytest.mark.parametrize(
    ("complete_from", "first"),
    [
        (DAY + timedelta(days=1), "2025-10-16"),
        (DAY + timedelta(minutes=5), "2025-10-16"),
        (DAY + timedelta(days=1, seconds=1), "2025-10-17"),
    ],
)
def test_the_faults_of_all_tenants_come_together_and_nothing_is_void(
    world: World, complete_from: datetime, first: str
) -> None:
    world.memory.complete_from = complete_from
    world.part("1", "waiter 0 5")
    world.part("1", "waiter 0 5", tenant=2)
    world.part("waits", "waiter 0 5", waits=True)
    world.part("later", f"waiter {3 * 86_400} 5")
    asked = [named(id, tenant="acme", place=id) for id in ("waits", "later", "1")]
    with pytest.raises(Rejected) as refusal:
        world.voids.void([*asked, named("1", tenant="globex", place="other")], by="ann")
    assert [fault.field for fault in refusal.value.faults] == ["1.id", "other.id"]
    assert all(fault.message.endswith(first) for fault in refusal.value.faults)
    assert (world.memory.voids, world.memory.rebuilt, world.changes) == ({}, [], [])


def test_a_day_that_is_complete_from_its_start_can_change(world: World) -> None:
    world.memory.complete_from = DAY
    world.part("1", "waiter 0 5")
    assert world.voids.void([named("1")], by="ann")[0].is_new


def test_payloads_that_go_at_that_moment_have_it_asked_again(world: World) -> None:
    world.part("1", "")
    with pytest.raises(Unavailable):
        world.voids.void([named("1")], by="ann")
    assert world.memory.voids == {}
