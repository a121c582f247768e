"""An invoice of a tenant of the trace, by the product's API: drafted, made final, and kept as PDF."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

from runtime.bills import ReplayFailed, ask, fetch

TENANT: Final = "734272c0"
"""The one that the trace costs anything."""
MONTH: Final = {"period_start": "2021-01-01T00:00:00Z", "period_end": "2021-02-01T00:00:00Z"}
"""That of the trace's day."""


def write_invoice(api_url: str, admin_key: str, state_dir: Path, out: TextIO) -> None:
    """Says where the PDF is, or why there is none: whoever changed the tenant may want none."""
    headers = {"Authorization": f"Bearer {admin_key}"}
    try:
        invoice = _final(f"{api_url}/api/v1", headers)
        number = str(invoice["number"])
        url = f"{api_url}/api/v1/invoices/{quote(number)}/document.pdf"
        folder = state_dir / "invoices"
        folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / f"{number}.pdf"
        path.write_bytes(fetch(url, headers=headers))
    except ReplayFailed as failure:
        print(f"  no invoice of {TENANT}: {failure}", file=out, flush=True)
        return
    said = f"{invoice['total_amount']} {invoice['currency']}"
    print(f"  Invoice {number} of {TENANT} over {said}\n    {path}\n    {url}", file=out, flush=True)


def _final(api: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """The month's invoice that there is, or a new one. Raises ReplayFailed."""
    listed = ask(f"{api}/invoices?tenant_id={TENANT}&limit=1000", headers=headers)["items"]
    for invoice in listed:
        is_of_month = MONTH.items() <= invoice.items()
        if is_of_month and invoice["status"] not in ("draft", "void"):
            return dict(invoice)
    draft = ask(f"{api}/billing/generate", {"tenant_id": TENANT, **MONTH}, headers)
    final: dict[str, Any] = ask(f"{api}/invoices/{draft['id']}/finalize", {}, headers)
    return final
