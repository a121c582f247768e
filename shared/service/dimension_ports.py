"""What accepting and rebuilding usage needs of declared dimensions; without any it imports nothing more."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shared.domain.aggregate import Dimensions
from shared.domain.usage import UsageRecord


class UsageDimensions(Protocol):
    def of_records(
        self, tenant_id: UUID, records: Sequence[UsageRecord], bodies: Sequence[str]
    ) -> Sequence[Dimensions] | None:
        """The dimensions of each record that these payloads hold, values registered on first sight, by the
        declaration in force at its timestamp; None where the tenant had declared none by then. Raises
        Unavailable where what is declared is not known for sure."""


class NoDimensions:
    """UsageDimensions where nobody declares any."""

    def of_records(
        self,
        tenant_id: UUID,  # noqa: ARG002
        records: Sequence[UsageRecord],  # noqa: ARG002
        bodies: Sequence[str],  # noqa: ARG002
    ) -> Sequence[Dimensions] | None:
        return None
