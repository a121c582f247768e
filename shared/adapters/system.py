"""The clock and the identifiers of the running system."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def system_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


def new_id() -> UUID:
    """A UUIDv7: ordered by time, so that indexes grow at their end."""
    return uuid7()
