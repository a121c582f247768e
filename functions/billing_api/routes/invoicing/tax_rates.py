"""Taxes on what a tenant is charged."""

from uuid import UUID

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.common import PageQuery
from functions.billing_api.schemas.invoicing.tax_rates import (
    TAX_RATE_BODY,
    TaxRate,
    TaxRateEnd,
    TaxRateList,
    TaxRatePath,
)
from functions.billing_api.schemas.tenants import TenantPath
from shared.service.invoicing.tax_rates import TaxRates
from shared.service.tenants import Tenants

_LIST = "tax-rates"


def tax_rate_routes(tenants: Tenants, rates: TaxRates) -> APIBlueprint:
    api = routes("taxes", "Taxes on what a tenant is charged")

    def tenant_id(path: TenantPath) -> UUID:
        return tenants.get(path.tenant, field="tenant").id

    @api.get("/tenants/<tenant>/tax-rates", responses={200: TaxRateList, **problems(404)})
    def list_tax_rates(path: TenantPath, query: PageQuery) -> Response:
        """List the tax rates of a tenant, past ones too"""
        after = read_cursor(_LIST, query.cursor, UUID)
        found, next_cursor = page(
            rates.list(tenant_id(path), limit=query.limit + 1, after=after),
            query.limit,
            lambda rate: write_cursor(_LIST, str(rate.id)),
        )
        return answer(TaxRateList(items=[TaxRate.of(rate) for rate in found], next_cursor=next_cursor))

    @api.post(
        "/tenants/<tenant>/tax-rates",
        responses={201: TaxRate, **problems(404, 409, body=True)},
        openapi_extensions=TAX_RATE_BODY,
    )
    def add_tax_rate(path: TenantPath) -> Response:
        """Have a tenant charged a tax; final invoices stay as they are"""
        return answer(TaxRate.of(rates.add(tenant_id(path), request.get_json(), who=g.caller.name)), 201)

    @api.post(
        "/tenants/<tenant>/tax-rates/<rate>/end",
        responses={200: TaxRate, **problems(404, 409, body=True)},
    )
    def end_tax_rate(path: TaxRatePath, body: TaxRateEnd) -> Response:
        """Have a tax charged no more from an instant on"""
        rate = rates.end(tenant_id(path), path.rate, ends_at=body.ends_at, who=g.caller.name)
        return answer(TaxRate.of(rate))

    return api
