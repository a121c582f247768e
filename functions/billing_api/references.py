"""Names inside requests: what a field refers to must exist, or the field is at fault."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.domain.errors import Fault, NotFound, Rejected


@contextmanager
def blaming(**called: str) -> Iterator[None]:
    """Blame the request's own fields: a refusal of `period_start` becomes one of `called["period_start"]`.

    What was not found is not the address of the request but something it names, so that is a fault too.
    """
    try:
        yield
    except Rejected as error:
        faults = (Fault(called.get(fault.field, fault.field), fault.message) for fault in error.faults)
        kind = Rejected if isinstance(error, NotFound) else type(error)
        raise kind(*faults, total=error.total) from error
