"""What must be true of all invoices and books at any time, by SQL that knows nothing of the code."""

from typing import Final

from psycopg import IsolationLevel

from shared.adapters.postgres.pool import Database

_DUE: Final = """
    SELECT i.id, i.number, i.status,
        CASE WHEN i.status = 'void' THEN 0 ELSE i.total
            - coalesce((SELECT sum(CASE kind WHEN 'returned' THEN -amount ELSE amount END) FROM credit_use u
                        WHERE u.invoice_id = i.id), 0)
            - coalesce((SELECT sum(p.amount) FROM payment p WHERE p.invoice_id = i.id), 0)
            + coalesce((SELECT sum(r.amount) FROM refund r JOIN payment p ON p.id = r.payment_id
                        WHERE p.invoice_id = i.id), 0)
            - coalesce((SELECT sum(n.total) FROM credit_note n WHERE n.invoice_id = i.id), 0)
            + coalesce((SELECT sum(g.amount) FROM credit_grant g
                        WHERE g.invoice_id = i.id AND g.kind = 'credit_note'), 0)
            - coalesce((SELECT sum(e.amount) FROM posting p JOIN posting_entry e ON e.posting_id = p.id
                        WHERE p.invoice_id = i.id AND p.kind = 'write_off' AND e.account = 'bad_debt'), 0)
        END AS due,
        coalesce((SELECT sum(e.amount) FROM posting p JOIN posting_entry e ON e.posting_id = p.id
                  WHERE p.invoice_id = i.id AND e.account = 'accounts_receivable'), 0) AS receivable
    FROM invoice i WHERE i.status <> 'draft'
"""
_REMAINING: Final = """
    SELECT g.tenant_id, g.id, g.amount - coalesce((
        SELECT sum(CASE kind WHEN 'returned' THEN -amount ELSE amount END) FROM credit_use u
        WHERE u.grant_id = g.id), 0) AS remaining
    FROM credit_grant g
"""
_STANDS: Final = "i.status NOT IN ('draft', 'void')"
_RULES: Final = {
    "a posting does not balance": """
        SELECT posting_id, sum(amount) FROM posting_entry GROUP BY posting_id HAVING sum(amount) <> 0
    """,
    "numbers have a gap": """
        SELECT series, year, count(*), max(number) FROM issued_number GROUP BY billing_entity_id, series, year
        HAVING count(*) <> max(number) OR count(*) <> count(DISTINCT document_id)
    """,
    "a number is promised to nobody": """
        SELECT s.series, s.year, s.next FROM invoice_series s
        WHERE s.next - 1 <> (SELECT count(*) FROM issued_number n
            WHERE (n.billing_entity_id, n.series, n.year) = (s.billing_entity_id, s.series, s.year))
    """,
    "a number is on nothing": """
        SELECT n.label FROM issued_number n
        WHERE NOT EXISTS (SELECT FROM invoice i WHERE (i.id, i.number) = (n.document_id, n.label))
          AND NOT EXISTS (SELECT FROM credit_note c WHERE (c.id, c.number) = (n.document_id, n.label))
    """,
    "usage is on two invoices": """
        SELECT a.tenant_id, a.period_start FROM invoiced_period a JOIN invoiced_period b USING (tenant_id)
        WHERE a.invoice_id < b.invoice_id AND NOT (a.is_void OR b.is_void)
          AND a.period_start < b.period_end AND b.period_start < a.period_end
    """,
    "an invoice lies beyond what is closed": """
        SELECT i.number, c.closed_until FROM invoice i LEFT JOIN closing c USING (tenant_id)
        WHERE i.status NOT IN ('draft', 'void') AND c.closed_until < i.period_end IS NOT false
    """,
    "an invoice is not announced once": """
        SELECT i.number FROM invoice i WHERE i.status <> 'draft' AND 1 <> (
            SELECT count(*) FROM outbox o
            WHERE o.kind = 'InvoiceFinalized' AND o.data ->> 'invoice_id' = i.id::text)
    """,
    "lines do not come to the net": """
        SELECT i.number, i.net FROM invoice i
        WHERE i.status <> 'draft' AND i.net + (
            SELECT coalesce(sum((tax ->> 'amount')::numeric), 0)
            FROM jsonb_array_elements(i.document::jsonb -> 'taxes') tax WHERE (tax ->> 'inclusive')::boolean
        ) <> (SELECT coalesce(sum(amount), 0) FROM invoice_line l
              WHERE (l.tenant_id, l.invoice_id) = (i.tenant_id, i.id) AND l.kind <> 'carried_over')
    """,
    "the receivable is not what is due": f"""
        SELECT number, status, due, receivable FROM ({_DUE}) of
        WHERE due <> receivable OR due < 0 OR (status = 'final') <> (due > 0)
    """,
    "credit is less than nothing": f"SELECT id, remaining FROM ({_REMAINING}) of WHERE remaining < 0",
    "credit is not what remains": f"""
        SELECT tenant_id, held, owed FROM (
            SELECT tenant_id, sum(remaining) AS held, coalesce((
                SELECT -sum(amount) FROM posting_entry e
                WHERE e.tenant_id = of.tenant_id AND account = 'credits'), 0) AS owed
            FROM ({_REMAINING}) of GROUP BY tenant_id) sums
        WHERE held <> owed
    """,
    "more is credited than was charged": """
        SELECT i.number FROM invoice i JOIN credit_note n ON n.invoice_id = i.id GROUP BY i.tenant_id, i.id
        HAVING sum(n.total) > i.total OR (sum(n.total) = i.total AND sum(n.tax_total) <> i.tax_total)
    """,
    "revenue or tax is not that of the documents": f"""
        SELECT t.id, e.account, e.amount, d.amount
        FROM tenant t
        CROSS JOIN LATERAL (VALUES
            ('revenue', (SELECT sum(net) FROM invoice i WHERE i.tenant_id = t.id AND {_STANDS}),
             (SELECT sum(net) FROM credit_note WHERE tenant_id = t.id),
             (SELECT sum(u.amount) FROM credit_use u JOIN credit_grant g ON g.id = u.grant_id
              WHERE u.tenant_id = t.id AND u.kind = 'expired' AND g.kind <> 'promotional')),
            ('tax', (SELECT sum(tax_total) FROM invoice i WHERE i.tenant_id = t.id AND {_STANDS}),
             (SELECT sum(tax_total) FROM credit_note WHERE tenant_id = t.id), 0)
        ) said (account, charged, credited, lapsed)
        CROSS JOIN LATERAL (
            SELECT coalesce(charged, 0) - coalesce(credited, 0) + coalesce(lapsed, 0) AS amount) d
        CROSS JOIN LATERAL (
            SELECT said.account, coalesce(-sum(amount), 0) AS amount FROM posting_entry p
            WHERE p.tenant_id = t.id AND p.account = said.account) e
        WHERE e.amount <> d.amount
    """,
}


def faults(database: Database) -> list[str]:
    """For people; empty where all is well."""
    with database.transaction(IsolationLevel.REPEATABLE_READ, read_only=True) as connection:
        return [
            f"{rule}: {row}" for rule, query in _RULES.items() for row in connection.execute(query.encode())
        ]
