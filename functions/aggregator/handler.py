"""`usage.recorded` → accepted usage, then windows."""

from eventing import types
from eventing.delivery import event_function
from eventing.event import Event, json_of, sequence_of, tenant_of
from functions import bootstrap


def start() -> None:
    """Fold what an earlier process left behind."""
    bootstrap.aggregator()


def consume(event: Event) -> None:
    """Accept the event's usage, once. Raises what `eventing.delivery` answers with."""
    tenant_ref = tenant_of(event, types.USAGE_RECORDED)
    bootstrap.aggregator().accept_event(
        source=event.source,
        id=event.id,
        tenant_ref=tenant_ref,
        time=event.time,
        data=json_of(event),
        sequence=sequence_of(event),
    )


handle = event_function(consume)
