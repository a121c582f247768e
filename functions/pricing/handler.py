"""`usage.aggregated` → accrued cost; the tick of the close → invoices of what has ended; the sweep's tick →
both, of every tenant that was left behind."""

from eventing import types
from eventing.delivery import event_receiver
from eventing.event import Event, check_source, tenant_of
from functions import bootstrap


def start() -> None:
    """Send what an earlier process left behind."""
    bootstrap.pricing()


def consume(event: Event) -> None:
    """Bring accrued cost up to the windows, of the tenant or, on a sweep, of all; close periods, on a tick.
    Raises what `eventing.delivery` answers with.

    An event only says that the tenant's usage changed: what it holds besides is not looked at.
    """
    if event.type == types.PING and event.source == types.SOURCE_CLOSE:
        bootstrap.closing().run()
    elif event.type == types.PING:
        check_source(event, types.SOURCE_SWEEP)
        bootstrap.pricing_sweep().run()
    else:
        _accrue(event)


def _accrue(event: Event) -> None:
    tenant_ref = tenant_of(event, types.USAGE_AGGREGATED)
    if bootstrap.pricing().accrue(tenant_ref):
        bootstrap.sending().wake()


events = event_receiver(consume)
handle = events.function()
