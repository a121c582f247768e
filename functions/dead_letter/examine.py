"""What the function that takes usage would say of an event, and telling it that one is given up."""

from collections.abc import Mapping
from dataclasses import replace

from eventing import types
from eventing.event import build, json_of
from shared.domain.errors import Rejected
from shared.service.ingest import Examination, IngestUsage
from shared.service.triage import Examine, GiveUp


def examiner(ingest: IngestUsage) -> Examine:
    """By the checks of the function that takes usage; of other events, only whether they are events."""

    def examine(attributes: Mapping[str, str], data: bytes) -> Examination:
        try:
            event = build(attributes, data)
        except Rejected as refusal:
            return Examination(refusal.faults, refusal.total)
        if event.type != types.USAGE_RECORDED:
            return Examination(is_complete=False)
        examination = ingest.examine_event(
            source=event.source,
            id=event.id,
            tenant_ref=event.extensions.get(types.TENANT_ID),
            time=event.time,
            data=event.data,
        )
        try:
            json_of(event)
        except Rejected as refusal:
            return replace(
                examination, faults=(*refusal.faults, *examination.faults), total=examination.total + 1
            )
        return examination

    return examine


def giver_up(ingest: IngestUsage) -> GiveUp:
    """Of usage only: no other event is counted."""

    def give_up(attributes: Mapping[str, str]) -> None:
        if attributes.get("type") == types.USAGE_RECORDED:
            ingest.give_up_event(
                source=attributes.get("source", ""),
                id=attributes.get("id", ""),
                tenant_ref=attributes.get(types.TENANT_ID),
            )

    return give_up
