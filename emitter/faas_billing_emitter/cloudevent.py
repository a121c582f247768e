"""How a batch goes over the wire: CloudEvents 1.0, HTTP binding, binary mode."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache

from faas_billing_emitter.batch import Batch

TYPE = "dev.faasbilling.usage.recorded.v1"

# Printable ASCII without what the binding would percent-encode: brokers differ in undoing that.
_PLAIN = re.compile(r"[!#$&-~]+")


def headers(batch: Batch) -> dict[str, str]:
    """The HTTP headers of a batch; its body is `batch.data` as it is."""
    return {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-type": TYPE,
        "ce-source": batch.origin.source,
        "ce-id": batch.id,
        "ce-time": batch.time,
        "ce-tenantid": batch.origin.tenant,
        "ce-partitionkey": batch.origin.tenant,
        "ce-sequence": str(batch.sequence),
    }


def require_plain(name: str, value: str) -> str:
    """`value`, fit to be an attribute; else ValueError."""
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"{name}: {value!r} is not printable ASCII without spaces, quotes and percent signs")
    return value


def rfc3339(time_ns: int) -> str:
    """Unix nanoseconds as UTC with microseconds; what lies below is cut off."""
    seconds, rest_ns = divmod(time_ns, 10**9)
    return f"{_to_the_second(seconds)}.{rest_ns // 1_000:06d}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"
