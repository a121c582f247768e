"""Credit of tenants: bought or given away, and paid out."""

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.common import PageQuery
from functions.billing_api.schemas.invoicing.credits import (
    Credit,
    CreditList,
    CreditPath,
    NewCredit,
    PaidOutCredit,
)
from functions.billing_api.schemas.invoicing.money import IdempotencyHeaders, PartialAmount
from functions.billing_api.schemas.invoicing.payments import Refund
from functions.billing_api.schemas.tenants import TenantPath
from shared.service.tenants import Tenants

if TYPE_CHECKING:
    from functions.invoicing import InvoicingServices

_LIST = "credits"


def credit_routes(tenants: Tenants, invoicing: "InvoicingServices") -> APIBlueprint:
    api = routes("credits", "Credit that pays invoices")

    def tenant_ref(path: TenantPath) -> str:
        return str(tenants.get(path.tenant, field="tenant").id)

    @api.post("/tenants/<tenant>/credits", responses={201: Credit, **problems(404, 409, body=True)})
    def grant_credit(path: TenantPath, header: IdempotencyHeaders, body: NewCredit) -> Response:
        """Give a tenant credit, or note what it bought"""
        credit = invoicing.credits.grant(
            tenant_ref(path),
            body.kind,
            body.amount,
            description=body.description,
            priority=body.priority,
            expires_at=body.expires_at,
            idempotency_key=header.idempotency_key,
            who=g.caller.name,
        )
        return answer(Credit.of(credit), 201)

    @api.get("/tenants/<tenant>/credits", responses={200: CreditList, **problems(404)})
    def list_credits(path: TenantPath, query: PageQuery) -> Response:
        """List the credit of a tenant, and what remains of each"""
        after = read_cursor(_LIST, query.cursor, UUID)
        found, next_cursor = page(
            invoicing.credits.list(tenant_ref(path), limit=query.limit + 1, after=after),
            query.limit,
            lambda credit: write_cursor(_LIST, str(credit.grant.id)),
        )
        return answer(CreditList(items=[Credit.of(one) for one in found], next_cursor=next_cursor))

    @api.post(
        "/tenants/<tenant>/credits/<credit>/refunds",
        responses={201: PaidOutCredit, **problems(404, 409, body=True)},
    )
    def refund_credit(path: CreditPath, header: IdempotencyHeaders, body: PartialAmount) -> Response:
        """Pay out what remains of a credit, or a part of it"""
        paid_out = invoicing.credits.refund(
            tenant_ref(path),
            path.credit,
            body.amount,
            reason=body.reason,
            idempotency_key=header.idempotency_key,
            who=g.caller.name,
        )
        return answer(
            PaidOutCredit(refund=Refund.of(paid_out.refund), credit=Credit.of(paid_out.credit)), 201
        )

    return api
