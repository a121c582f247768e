"""What is asked for where money moves: checked before anything is touched, and told from what was asked."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from shared.domain import money
from shared.domain.errors import Conflict, Fault, NotFound, Rejected
from shared.domain.invoicing import amounts
from shared.domain.tenant import Tenant
from shared.domain.usage import TEXT_MAX
from shared.service.ports import TenantDirectory

_DIGITS_MAX: Final = 20
"""Before the point, and after it."""


def find_tenant(tenants: TenantDirectory, ref: str) -> Tenant:
    """Raises NotFound."""
    tenant = tenants.find(ref)
    if tenant is None:
        raise NotFound.because("tenant_id", f"no tenant {ref[:TEXT_MAX]!r}")
    return tenant


def check(*faults: Iterable[Fault]) -> None:
    """Raises Rejected with all of them, where there are any."""
    if found := [fault for some in faults for fault in some]:
        raise Rejected(*found)


def text_faults(field: str, text: str | None, *, may_be_empty: bool = False) -> tuple[Fault, ...]:
    """None is a text that need not be given."""
    if text is None or (may_be_empty and not text):
        return ()
    if 0 < len(text) <= TEXT_MAX and text.isprintable():
        return ()
    return (Fault(field, f"must be 1 to {TEXT_MAX} printable characters"),)


def amount_faults(field: str, amount: Decimal | None, currency: str) -> tuple[Fault, ...]:
    """Also of amounts too long to reckon with; None is an amount that need not be given."""
    if amount is None:
        return ()
    return size_faults(field, amount) or amounts.amount_faults(field, amount, currency)


def size_faults(field: str, amount: Decimal) -> tuple[Fault, ...]:
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and max(amount.adjusted() + 1, -exponent) > _DIGITS_MAX:
        return (Fault(field, f"must have at most {_DIGITS_MAX} digits before the point and after it"),)
    return ()


def past_faults(field: str, instant: datetime | None, now: datetime) -> tuple[Fault, ...]:
    if instant is None or instant <= now:
        return ()
    return (Fault(field, f"lies in the future: it is {now:%Y-%m-%dT%H:%M:%SZ}"),)


def in_currency(amount: Decimal, currency: str) -> Decimal:
    """With as many digits after the point as the currency has; as it is where it has more, or is none."""
    if not amount.is_finite():
        return amount
    rounded = money.round_to_currency(Fraction(amount), currency)
    return rounded if rounded == amount else amount


def check_same(key: str, *alike: bool) -> None:
    """Whether what is asked again under a key is what was asked before. Raises Conflict."""
    if not all(alike):
        said = f"{key!r} was used before for something else: name what is new by another key"
        raise Conflict.because("idempotency_key", said)
