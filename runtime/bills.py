"""What the product's API bills the tenants of the trace, as a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from runtime.trace import BEGIN, END

TIMEOUT_S: Final = 30.0
DECIMALS: Final = 15


class ReplayFailed(Exception):
    """The trace was not sent, or not billed; the text says why."""


@dataclass(frozen=True, slots=True)
class TenantBill:
    """What the product answers for a tenant: durations rounded up per invocation, amounts in `currency`."""

    tenant: str
    invocations: int
    billed_ms: int
    exact: Decimal
    rounded: Decimal
    currency: str


def ask(url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """GET without a body, POST with one. Raises ReplayFailed for anything but a 2xx with JSON."""
    try:
        return json.loads(fetch(url, body, headers))
    except ValueError as error:
        raise ReplayFailed(f"{url}: {error}") from error


def fetch(url: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """As `ask`, whatever the answer is."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        # A proxy of the environment is not for servers of our own.
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
            return content
    except HTTPError as error:
        with error:
            text = error.read(2_000).decode(errors="replace")
        raise ReplayFailed(f"{url} answered {error.code}: {text}") from error
    except (OSError, HTTPException) as error:
        raise ReplayFailed(f"{url}: {error}") from error


def bill_of(tenant: str, api_url: str, admin_key: str) -> TenantBill:
    """The tenant's bill of the trace's day. Raises ReplayFailed."""
    headers = {"Authorization": f"Bearer {admin_key}"}
    period = {"tenant_id": tenant, "period_start": BEGIN, "period_end": END}
    bill = ask(f"{api_url}/api/v1/billing/calculate", period, headers)
    day = {"tenant_id": tenant, "window_size": "1d", "start_time": BEGIN, "end_time": END, "limit": "1000"}
    windows = ask(f"{api_url}/api/v1/usage-aggregates?{urlencode(day)}", headers=headers)["items"]
    return TenantBill(
        tenant=tenant,
        invocations=sum(window["invocations"] for window in windows),
        billed_ms=sum(window["billed_1ms_ms"] for window in windows),
        exact=Decimal(bill["total_exact"]),
        rounded=Decimal(bill["total"]),
        currency=bill["currency"],
    )


def table(bills: Sequence[TenantBill]) -> str:
    """The bills and their sums, as text; all in one currency."""
    (currency,) = {bill.currency for bill in bills}
    total = TenantBill(
        tenant=f"{len(bills)} in all",
        invocations=sum(bill.invocations for bill in bills),
        billed_ms=sum(bill.billed_ms for bill in bills),
        exact=sum((bill.exact for bill in bills), Decimal(0)),
        rounded=sum((bill.rounded for bill in bills), Decimal(0)),
        currency=currency,
    )
    heading = _line("tenant", "invocations", "billed ms", f"exact {currency}", f"bill {currency}")
    rule = "-" * len(heading)
    return "\n".join(["", heading, rule, *map(_row, bills), rule, _row(total), ""])


def _row(bill: TenantBill) -> str:
    whole, point, fraction = f"{bill.exact.normalize():f}".partition(".")
    exact = whole + f"{point}{fraction}".ljust(DECIMALS + 1)  # decimal points stand below each other
    return _line(bill.tenant, f"{bill.invocations:,}", f"{bill.billed_ms:,}", exact, f"{bill.rounded:f}")


def _line(tenant: str, invocations: str, billed_ms: str, exact: str, rounded: str) -> str:
    return f"{tenant:<9}  {invocations:>11}  {billed_ms:>10}  {exact:>20}  {rounded:>8}"
