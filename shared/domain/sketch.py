"""A mergeable sketch of durations: counts in buckets whose width is a 64th of their octave.

Integer arithmetic only; a value read back is off by at most 0.8 %. Estimates are shown, never billed.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, chain
from struct import Struct

Sketch = dict[int, int]
"""Bucket number to count of durations, sparse."""

_SUB_BUCKET_BITS = 6
_SUB_BUCKETS = 1 << _SUB_BUCKET_BITS
_FEW = 16
"""So many are counted before a Counter is made."""


def bucket_of(duration_ns: int) -> int:
    """The bucket of a duration: octave (its bit length) times 64, plus the 64th of the octave; 0 for 0."""
    octave = duration_ns.bit_length()
    shift = octave - 1 - _SUB_BUCKET_BITS
    scaled = duration_ns >> shift if shift >= 0 else duration_ns << -shift
    return (octave << _SUB_BUCKET_BITS) + scaled - _SUB_BUCKETS if duration_ns else 0


def buckets(durations_ns: Iterable[int]) -> list[int]:
    """Of many durations at once: half the time of `bucket_of` for each."""
    return [
        ((octave := ns.bit_length()) << _SUB_BUCKET_BITS)
        + (ns >> octave - 1 - _SUB_BUCKET_BITS)
        - _SUB_BUCKETS
        if ns >= _SUB_BUCKETS
        else bucket_of(ns)
        for ns in durations_ns
    ]


def counted(buckets: Sequence[int]) -> Sketch:
    if len(buckets) > _FEW:
        return dict(Counter(buckets))
    sketch: Sketch = {}
    for bucket in buckets:
        sketch[bucket] = sketch.get(bucket, 0) + 1
    return sketch


def value_of(bucket: int) -> Fraction:
    """The middle of the whole nanoseconds that fall into a bucket."""
    return Fraction(_doubled(bucket), 2)


def _doubled(bucket: int) -> int:
    """Twice the value: a whole number, as the buckets below 64 ns hold one number each."""
    if bucket == 0:
        return 0
    octave, sub = divmod(bucket, _SUB_BUCKETS)
    shift = octave - 1 - _SUB_BUCKET_BITS
    if shift < 0:
        return 2 * ((_SUB_BUCKETS + sub) >> -shift)
    return 2 * ((_SUB_BUCKETS + sub) << shift) + (1 << shift) - 1


def quantile(sketch: Mapping[int, int], p: Fraction) -> Fraction:
    """The p-quantile in ns: at rank p(n−1), linear between neighbours; 0 for an empty sketch."""
    ((numerator, denominator),) = _quantiles(sketch, [(p.numerator, p.denominator)])
    return Fraction(numerator, denominator)


def percentiles_ns(sketch: Mapping[int, int], percents: Iterable[int]) -> list[int]:
    """Several quantiles, each rounded half up, for the price of sorting once."""
    found = _quantiles(sketch, [(percent, 100) for percent in percents])
    return [(2 * numerator + denominator) // (2 * denominator) for numerator, denominator in found]


def _quantiles(sketch: Mapping[int, int], ps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """As quotients of whole numbers: a Fraction at each step takes ten times as long."""
    if len(sketch) < 2:
        return [(_doubled(next(iter(sketch), 0)), 2)] * len(ps)
    buckets = sorted(sketch)
    ends = list(accumulate([sketch[bucket] for bucket in buckets]))
    last, found = ends[-1] - 1, []
    for numerator, denominator in ps:
        below, rest = divmod(numerator * last, denominator)
        at = bisect_right(ends, below)
        value = _doubled(buckets[at]) * denominator
        if rest and below + 1 == ends[at]:  # else the neighbour above is in this bucket, or does not count
            value += (_doubled(buckets[at + 1]) - _doubled(buckets[at])) * rest
        found.append((value, 2 * denominator))
    return found


def merge(into: Sketch, other: Mapping[int, int]) -> Sketch:
    """`into`, with the counts of the other added."""
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count
    return into


def encode(sketch: Mapping[int, int]) -> bytes:
    """Big-endian pairs of u16 bucket and u64 count, in order of buckets.

    `decode` adds up pairs of the same bucket, in any order: what two encoded sketches are, one behind the
    other, is their merge.
    """
    return _layout(len(sketch)).pack(*chain.from_iterable(sorted(sketch.items())))


def encode_hex(sketch: Mapping[int, int]) -> str:
    """What `encode` gives, in hex, but in any order: half the time for the few buckets of a delta."""
    return "".join([_pair_hex(bucket, count) for bucket, count in sketch.items()])


@lru_cache(maxsize=10_000)
def _pair_hex(bucket: int, count: int) -> str:
    return f"{bucket:04x}{count:016x}"


def decode(data: bytes) -> Sketch:
    sketch: Sketch = {}
    for bucket, count in _PAIR.iter_unpack(data):
        sketch[bucket] = sketch.get(bucket, 0) + count
    return sketch


_PAIR = Struct(">HQ")


@lru_cache
def _layout(pairs: int) -> Struct:
    return Struct(">" + "HQ" * pairs)
