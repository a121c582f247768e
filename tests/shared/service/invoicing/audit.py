"""What is true of the books after every step, by SQL that knows nothing of the code that wrote them."""

from typing import Final

from tests.shared.service.invoicing.till import Till

_UNBALANCED: Final = """
    SELECT posting_id, sum(amount) FROM posting_entry WHERE tenant_id = %s
    GROUP BY posting_id HAVING sum(amount) <> 0
"""
# What is due by what happened to the invoice: all but what its receivable says.
_RECEIVABLE: Final = """
    SELECT number, status, due, receivable FROM (
        SELECT i.number, i.status,
            CASE WHEN i.status = 'void' THEN 0 ELSE i.amount_due
                - coalesce((SELECT sum(amount) FROM payment p WHERE p.invoice_id = i.id), 0)
                + coalesce((SELECT sum(r.amount) FROM refund r JOIN payment p ON p.id = r.payment_id
                            WHERE p.invoice_id = i.id), 0)
                - coalesce((SELECT sum(total) FROM credit_note n WHERE n.invoice_id = i.id), 0)
                + coalesce((SELECT sum(amount) FROM credit_grant g
                            WHERE g.invoice_id = i.id AND g.kind = 'credit_note'), 0)
                + coalesce((SELECT sum(amount) FROM credit_use u
                            WHERE u.invoice_id = i.id AND u.kind = 'returned'), 0)
                + coalesce((SELECT sum(amount) FROM posting p JOIN posting_entry e ON e.posting_id = p.id
                            WHERE p.invoice_id = i.id AND p.kind = 'write_off'
                              AND e.account = 'accounts_receivable'), 0)
            END AS due,
            coalesce((SELECT sum(e.amount) FROM posting p JOIN posting_entry e ON e.posting_id = p.id
                      WHERE p.invoice_id = i.id AND e.account = 'accounts_receivable'), 0) AS receivable
        FROM invoice i WHERE i.tenant_id = %s) of
    WHERE due <> receivable OR due < 0 OR (status = 'final') <> (due > 0)
"""
_CREDIT: Final = """
    SELECT coalesce(sum(remaining), 0), coalesce(min(remaining), 0) FROM (
        SELECT g.amount - coalesce((
            SELECT sum(CASE kind WHEN 'returned' THEN -amount ELSE amount END) FROM credit_use u
            WHERE u.grant_id = g.id), 0) AS remaining
        FROM credit_grant g WHERE g.tenant_id = %s) of
"""
_BALANCE: Final = """
    SELECT coalesce(sum(amount), 0) FROM posting_entry WHERE tenant_id = %s AND account = %s
"""
_CREDITED: Final = """
    SELECT i.number FROM invoice i
    JOIN credit_note n ON (n.tenant_id, n.invoice_id) = (i.tenant_id, i.id) WHERE i.tenant_id = %s
    GROUP BY i.tenant_id, i.id
    HAVING sum(n.total) > i.total OR (sum(n.total) = i.total AND sum(n.tax_total) <> i.tax_total)
"""
_REVENUE: Final = """
    SELECT coalesce((SELECT sum(net) FROM invoice WHERE tenant_id = %(tenant)s AND status <> 'void'), 0)
         - coalesce((SELECT sum(net) FROM credit_note WHERE tenant_id = %(tenant)s), 0),
           coalesce((SELECT sum(tax_total) FROM invoice WHERE tenant_id = %(tenant)s AND status <> 'void'), 0)
         - coalesce((SELECT sum(tax_total) FROM credit_note WHERE tenant_id = %(tenant)s), 0)
"""
_LAPSED: Final = """
    SELECT coalesce(sum(u.amount), 0) FROM credit_use u JOIN credit_grant g ON g.id = u.grant_id
    WHERE u.tenant_id = %s AND u.kind = 'expired' AND g.kind <> 'promotional'
"""
_CASH: Final = """
    SELECT coalesce((SELECT sum(amount) FROM payment WHERE tenant_id = %(tenant)s), 0)
         + coalesce((SELECT sum(amount) FROM credit_grant
                     WHERE tenant_id = %(tenant)s AND kind = 'prepaid'), 0)
         - coalesce((SELECT sum(amount) FROM refund WHERE tenant_id = %(tenant)s), 0)
"""


def check_books(till: Till) -> None:
    """Postings balance, the receivable of each invoice is what is due of it and says its status, credit is
    what remains of grants, revenue and tax are those of documents, cash what came less what went."""
    tenant = till.tenant.id
    assert till.run(_UNBALANCED, tenant) == []
    assert till.run(_RECEIVABLE, tenant) == []
    ((credit, least),) = till.run(_CREDIT, tenant)
    assert _balance(till, "credits") == -credit  # type: ignore[operator]
    assert least >= 0  # type: ignore[operator]
    assert till.run(_CREDITED, tenant) == []
    with till.database.statement() as connection:
        of = {"tenant": tenant}
        ((net, tax),) = connection.execute(_REVENUE, of)
        ((cash,),) = connection.execute(_CASH, of)
        ((lapsed,),) = connection.execute(_LAPSED, (tenant,))
    assert _balance(till, "revenue") == -net - lapsed
    assert _balance(till, "tax") == -tax
    assert _balance(till, "cash") == cash


def _balance(till: Till, account: str) -> object:
    ((amount,),) = till.run(_BALANCE, till.tenant.id, account)
    return amount
