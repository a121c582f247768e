"""An invoice as `make run` leaves one, and as the README makes one."""

import re
import subprocess
from pathlib import Path

from shared.config import environment
from tests.e2e.product import CHECKOUT, Product

TENANT = "tourist"
USAGE = {"service_name": "waiter", "timestamp": "2025-10-15T15:30:00Z", "invocations": 12_000_001}
BUYER = {"billing_entity_id": "example-platform", "legal_name": "Tourist", "email": "ap@tourist.example"}
LIMIT_S = 60


def test_the_run_says_where_the_invoice_of_the_trace_is(product: Product) -> None:
    said = re.search(
        r"Invoice (\S+) of 734272c0 over 0\.03 USD\n +(\S+)\n +(\S+)\n", product.output().decode()
    )
    assert said is not None
    number, path, url = said.groups()
    pdf = Path(path).read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert url == f"{product.api_url}/api/v1/invoices/{number}/document.pdf"
    assert product.api("GET", f"/invoices/{number}/document.pdf").body == pdf


def test_the_readme_makes_an_invoice_by_commands_that_work_as_they_are_printed(
    product: Product, tmp_path: Path
) -> None:
    product.tenant(TENANT)
    assert product.api("PUT", f"/tenants/{TENANT}/billing-details", BUYER).status == 200
    assert product.api("POST", "/metrics/ingest", {"tenant_id": TENANT, **USAGE}).status == 202
    done = subprocess.run(
        ["bash", "-eu", "-c", commands().replace('"demo"', f'"{TENANT}"')],
        cwd=tmp_path,
        env={
            "PATH": environment()["PATH"],
            "API": f"{product.api_url}/api/v1",
            "KEY": f"Authorization: Bearer {product.admin_key}",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"total_amount": "190.08"' in done.stdout
    (file,) = tmp_path.iterdir()
    assert file.name in done.stdout
    assert re.fullmatch(r"INV-20\d\d-\d{6}\.pdf", file.name)
    assert file.read_bytes().startswith(b"%PDF-")


def commands() -> str:
    """The README's, that make an invoice."""
    blocks = re.findall(r"```sh\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    (found,) = [block for block in blocks if "/billing/generate" in block]
    return str(found)
