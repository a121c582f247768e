"""`usage.recorded` → accepted usage, then windows; `usage.voided` → usage taken back, and windows without it;
the sweep's tick → what was left behind, made good."""

from eventing import types, voids
from eventing.delivery import event_receiver
from eventing.event import Event, check_source, json_of, sequence_of, tenant_of
from functions import bootstrap


def start() -> None:
    """Fold what an earlier process left behind."""
    bootstrap.aggregator()


def consume(event: Event) -> None:
    """Accept the event's usage, once, or take usage back, or sweep.

    Raises what `eventing.delivery` answers with.
    """
    if event.type == types.PING:
        check_source(event, types.SOURCE_SWEEP)
        bootstrap.aggregator_sweep().run()
    elif event.type == types.USAGE_VOIDED:
        _void(event)
    else:
        _accept(event)


def _accept(event: Event) -> None:
    tenant_ref = tenant_of(event, types.USAGE_RECORDED)
    bootstrap.aggregator().accept_event(
        source=event.source,
        id=event.id,
        tenant_ref=tenant_ref,
        time=event.time,
        data=json_of(event),
        sequence=sequence_of(event),
    )


def _void(event: Event) -> None:
    tenant_ref = tenant_of(event, types.USAGE_VOIDED)
    requests = voids.read_event(json_of(event), tenant_ref)
    bootstrap.voids().void(requests, by=f"{event.source} {event.id}")


events = event_receiver(consume)
handle = events.function()
