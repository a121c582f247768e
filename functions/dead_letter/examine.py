"""All that is wrong with an event: a function's answer to a broker has room for the first faults only."""

from collections.abc import Mapping

from eventing import types
from eventing.event import build
from shared.domain.errors import Rejected
from shared.service.ingest import Examination, IngestUsage
from shared.service.triage import Examine


def examiner(ingest: IngestUsage) -> Examine:
    """By the checks of the function that takes usage; of other events, only whether they are events."""

    def examine(attributes: Mapping[str, str], data: bytes) -> Examination:
        try:
            event = build(attributes, data)
        except Rejected as refusal:
            return Examination(refusal.faults, refusal.total)
        if event.type != types.USAGE_RECORDED:
            return Examination(is_complete=False)
        return ingest.examine_event(
            source=event.source,
            id=event.id,
            tenant_ref=event.extensions.get(types.TENANT_ID),
            time=event.time,
            data=event.data,
        )

    return examine
