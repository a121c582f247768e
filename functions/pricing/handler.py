"""`usage.aggregated` → accrued cost."""

from eventing import types
from eventing.delivery import event_function
from eventing.event import Event, tenant_of
from functions import bootstrap


def start() -> None:
    """Send what an earlier process left behind."""
    bootstrap.pricing()


def consume(event: Event) -> None:
    """Bring the tenant's accrued cost up to its windows. Raises what `eventing.delivery` answers with.

    The event only says that the tenant's usage changed: what it holds besides is not looked at.
    """
    tenant_ref = tenant_of(event, types.USAGE_AGGREGATED)
    if bootstrap.pricing().accrue(tenant_ref):
        bootstrap.sending().wake()


handle = event_function(consume)
