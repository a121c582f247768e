"""Usage column by column: records that nobody need make one by one, since they are counted by the column.

Reading and counting a batch is most of what a function does; without an object for each record it takes a
quarter less (ADR 13).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple, overload

from shared.domain.usage import UsageRecord


class Counts(NamedTuple):
    """What is counted of records of one invocation each, without capacity: a column each, all as long."""

    durations_ns: Sequence[int]
    memories_bytes: Sequence[int]
    cold_starts: Sequence[int]
    errors: Sequence[int]
    cpu_ns: Sequence[int]
    egress_bytes: Sequence[int]

    def at(self, positions: Sequence[int]) -> "Counts":
        """The columns of these positions, in their order."""
        if len(positions) == 1:
            return Counts(*([column[positions[0]]] for column in self))
        return Counts(*map(itemgetter(*positions), self))


class UsageColumns(Sequence[UsageRecord]):
    """Records of one invocation each, without capacity; each is made when somebody looks at it.

    `timestamps` are RFC 3339 in UTC, `Z`, with at most six digits of a fraction; `windows` the numbers of the
    5-minute windows that they lie in.
    """

    __slots__ = ("counts", "namespaces", "revisions", "service_names", "timestamps", "windows")

    def __init__(
        self,
        *,
        timestamps: Sequence[str],
        windows: Sequence[int],
        namespaces: Sequence[str],
        service_names: Sequence[str],
        revisions: Sequence[str],
        counts: Counts,
    ) -> None:
        self.timestamps = timestamps
        self.windows = windows
        self.namespaces = namespaces
        self.service_names = service_names
        self.revisions = revisions
        self.counts = counts

    def __len__(self) -> int:
        return len(self.timestamps)

    @overload
    def __getitem__(self, at: int) -> UsageRecord: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[UsageRecord]: ...
    def __getitem__(self, at: int | slice) -> UsageRecord | Sequence[UsageRecord]:
        if isinstance(at, slice):
            return [self[position] for position in range(*at.indices(len(self)))]
        counts = self.counts
        return UsageRecord(
            service_name=self.service_names[at],
            ended_at=datetime.fromisoformat(self.timestamps[at]),
            namespace=self.namespaces[at],
            revision=self.revisions[at],
            duration_ns=counts.durations_ns[at],
            memory_bytes=counts.memories_bytes[at],
            cold_starts=counts.cold_starts[at],
            errors=counts.errors[at],
            cpu_ns=counts.cpu_ns[at],
            egress_bytes=counts.egress_bytes[at],
        )

    def rows_by_key(self) -> dict[tuple[int, str, str, str], "Rows"]:
        """The rows of each window, namespace, service and revision, in the order in which they come."""
        positions: dict[tuple[int, str, str, str], list[int]] = {}
        keys = zip(self.windows, self.namespaces, self.service_names, self.revisions, strict=True)
        for at, key in enumerate(keys):
            try:
                positions[key].append(at)
            except KeyError:
                positions[key] = [at]
        return {key: Rows(self, of) for key, of in positions.items()}


class Rows(Sequence[UsageRecord]):
    """Some of the records."""

    __slots__ = ("columns", "positions")

    def __init__(self, columns: UsageColumns, positions: Sequence[int]) -> None:
        self.columns = columns
        self.positions = positions

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, at: int) -> UsageRecord: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[UsageRecord]: ...
    def __getitem__(self, at: int | slice) -> UsageRecord | Sequence[UsageRecord]:
        if isinstance(at, slice):
            return [self.columns[position] for position in self.positions[at]]
        return self.columns[self.positions[at]]

    def __iter__(self) -> Iterator[UsageRecord]:
        return (self.columns[position] for position in self.positions)


def counts_of(groups: Sequence[Sequence[UsageRecord]]) -> Counts | None:
    """The columns of all groups, one behind the other; None where a record is not of one invocation."""
    rows = [group for group in groups if isinstance(group, Rows)]
    if len(rows) == len(groups):
        return rows[0].columns.counts.at([at for group in rows for at in group.positions])
    columns = zip(*(record for group in groups for record in group), strict=True)
    _, _, _, _, invocations, durations_ns, lists, memories, cold, errors, cpu_ns, egress, _, _ = columns
    if set(invocations) != {1} or lists.count(None) != len(lists):
        return None
    return Counts(durations_ns, memories, cold, errors, cpu_ns, egress)
