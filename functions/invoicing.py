"""Invoices, money and documents put together: a part of `functions.bootstrap`.

Each service is made on first use, and what it needs is imported then: no function starts later for it.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from shared.adapters.postgres.pool import Database
from shared.adapters.system import new_id, system_clock
from shared.service.ports import Clock

if TYPE_CHECKING:
    from shared.adapters.postgres.invoicing.invoices import PostgresInvoices
    from shared.adapters.postgres.invoicing.money import PostgresMoney
    from shared.adapters.postgres.tenants import PostgresTenants
    from shared.domain.invoicing.document import InvoiceDocument
    from shared.service.invoicing.closing import Closing
    from shared.service.invoicing.credit_notes import CreditNotes
    from shared.service.invoicing.credits import Credits
    from shared.service.invoicing.explained import ExplainInvoice
    from shared.service.invoicing.invoice_ports import StoredInvoice
    from shared.service.invoicing.invoices import Invoices
    from shared.service.invoicing.payments import Payments


class InvoicingServices:
    """`fold` is asked to fold all that a tenant has sent, before its usage is rated; `announced` is to be
    called when something may have been left in the outbox. `read_letters` copies the dead letters, which
    hold invoices back, before one is made final by hand; closing goes by what sweeps have copied."""

    def __init__(
        self,
        database: Database,
        fold: Callable[[UUID], object],
        *,
        clock: Clock = system_clock,
        announced: Callable[[], None] = lambda: None,
        read_letters: Callable[[], object] = lambda: None,
    ) -> None:
        self._database = database
        self._fold = fold
        self.clock = clock
        self.announced = announced
        self._read_letters = read_letters

    @cached_property
    def invoices(self) -> "Invoices":
        from shared.service.invoicing.invoices import Invoices

        return Invoices(
            store=self._store,
            tenants=self._tenants,
            fold=self._fold,
            clock=self.clock,
            new_id=new_id,
            read_letters=self._read_letters,
        )

    @cached_property
    def closing(self) -> "Closing":
        from shared.service.invoicing.closing import Closing

        return Closing(store=self._store, fold=self._fold, clock=self.clock, new_id=new_id)

    @cached_property
    def explain(self) -> "ExplainInvoice":
        from shared.adapters.postgres.invoicing.adjusting import PostgresExplained
        from shared.service.invoicing.explained import ExplainInvoice

        return ExplainInvoice(PostgresExplained(self._database), self._fold)

    @cached_property
    def payments(self) -> "Payments":
        from shared.service.invoicing.payments import Payments

        return Payments(money=self._money, tenants=self._tenants, clock=self.clock, new_id=new_id)

    @cached_property
    def credits(self) -> "Credits":
        from shared.service.invoicing.credits import Credits

        return Credits(money=self._money, tenants=self._tenants, clock=self.clock, new_id=new_id)

    @cached_property
    def credit_notes(self) -> "CreditNotes":
        from shared.service.invoicing.credit_notes import CreditNotes

        return CreditNotes(money=self._money, tenants=self._tenants, clock=self.clock, new_id=new_id)

    def invoice(self, ref: str) -> "StoredInvoice":
        """By UUID or number. Raises NotFound, and Conflict where several sellers gave out the number."""
        return self.invoices.get(None, ref)

    def refs(self, ref: str) -> tuple[str, str]:
        """What money services name the invoice by: its tenant and itself, by UUID."""
        invoice = self.invoice(ref).invoice
        return str(invoice.tenant_id), str(invoice.id)

    def pdf(self, document: "InvoiceDocument") -> bytes:
        from shared.adapters.documents.pdf import invoice_pdf

        return invoice_pdf(document)

    def csv(self, document: "InvoiceDocument") -> str:
        from shared.adapters.documents.csv import invoice_csv

        return invoice_csv(document)

    @cached_property
    def _store(self) -> "PostgresInvoices":
        from shared.adapters.postgres.invoicing.invoices import PostgresInvoices

        return PostgresInvoices(self._database, new_id)

    @cached_property
    def _money(self) -> "PostgresMoney":
        from shared.adapters.postgres.invoicing.money import PostgresMoney

        return PostgresMoney(self._database, new_id)

    @cached_property
    def _tenants(self) -> "PostgresTenants":
        from shared.adapters.postgres.tenants import PostgresTenants

        return PostgresTenants(self._database)
