"""Tenants that get invoices, and what tells whether one is due, in PostgreSQL."""

from collections.abc import Sequence

from shared.adapters.postgres.pool import Connection
from shared.domain.invoicing.cycle import BillingCycle
from shared.domain.invoicing.parties import GRACE_S
from shared.service.invoicing.invoice_ports import Candidate

# Of few columns of a row a tenant; windows are looked at only while nothing of a tenant was ever closed.
# A tenant that has neither usage nor a plan has nothing to pay for.
_CANDIDATES = b"""
    SELECT t.id, coalesce(c.closed_until, least(t.created_at, u.first, m.first)), c.tenant_id IS NOT NULL,
           t.timezone, coalesce(d.cycle_interval, 'month'), d.cycle_anchor, coalesce(e.grace_s, %(grace_s)s),
           CASE WHEN s.plan_id IS NULL AND m.payer IS NULL THEN s.starts_at END, i.period_end, i.rated_at
    FROM tenant t
    LEFT JOIN closing c ON c.tenant_id = t.id
    LEFT JOIN billing_details d ON d.tenant_id = t.id
    LEFT JOIN organisation o ON o.id = d.organisation_id AND o.invoicing = 'parent'
    LEFT JOIN billing_entity e ON e.id = coalesce(
        d.billing_entity_id, (SELECT (array_agg(id))[1] FROM billing_entity HAVING count(*) = 1))
    LEFT JOIN LATERAL (
        SELECT plan_id, nullif(starts_at, '-infinity') AS starts_at FROM subscription
        WHERE tenant_id = t.id ORDER BY subscription.starts_at DESC LIMIT 1) s ON true
    LEFT JOIN LATERAL (
        SELECT window_start AS first FROM usage_window
        WHERE tenant_id = t.id AND window_size = '5m' AND c.tenant_id IS NULL
        ORDER BY window_start LIMIT 1) u ON true
    LEFT JOIN LATERAL (
        SELECT o.payer_tenant_id AS payer, min(least(mt.created_at, mc.closed_until, mw.first)) AS first
        FROM billing_details md
        JOIN tenant mt ON mt.id = md.tenant_id
        LEFT JOIN closing mc ON mc.tenant_id = mt.id
        LEFT JOIN LATERAL (
            SELECT window_start AS first FROM usage_window
            WHERE tenant_id = mt.id AND window_size = '5m' AND mc.tenant_id IS NULL
            ORDER BY window_start LIMIT 1) mw ON true
        WHERE md.organisation_id = o.id AND o.id IS NOT NULL AND c.tenant_id IS NULL
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT period_end, rated_at FROM invoice
        WHERE tenant_id = t.id AND status = 'draft' AND (c.tenant_id IS NULL OR period_start = c.closed_until)
        ORDER BY period_start LIMIT 1) i ON true
    WHERE (o.id IS NULL OR o.payer_tenant_id = t.id)
        AND (c.tenant_id IS NOT NULL OR u.first IS NOT NULL OR s.starts_at IS NOT NULL
             OR s.plan_id IS NOT NULL OR o.id IS NOT NULL OR d.zero_invoices)
"""


def candidates(connection: Connection) -> Sequence[Candidate]:
    rows = connection.execute(_CANDIDATES, {"grace_s": GRACE_S})
    return [
        Candidate(id, since, is_closed, zone, BillingCycle(interval, anchor), *rest)
        for id, since, is_closed, zone, interval, anchor, *rest in rows
    ]
