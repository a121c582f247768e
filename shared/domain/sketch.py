"""A mergeable sketch of durations: counts in buckets whose width is a 64th of their octave.

Integer arithmetic only; a value read back is off by at most 0.8 %. Estimates are shown, never billed.
"""

from collections.abc import Mapping
from fractions import Fraction
from struct import Struct

Sketch = dict[int, int]
"""Bucket number to count of durations, sparse."""

_SUB_BUCKET_BITS = 6
_SUB_BUCKETS = 1 << _SUB_BUCKET_BITS


def bucket_of(duration_ns: int) -> int:
    """The bucket of a duration: octave (its bit length) times 64, plus the 64th of the octave; 0 for 0."""
    octave = duration_ns.bit_length()
    shift = octave - 1 - _SUB_BUCKET_BITS
    scaled = duration_ns >> shift if shift >= 0 else duration_ns << -shift
    return (octave << _SUB_BUCKET_BITS) + scaled - _SUB_BUCKETS if duration_ns else 0


def value_of(bucket: int) -> Fraction:
    """The middle of the whole nanoseconds that fall into a bucket."""
    if bucket == 0:
        return Fraction(0)
    octave, sub = divmod(bucket, _SUB_BUCKETS)
    shift = octave - 1 - _SUB_BUCKET_BITS
    if shift < 0:
        return Fraction(_SUB_BUCKETS + sub, 1 << -shift)
    return Fraction(2 * ((_SUB_BUCKETS + sub) << shift) + (1 << shift) - 1, 2)


def quantile(sketch: Mapping[int, int], p: Fraction) -> Fraction:
    """The p-quantile in ns: at rank p(n−1), linear between neighbours; 0 for an empty sketch."""
    count = sum(sketch.values())
    if count == 0:
        return Fraction(0)
    rank = p * (count - 1)
    below = int(rank)
    low, high = _values_at(sketch, below, min(below + 1, count - 1))
    return low + (high - low) * (rank - below)


def merge(into: Sketch, other: Mapping[int, int]) -> None:
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def encode(sketch: Mapping[int, int]) -> bytes:
    """Canonical bytes, equal for equal sketches: u16 buckets in order, then u64 counts, little-endian."""
    buckets = sorted(sketch)
    return _layout(len(buckets)).pack(*buckets, *(sketch[bucket] for bucket in buckets))


def decode(data: bytes) -> Sketch:
    size = len(data) // 10
    values = _layout(size).unpack(data)
    return dict(zip(values[:size], values[size:], strict=True))


def _layout(size: int) -> Struct:
    return Struct(f"<{size}H{size}Q")


def _values_at(sketch: Mapping[int, int], low_rank: int, high_rank: int) -> tuple[Fraction, Fraction]:
    seen, low = 0, None
    for bucket in sorted(sketch):
        seen += sketch[bucket]
        if low is None and low_rank < seen:
            low = value_of(bucket)
        if high_rank < seen:
            assert low is not None
            return low, value_of(bucket)
    raise AssertionError("a rank lies below the count")
