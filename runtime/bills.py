"""What the product's API bills the tenants of the trace, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from runtime.http_json import ask
from runtime.trace import BEGIN, END


@dataclass(frozen=True, slots=True)
class TenantBill:
    """What the product answers for a tenant: durations rounded up per invocation, amounts in `currency`."""

    tenant: str
    invocations: int
    billed_ms: int
    exact: Decimal
    rounded: Decimal
    currency: str


def bill_of(tenant: str, api_url: str, admin_key: str) -> TenantBill:
    """The tenant's bill of the trace's day. Raises NoAnswer."""
    headers = {"Authorization": f"Bearer {admin_key}"}
    period = {"tenant_id": tenant, "period_start": BEGIN, "period_end": END}
    bill = ask(f"{api_url}/api/v1/billing/calculate", period, headers)
    windows = _day_windows(tenant, api_url, headers)
    return TenantBill(
        tenant=tenant,
        invocations=sum(window["invocations"] for window in windows),
        billed_ms=sum(window["billed_1ms_ms"] for window in windows),
        exact=Decimal(bill["total_exact"]),
        rounded=Decimal(bill["total"]),
        currency=bill["currency"],
    )


def _day_windows(tenant: str, api_url: str, headers: Mapping[str, str]) -> list[Mapping[str, Any]]:
    query = {"tenant_id": tenant, "window_size": "1d", "start_time": BEGIN, "end_time": END, "limit": "1000"}
    windows: list[Mapping[str, Any]] = []
    while True:
        page = ask(f"{api_url}/api/v1/usage-aggregates?{urlencode(query)}", headers=headers)
        windows += page["items"]
        if page["next_cursor"] is None:
            return windows
        query["cursor"] = page["next_cursor"]


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
    heading = ("tenant", "invocations", "billed ms", f"exact {currency}", f"bill {currency}")
    decimals = max(len(_fraction(_plain(bill.exact))) for bill in bills)
    rows = [heading, *(_row(bill, decimals) for bill in [*bills, total])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    *lines, last = (_line(row, widths) for row in rows)
    rule = "-" * len(last)
    return "\n".join(["", lines[0], rule, *lines[1:], rule, last, ""])


def _row(bill: TenantBill, decimals: int) -> tuple[str, str, str, str, str]:
    exact = _plain(bill.exact)
    exact += " " * (decimals - len(_fraction(exact)))  # decimal points stand below each other
    return bill.tenant, f"{bill.invocations:,}", f"{bill.billed_ms:,}", exact, f"{bill.rounded:f}"


def _plain(amount: Decimal) -> str:
    """All its digits, and no zeros behind them."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fraction(text: str) -> str:
    return text[len(text.partition(".")[0]) :]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = row
    cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join([first.ljust(widths[0]), *cells])
