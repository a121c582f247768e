"""What the services need of the world outside, as protocols; `shared/adapters` fulfils them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from shared.domain.aggregate import Series, SeriesName, WindowKey, Windows
from shared.domain.events import Fact
from shared.domain.tenant import Service, Tenant
from shared.domain.usage import DecodedUsage, Part
from shared.service.meter_ports import MeterDays, Metered
from shared.service.reading_ports import UsageTotals

if TYPE_CHECKING:  # the aggregator, which asks for windows only, starts a twentieth sooner without
    from shared.domain.cost import AccruedCost
    from shared.domain.plan import Plan, PlanVersion, Subscription
    from shared.domain.plan_change import PlanChange
Clock = Callable[[], datetime]
"""The current instant, timezone-aware UTC."""

NewId = Callable[[], UUID]
"""A new time-ordered identifier (UUIDv7)."""


class UsageDecoder(Protocol):
    """Reads the data of a usage event; see `eventing.usage.decode`. Raises Rejected or TooLarge."""

    def __call__(self, data: bytes, *, recorded_at: datetime, received_at: datetime) -> DecodedUsage: ...


class TenantDirectory(Protocol):
    """Tenants and the services they own."""

    def find(self, ref: str) -> Tenant | None:
        """By UUID, slug or alias."""

    def add(self, tenant: Tenant) -> None:
        """Raises Conflict where the slug or an alias is taken."""

    def list(self, *, limit: int, after: UUID | None) -> Sequence[Tenant]:
        """In order of id, from the one behind `after`."""

    def add_service(self, service: Service) -> None:
        """Raises Conflict where the tenant has a service of that namespace and name."""

    def list_services(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> Sequence[Service]:
        """In order of id, from the one behind `after`; of all tenants where none is named."""


class SeriesRegistry(Protocol):
    """The services and revisions of a tenant, registered on first sight."""

    def remember(self, tenant_id: UUID) -> None:
        """Have the tenant's series at hand, so that `register` need not ask for them."""

    def register(
        self, tenant_id: UUID, names: Iterable[SeriesName], *, seen_at: datetime
    ) -> Mapping[SeriesName, Series]: ...


class UsageLog(Protocol):
    """Accepted usage: inbox key, payload and the windows it adds to, kept in one transaction."""

    def append(self, part: Part, windows: Windows, metered: Metered = ...) -> bool:
        """False for a part that is there already, or is void; raises Conflict where it was there with other
        content."""

    def is_known(self, part: Part) -> bool:
        """Whether the part is there already, and not void; raises Conflict as `append` would."""

    def give_up(self, tenant_id: UUID, event_key: UUID, at: datetime) -> None:
        """Take an identity, so that nothing is accepted under it; raises Conflict where something counts."""

    def note_conflict(self, part: Part) -> None:
        """Keep, for people to see, that the part's identity was used before for other records."""


class Folded(NamedTuple):
    """How many deltas were taken, and whether more wait."""

    deltas: int
    are_more: bool


class FoldTransaction(Protocol):
    """One transaction that holds the fold locks of some shards of tenants."""

    @property
    def shards(self) -> Sequence[int]:
        """Those that it holds."""

    def fold(self) -> Folded:
        """Take deltas that wait in the shards, add them to the windows of all sizes, note the tenants and UTC
        days that changed, and which numbered batches came.

        No more at once than is done soon. A rebuild takes nothing twice, so it changes no gap.
        """

    def fold_one(self, tenant_id: UUID, event_key: UUID) -> Folded:
        """The same, of one delta; of none where another took it."""

    def announce_due(self, now: datetime, announced_before: datetime) -> None:
        """Leave in the outbox what changed and is not announced yet, of tenants last announced before; they
        are announced at `now`."""


class RebuildTransaction(FoldTransaction, Protocol):
    """A fold transaction that sees one snapshot, for one tenant."""

    @property
    def meters(self) -> MeterDays:
        """The windows of custom meters."""

    def note_changed(self, tenant_id: UUID, start: datetime, end: datetime) -> None:
        """Windows in [start, end), of a few days at most, are others now."""

    def fold_of(self, tenant_id: UUID) -> Folded:
        """Fold deltas of the tenant."""

    def replace(self, tenant_id: UUID, keys: Collection[WindowKey], windows: Windows) -> None:
        """Windows of these keys, at least one, are now these, or gone; that they changed is noted."""

    def load_between(self, tenant_id: UUID, start: datetime, end: datetime) -> Windows:
        """Every window that starts in [start, end)."""

    def payloads(self, tenant_id: UUID, start: datetime, end: datetime) -> Iterator["CountedPayload"]:
        """Payload rows that touch [start, end), but those that are void and those whose deltas wait."""


class StoredPayload(Protocol):
    @property
    def body(self) -> str: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def received_at(self) -> datetime: ...


class CountedPayload(StoredPayload, Protocol):
    """One of the payloads of a part: the one with this number, from 1 on."""

    @property
    def event_key(self) -> UUID: ...
    @property
    def seq(self) -> int: ...


class WindowStore(Protocol):
    """The windows, changed only under the lock of a shard."""

    def shard_of(self, tenant_id: UUID) -> int: ...

    def shards_to_fold(self) -> Sequence[int]:
        """Shards with deltas or changes not announced."""

    def deltas_of(self, shard: int) -> Sequence[tuple[UUID, UUID]]:
        """(tenant, event key) of the deltas waiting in a shard."""

    def put_aside(self, tenant_id: UUID, event_key: UUID, *, reason: str) -> None:
        """Take a delta out of the way of the others; its payload keeps what it held."""

    def changed_days(self, tenant_id: UUID, start: datetime, end: datetime) -> Sequence[datetime]:
        """The UTC days in [start, end) on which the tenant has had windows, by their starts."""

    def payloads_complete_from(self, tenant_id: UUID) -> datetime | None:
        """The instant from which every window's payloads are kept; None where none was ever dropped."""

    def next_announcement(self) -> datetime | None:
        """The last announcement of the tenant that has waited longest to announce a change."""

    def locked(self, shards: Sequence[int], *, wait: bool) -> AbstractContextManager[FoldTransaction | None]:
        """Those that nobody else holds, or all, where it is to wait; None where that is none."""

    def locked_snapshot(self, shard: int) -> AbstractContextManager[RebuildTransaction]:
        """Raises Unavailable where another folded meanwhile: try again."""


class Outbox(Protocol):
    """Facts waiting to be sent as events; written in the transaction of the state they announce."""

    def take(self, limit: int) -> AbstractContextManager[Sequence[tuple[UUID, Fact]]]:
        """Up to `limit` facts, oldest first, that no other sender holds until the block ends."""

    def done(self, ids: Iterable[UUID]) -> None:
        """Remove facts that were sent; inside the block of `take`."""


class SubscriptionBook(Protocol):
    """The subscriptions of one tenant, locked until the block of `PlanStore.changing` ends."""

    def history(self) -> "Sequence[Subscription]":
        """In order of time."""

    def cancel_from(self, instant: datetime | None) -> None:
        """Remove all that starts or ends then or later; all there is, where None is given."""

    def cancel_at(self, instant: datetime) -> None:
        """Remove what starts or ends then: what came before goes on."""

    def add(self, subscription: "Subscription") -> None:
        """Raises NotFound where the plan has just been deleted."""

    def end(self, instant: datetime) -> None:
        """Have no plan from then on."""

    def restate(self, since: datetime | None) -> None:
        """Have the cost accrued from usage since then computed anew; of all usage, where None is given."""

    def note(self, change: "PlanChange") -> None:
        """Keep, for ever, who changed what."""


class PlanEditor(Protocol):
    """One plan, locked until the block of `PlanStore.editing` ends."""

    @property
    def plan(self) -> "Plan": ...

    def save(self, plan: "Plan") -> None:
        """Its name and whether it is active. Raises Conflict where the name is taken."""

    def add_version(self, version: "PlanVersion") -> None: ...

    def delete(self) -> None:
        """Raises Conflict where a tenant has it, has had it or is to have it."""

    def restate(self, since: datetime) -> None:
        """Have the cost that its holders accrued from usage since then computed anew."""

    def note(self, change: "PlanChange") -> None:
        """Keep, for ever, who changed what."""


class PlanStore(Protocol):
    """Pricing plans, shared and personal, and the subscriptions to them."""

    def add(self, plan: "Plan", change: "PlanChange | None" = None) -> None:
        """With the note of who added it. Does nothing where a plan of that id is there; raises Conflict where
        its name is taken."""

    def get(self, plan_id: UUID) -> "Plan | None":
        """Of whomever it is."""

    def find(self, ref: str, *, tenant_id: UUID | None) -> "Plan | None":
        """By UUID or name, among the shared plans and those of the tenant, whose own comes first."""

    def list(self, *, tenant_id: UUID | None, limit: int, after: UUID | None) -> "Sequence[Plan]":
        """The shared plans and those of the tenant, in order of id, from the one behind `after`."""

    def subscriptions(self, tenant_id: UUID) -> "Sequence[Subscription]":
        """In order of time."""

    def changing(self, tenant_id: UUID) -> AbstractContextManager[SubscriptionBook]: ...

    def editing(self, plan_id: UUID) -> AbstractContextManager[PlanEditor]:
        """Raises NotFound where there is no such plan."""

    def changes(self, plan_id: UUID, *, limit: int, before: UUID | None) -> "Sequence[PlanChange]":
        """Who changed what of a plan, also of one that was deleted, the newest first, from the one
        behind `before`."""


class Accrual(UsageTotals, Protocol):
    """The accrual of one tenant: one transaction, alone at it, that sees one snapshot."""

    def changed_days(self) -> Sequence[tuple[date, int]]:
        """The UTC days whose windows changed since the cursor, each with the sequence of its last change."""

    def subscriptions(self) -> "Sequence[Subscription]":
        """In order of time."""

    def accrued_amount(self, period_start: datetime) -> Decimal | None:
        """What is stored for the counting period that starts then."""

    def save(self, cost: "AccruedCost") -> None:
        """Put it in the place of what is stored for the period."""

    def announce(self, fact: Fact, now: datetime) -> None:
        """Leave the fact in the outbox."""

    def move_cursor(self, sequence: int) -> None: ...


class AccrualStore(Protocol):
    def behind(self) -> Sequence[UUID]:
        """The tenants whose windows changed since their cursor, but for those who have never had a plan."""

    def locked(self, tenant_id: UUID) -> AbstractContextManager[Accrual]:
        """Waits for any other accrual of the tenant, and sees what it left."""
