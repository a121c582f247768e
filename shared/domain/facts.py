"""What a window holds: whole-number facts that add up, so that any price list can be rated from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate, pairwise
from operator import mul

from shared.domain import sketch
from shared.domain.sketch import Sketch
from shared.domain.usage import UsageRecord
from shared.domain.usage_columns import counts_of

MEMORY_STEP_MB = 128
_MEMORY_STEP = MEMORY_STEP_MB * 2**20
_MS = 10**6
_HUNDRED_MS = 10**8


@dataclass(slots=True)
class WindowFacts:
    """Sums over the invocations of a window; d is one invocation's duration, m its memory.

    `memory_bytes` is Σ m and `memory_byte_ns` Σ d·m, exact. `billed_1ms_ms` is Σ ⌈d⌉ to 1 ms and
    `billed_100ms_ms` to 100 ms, both in ms. `byte_ms_*` is that time × m in bytes; `mb128_ms_*` that
    time × m in MiB, rounded up to steps of 128. Rounding is per invocation; a record of n invocations
    without `durations_ns` counts as n equal ones. `max_memory_bytes` is a maximum, all else adds up.
    """

    records: int = 0
    invocations: int = 0
    errors: int = 0
    cold_starts: int = 0
    duration_ns: int = 0
    cpu_ns: int = 0
    egress_bytes: int = 0
    provisioned_ms: int = 0
    max_memory_bytes: int = 0
    memory_bytes: int = 0
    memory_byte_ns: int = 0
    billed_1ms_ms: int = 0
    billed_100ms_ms: int = 0
    byte_ms_1ms: int = 0
    byte_ms_100ms: int = 0
    mb128_ms_1ms: int = 0
    mb128_ms_100ms: int = 0
    durations: Sketch = field(default_factory=dict)

    @classmethod
    def of_groups(cls, groups: Sequence[Sequence[UsageRecord]]) -> "list[WindowFacts]":
        """Of each group what `add_record` makes of its records, all but their capacity.

        Where each record is one invocation, column by column, of all groups at once: much of a small group's
        time goes into beginning with it.
        """
        if not groups:
            return []
        counts = counts_of(groups)
        if counts is None:
            return [cls._of_records(records) for records in groups]
        durations_ns, memories, cold, errors, cpu_ns, egress = counts
        ms = [-(-duration_ns // _MS) for duration_ns in durations_ns]
        hundred_ms = [-(-duration_ns // _HUNDRED_MS) * 100 for duration_ns in durations_ns]
        steps_mb = [-(-memory // _MEMORY_STEP) * MEMORY_STEP_MB for memory in memories]
        bounds = list(accumulate(map(len, groups), initial=0))
        spans = [slice(*bound) for bound in pairwise(bounds)]
        sizes = [len(records) for records in groups]

        def summed(column: Sequence[int]) -> list[int]:
            return [sum(column[span]) for span in spans]

        def product(a: Iterable[int], b: Iterable[int]) -> list[int]:
            return summed(list(map(mul, a, b)))

        nothing = [0] * len(groups)
        numbers = zip(
            sizes,
            sizes,
            summed(errors),
            summed(cold),
            summed(durations_ns),
            summed(cpu_ns),
            summed(egress),
            nothing,
            [max(memories[span]) for span in spans],
            summed(memories),
            product(durations_ns, memories),
            summed(ms),
            summed(hundred_ms),
            product(ms, memories),
            product(hundred_ms, memories),
            product(ms, steps_mb),
            product(hundred_ms, steps_mb),
            strict=True,
        )
        buckets = sketch.buckets(durations_ns)
        return [
            cls.of(facts, sketch.counted(buckets[span])) for facts, span in zip(numbers, spans, strict=True)
        ]

    @classmethod
    def _of_records(cls, records: Iterable[UsageRecord]) -> "WindowFacts":
        facts = cls()
        for record in records:
            facts.add_record(record)
        return facts

    @classmethod
    def of(cls, numbers: Iterable[int], durations: Sketch) -> "WindowFacts":
        """From the values of NUMBERS, in that order, and the sketch."""
        return cls(*numbers, durations=durations)  # type: ignore[misc, arg-type]  # as many as NUMBERS

    def copy(self) -> "WindowFacts":
        return WindowFacts(
            self.records,
            self.invocations,
            self.errors,
            self.cold_starts,
            self.duration_ns,
            self.cpu_ns,
            self.egress_bytes,
            self.provisioned_ms,
            self.max_memory_bytes,
            self.memory_bytes,
            self.memory_byte_ns,
            self.billed_1ms_ms,
            self.billed_100ms_ms,
            self.byte_ms_1ms,
            self.byte_ms_100ms,
            self.mb128_ms_1ms,
            self.mb128_ms_100ms,
            self.durations.copy(),
        )

    def add(self, other: "WindowFacts") -> None:
        # Name by name: a loop over SUMS takes three times as long, and a fold does little else.
        self.records += other.records
        self.invocations += other.invocations
        self.errors += other.errors
        self.cold_starts += other.cold_starts
        self.duration_ns += other.duration_ns
        self.cpu_ns += other.cpu_ns
        self.egress_bytes += other.egress_bytes
        self.provisioned_ms += other.provisioned_ms
        self.max_memory_bytes = max(self.max_memory_bytes, other.max_memory_bytes)
        self.memory_bytes += other.memory_bytes
        self.memory_byte_ns += other.memory_byte_ns
        self.billed_1ms_ms += other.billed_1ms_ms
        self.billed_100ms_ms += other.billed_100ms_ms
        self.byte_ms_1ms += other.byte_ms_1ms
        self.byte_ms_100ms += other.byte_ms_100ms
        self.mb128_ms_1ms += other.mb128_ms_1ms
        self.mb128_ms_100ms += other.mb128_ms_100ms
        sketch.merge(self.durations, other.durations)

    def add_record(self, record: UsageRecord) -> None:
        """Count a record, all but its provisioned capacity, which may span several windows."""
        n, memory = record.invocations, record.memory_bytes
        billed_1ms, billed_100ms = _billed_ms(record)
        memory_128 = -(-memory // _MEMORY_STEP) * MEMORY_STEP_MB
        self.records += 1
        self.invocations += n
        self.errors += record.errors
        self.cold_starts += record.cold_starts
        self.duration_ns += record.duration_ns
        self.cpu_ns += record.cpu_ns
        self.egress_bytes += record.egress_bytes
        self.max_memory_bytes = max(self.max_memory_bytes, memory)
        self.memory_bytes += n * memory
        self.memory_byte_ns += record.duration_ns * memory
        self.billed_1ms_ms += billed_1ms
        self.billed_100ms_ms += billed_100ms
        self.byte_ms_1ms += billed_1ms * memory
        self.byte_ms_100ms += billed_100ms * memory
        self.mb128_ms_1ms += billed_1ms * memory_128
        self.mb128_ms_100ms += billed_100ms * memory_128
        if record.durations_ns is not None:
            for duration_ns in record.durations_ns:
                bucket = sketch.bucket_of(duration_ns)
                self.durations[bucket] = self.durations.get(bucket, 0) + 1
        elif n:
            bucket = sketch.bucket_of(record.duration_ns // n)
            self.durations[bucket] = self.durations.get(bucket, 0) + n


NUMBERS = tuple(f.name for f in fields(WindowFacts) if f.name != "durations")
"""Every fact but the sketch, in order."""
SUMS = tuple(name for name in NUMBERS if name != "max_memory_bytes")


def _billed_ms(record: UsageRecord) -> tuple[int, int]:
    """Σ over the invocations of the duration rounded up to 1 ms and to 100 ms, in ms."""
    if record.durations_ns is not None:
        return (
            sum(-(-d // _MS) for d in record.durations_ns),
            sum(-(-d // _HUNDRED_MS) for d in record.durations_ns) * 100,
        )
    n = record.invocations
    if n == 0:
        return 0, 0
    return n * -(-record.duration_ns // (n * _MS)), n * -(-record.duration_ns // (n * _HUNDRED_MS)) * 100
