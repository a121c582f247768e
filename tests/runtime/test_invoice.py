import io
from pathlib import Path

from runtime.invoice import write_invoice
from runtime.ports import some_free


def test_where_there_is_no_invoice_it_says_why_and_the_run_goes_on(tmp_path: Path) -> None:
    (port,) = some_free(1, frozenset())
    out = io.StringIO()
    write_invoice(f"http://localhost:{port}", "key", tmp_path, out)
    assert out.getvalue().startswith(f"  no invoice of 734272c0: http://localhost:{port}/api/v1/invoices")
    assert "refused" in out.getvalue()
    assert list(tmp_path.iterdir()) == []
