"""What invoices are made of, in the snapshot of a connection's transaction."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from shared.adapters.postgres import plan_rows
from shared.adapters.postgres.breakdown import ConnectionBreakdown
from shared.adapters.postgres.invoicing import grants, holds, invoice_rows, party_rows
from shared.adapters.postgres.pool import Connection
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.invoicing.basis import Basis
from shared.domain.invoicing.credits import Grant
from shared.domain.invoicing.document import InvoiceDocument
from shared.domain.invoicing.holds import Hold
from shared.domain.invoicing.lines import InvoiceLine
from shared.domain.invoicing.parties import PARENT, BillingDetails, BillingEntity, Organisation, TaxRate
from shared.domain.period import Period
from shared.domain.tenant import Tenant
from shared.service.invoicing.invoice_ports import (
    Account,
    Billed,
    ClosedInvoice,
    ClosedUntil,
    DraftRef,
    StoredInvoice,
)

_BILLED = b"""
    SELECT t.id, t.slug, t.name, t.billing_email, t.currency, t.timezone, t.created_at, t.updated_at,
           c.closed_until, c.rated_sequence, coalesce(u.sequence, 0), w.window_start
    FROM tenant t
    LEFT JOIN closing c ON c.tenant_id = t.id
    LEFT JOIN tenant_usage u ON u.tenant_id = t.id
    LEFT JOIN LATERAL (
        SELECT window_start FROM usage_window WHERE tenant_id = t.id AND window_size = '5m'
        ORDER BY window_start LIMIT 1) w ON true
    WHERE t.id = %s
"""
_TENANT_COLUMNS = 8
_DETAILS = f"SELECT {party_rows.DETAILS} FROM billing_details WHERE tenant_id = %s".encode()
_ORGANISATION = f"""
    SELECT {party_rows.ORGANISATION} FROM organisation WHERE id = %s AND invoicing = '{PARENT}'
""".encode()
_MEMBERS = b"""
    SELECT t.id FROM billing_details d JOIN tenant t ON t.id = d.tenant_id
    WHERE d.organisation_id = %s AND t.id <> %s ORDER BY t.slug
"""
_SELLER = f"""
    SELECT {party_rows.ENTITY} FROM billing_entity
    WHERE id = coalesce(%s, (SELECT (array_agg(id))[1] FROM billing_entity HAVING count(*) = 1))
""".encode()
_TAX_RATES = f"SELECT {party_rows.TAX_RATE} FROM tax_rate WHERE tenant_id = %s ORDER BY id".encode()
_USED_FROM = b"""
    SELECT window_start FROM usage_window WHERE tenant_id = %s AND window_size = '5m' AND window_start >= %s
    ORDER BY window_start LIMIT 1
"""
_CLOSED = b"""
    SELECT p.period_start, p.period_end, i.tenant_id, i.id, i.number
    FROM invoiced_period p JOIN invoice i ON (i.tenant_id, i.id) = (p.invoice_tenant_id, p.invoice_id)
    WHERE p.tenant_id = %s AND NOT p.is_void AND i.status <> 'draft' ORDER BY p.period_start
"""
_UNRATED = b"""
    SELECT span -> 0, span -> 1
    FROM invoiced_period p JOIN invoice i ON (i.tenant_id, i.id) = (p.invoice_tenant_id, p.invoice_id)
    CROSS JOIN LATERAL jsonb_array_elements(i.basis -> 'parts') part
    CROSS JOIN LATERAL jsonb_array_elements(part -> 'unrated') span
    WHERE p.tenant_id = %s AND NOT p.is_void AND i.status <> 'draft'
        AND part ->> 'tenant_id' = p.tenant_id::text
    ORDER BY span
"""
_CHARGED = b"""
    SELECT i.tenant_id, i.id, i.document, array_agg(l.id ORDER BY l.position)
    FROM invoice_line l JOIN invoice i ON (i.tenant_id, i.id) = (l.tenant_id, l.invoice_id)
    WHERE l.usage_tenant_id = %s AND l.period_start >= %s AND l.period_start < %s AND l.period_end <= %s
        AND l.plan_id IS NOT NULL AND i.status NOT IN ('draft', 'void')
    GROUP BY i.tenant_id, i.id ORDER BY i.issued_at, i.id
"""
_DRAFT = b"""
    SELECT id, period_start, period_end, created_at, rated_at, rated_sequence FROM invoice
    WHERE tenant_id = %s AND period_start = %s AND status = 'draft'
"""


def draft_from(connection: Connection, tenant_id: UUID, start: datetime) -> DraftRef | None:
    """The tenant's draft whose period begins then."""
    row = connection.execute(_DRAFT, (tenant_id, start)).fetchone()
    if row is None:
        return None
    id, period_start, period_end, *rest = row
    return DraftRef(id, Period(period_start, period_end), *rest)


class PostgresInvoiceView(ConnectionBreakdown):
    """InvoiceView."""

    def account(self, tenant_id: UUID) -> Account:
        details = self._details(tenant_id)
        organisation = self._organisation(details)
        if organisation is not None and organisation.payer_tenant_id != tenant_id:
            raise self._paid_by(organisation)
        others = []
        if organisation is not None:
            others = self._connection.execute(_MEMBERS, (organisation.id, tenant_id)).fetchall()
        payer = self._billed(tenant_id)
        return Account(
            payer=payer,
            members=(payer, *(self._billed(id) for (id,) in others)),
            details=details,
            seller=self._seller(details),
            organisation=organisation,
            tax_rates=self._tax_rates(tenant_id),
        )

    def used_from(self, tenant_id: UUID, instant: datetime) -> datetime | None:
        row = self._connection.execute(_USED_FROM, (tenant_id, instant)).fetchone()
        return None if row is None else row[0]

    def changed_days(self, tenant_id: UUID, sequence: int) -> Sequence[date]:
        rows = self._connection.execute(
            "SELECT day FROM usage_change WHERE tenant_id = %s AND sequence > %s ORDER BY day",
            (tenant_id, sequence),
        )
        return [day for (day,) in rows]

    def closed_invoices(self, tenant_id: UUID) -> Sequence[ClosedInvoice]:
        rows = self._connection.execute(_CLOSED, (tenant_id,))
        return [ClosedInvoice(Period(start, end), *rest) for start, end, *rest in rows]

    def unrated(self, tenant_id: UUID) -> Sequence[Period]:
        rows = self._connection.execute(_UNRATED, (tenant_id,))
        return [Period(*map(datetime.fromisoformat, row)) for row in rows]

    def basis(self, payer_id: UUID, invoice_id: UUID) -> Basis:
        row = self._connection.execute(
            "SELECT basis FROM invoice WHERE tenant_id = %s AND id = %s", (payer_id, invoice_id)
        ).fetchone()
        assert row is not None
        return Basis.from_dict(row[0])

    def charged(self, tenant_id: UUID, period: Period) -> Sequence[InvoiceLine]:
        rows = self._connection.execute(_CHARGED, (tenant_id, *period, period.end)).fetchall()
        lines: list[InvoiceLine] = []
        for payer_id, invoice_id, document, ids in rows:
            said = InvoiceDocument.from_dict(json.loads(document))
            wanted = set(ids)
            of_invoice = invoice_rows.lines(self._connection, payer_id, invoice_id, said)
            lines += [line for line in of_invoice if line.shown.id in wanted]
        return lines

    def draft_from(self, tenant_id: UUID, start: datetime) -> DraftRef | None:
        return draft_from(self._connection, tenant_id, start)

    def load(self, tenant_id: UUID, invoice_id: UUID) -> StoredInvoice | None:
        return invoice_rows.load(self._connection, tenant_id, invoice_id)

    def grants(self, tenant_id: UUID) -> Sequence[Grant]:
        return grants.remaining(self._connection, tenant_id, lock=False)

    def holds(self, tenant_ids: Iterable[UUID], period: Period, until: datetime) -> Sequence[Hold]:
        return holds.find(self._connection, tenant_ids, period, until)

    def _billed(self, tenant_id: UUID) -> Billed:
        row = self._connection.execute(_BILLED, (tenant_id,)).fetchone()
        if row is None:
            raise NotFound.because("tenant_id", f"no tenant '{tenant_id}'")
        closed_until, closed_sequence, sequence, first_used = row[_TENANT_COLUMNS:]
        return Billed(
            tenant=Tenant(*row[:_TENANT_COLUMNS]),
            subscriptions=tuple(plan_rows.subscriptions(self._connection, tenant_id)),
            closed=None if closed_until is None else ClosedUntil(closed_until, closed_sequence),
            sequence=sequence,
            first_used=first_used,
        )

    def _details(self, tenant_id: UUID) -> BillingDetails | None:
        row = self._connection.execute(_DETAILS, (tenant_id,)).fetchone()
        return None if row is None else party_rows.details_of(row)

    def _organisation(self, details: BillingDetails | None) -> Organisation | None:
        """The one that has one invoice for all of its tenants."""
        if details is None or details.organisation_id is None:
            return None
        row = self._connection.execute(_ORGANISATION, (details.organisation_id,)).fetchone()
        return None if row is None else party_rows.organisation_of(row)

    def _seller(self, details: BillingDetails | None) -> BillingEntity | None:
        named = None if details is None else details.billing_entity_id
        row = self._connection.execute(_SELLER, (named,)).fetchone()
        return None if row is None else party_rows.entity_of(row)

    def _tax_rates(self, tenant_id: UUID) -> tuple[TaxRate, ...]:
        return tuple(map(party_rows.tax_rate_of, self._connection.execute(_TAX_RATES, (tenant_id,))))

    def _paid_by(self, organisation: Organisation) -> Rejected:
        row = self._connection.execute(
            "SELECT slug FROM tenant WHERE id = %s", (organisation.payer_tenant_id,)
        ).fetchone()
        slug = row[0] if row else organisation.payer_tenant_id
        said = f"its usage is on the invoices of organisation {organisation.slug!r}: see those of {slug!r}"
        return Conflict.because("tenant_id", said)
