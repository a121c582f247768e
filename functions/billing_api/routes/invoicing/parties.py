"""Sellers, organisations of buyers, and what a buyer is billed by."""

from uuid import UUID

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer, page
from functions.billing_api.cursors import read_cursor, write_cursor
from functions.billing_api.document import problems, routes
from functions.billing_api.schemas.common import PageQuery
from functions.billing_api.schemas.invoicing.parties import (
    DETAILS_BODY,
    ENTITY_BODY,
    ORGANISATION_BODY,
    BillingDetails,
    BillingEntity,
    BillingEntityList,
    BillingEntityPath,
    Organisation,
    OrganisationList,
    OrganisationPath,
    OrganisationTenant,
    OrganisationTenantList,
    PartyHistoryEntry,
    PartyHistoryList,
)
from functions.billing_api.schemas.tenants import TenantPath
from shared.service.invoicing.parties import Parties
from shared.service.tenants import Tenants

_ENTITIES = "billing-entities"
_ORGANISATIONS = "organisations"
_MEMBERS = "organisation-tenants"
_HISTORY = "party-history"


def party_routes(tenants: Tenants, parties: Parties) -> APIBlueprint:
    api = routes("parties", "Who sells, who buys, and how it is invoiced")
    _add_entities(api, parties)
    _add_organisations(api, parties)
    _add_details(api, tenants, parties)
    return api


def _add_entities(api: APIBlueprint, parties: Parties) -> None:
    @api.post(
        "/billing-entities",
        responses={201: BillingEntity, **problems(409, body=True)},
        openapi_extensions=ENTITY_BODY,
    )
    def create_billing_entity() -> Response:
        """Register a seller"""
        entity = parties.create_entity(request.get_json(), who=g.caller.name)
        created = answer(BillingEntity.of(entity), 201)
        created.headers["Location"] = f"{api.url_prefix}/billing-entities/{entity.id}"
        return created

    @api.get("/billing-entities", responses={200: BillingEntityList, **problems()})
    def list_billing_entities(query: PageQuery) -> Response:
        """List sellers"""
        after = read_cursor(_ENTITIES, query.cursor, UUID)
        found, next_cursor = page(
            parties.entities(limit=query.limit + 1, after=after),
            query.limit,
            lambda entity: write_cursor(_ENTITIES, str(entity.id)),
        )
        return answer(
            BillingEntityList(items=[BillingEntity.of(one) for one in found], next_cursor=next_cursor)
        )

    @api.get("/billing-entities/<billing_entity>", responses={200: BillingEntity, **problems(404)})
    def get_billing_entity(path: BillingEntityPath) -> Response:
        """Find a seller"""
        return answer(BillingEntity.of(parties.entity(path.billing_entity)))

    @api.put(
        "/billing-entities/<billing_entity>",
        responses={200: BillingEntity, **problems(404, 409, body=True)},
        openapi_extensions=ENTITY_BODY,
    )
    def replace_billing_entity(path: BillingEntityPath) -> Response:
        """Describe a seller anew, whole; final invoices stay as they are"""
        entity = parties.replace_entity(path.billing_entity, request.get_json(), who=g.caller.name)
        return answer(BillingEntity.of(entity))

    @api.delete("/billing-entities/<billing_entity>", responses={200: BillingEntity, **problems(404, 409)})
    def delete_billing_entity(path: BillingEntityPath) -> Response:
        """Delete a seller that never sold anything and that no billing details name"""
        return answer(BillingEntity.of(parties.delete_entity(path.billing_entity, who=g.caller.name)))

    @api.get("/billing-entities/<billing_entity>/history", responses={200: PartyHistoryList, **problems(404)})
    def list_billing_entity_history(path: BillingEntityPath, query: PageQuery) -> Response:
        """List who changed what of a seller"""
        return _history(parties, parties.entity(path.billing_entity).id, query)


def _add_organisations(api: APIBlueprint, parties: Parties) -> None:
    @api.post(
        "/organisations",
        responses={201: Organisation, **problems(409, body=True)},
        openapi_extensions=ORGANISATION_BODY,
    )
    def create_organisation() -> Response:
        """Create an organisation; tenants join it by their billing details"""
        organisation = parties.create_organisation(request.get_json(), who=g.caller.name)
        created = answer(Organisation.of(organisation), 201)
        created.headers["Location"] = f"{api.url_prefix}/organisations/{organisation.slug}"
        return created

    @api.get("/organisations", responses={200: OrganisationList, **problems()})
    def list_organisations(query: PageQuery) -> Response:
        """List organisations"""
        after = read_cursor(_ORGANISATIONS, query.cursor, UUID)
        found, next_cursor = page(
            parties.organisations(limit=query.limit + 1, after=after),
            query.limit,
            lambda organisation: write_cursor(_ORGANISATIONS, str(organisation.id)),
        )
        return answer(
            OrganisationList(items=[Organisation.of(one) for one in found], next_cursor=next_cursor)
        )

    @api.get("/organisations/<organisation>", responses={200: Organisation, **problems(404)})
    def get_organisation(path: OrganisationPath) -> Response:
        """Find an organisation"""
        return answer(Organisation.of(parties.organisation(path.organisation)))

    @api.put(
        "/organisations/<organisation>",
        responses={200: Organisation, **problems(404, 409, body=True)},
        openapi_extensions=ORGANISATION_BODY,
    )
    def replace_organisation(path: OrganisationPath) -> Response:
        """Describe an organisation anew: its name, and who is invoiced"""
        organisation = parties.replace_organisation(path.organisation, request.get_json(), who=g.caller.name)
        return answer(Organisation.of(organisation))

    @api.delete("/organisations/<organisation>", responses={200: Organisation, **problems(404, 409)})
    def delete_organisation(path: OrganisationPath) -> Response:
        """Delete an organisation without tenants and invoices"""
        return answer(Organisation.of(parties.delete_organisation(path.organisation, who=g.caller.name)))

    @api.get(
        "/organisations/<organisation>/tenants", responses={200: OrganisationTenantList, **problems(404)}
    )
    def list_organisation_tenants(path: OrganisationPath, query: PageQuery) -> Response:
        """List the tenants of an organisation"""
        after = read_cursor(_MEMBERS, query.cursor, UUID)
        found, next_cursor = page(
            parties.tenants_of(path.organisation, limit=query.limit + 1, after=after),
            query.limit,
            lambda member: write_cursor(_MEMBERS, str(member.tenant_id)),
        )
        items = [OrganisationTenant.of(member) for member in found]
        return answer(OrganisationTenantList(items=items, next_cursor=next_cursor))

    @api.get("/organisations/<organisation>/history", responses={200: PartyHistoryList, **problems(404)})
    def list_organisation_history(path: OrganisationPath, query: PageQuery) -> Response:
        """List who changed what of an organisation"""
        return _history(parties, parties.organisation(path.organisation).id, query)


def _add_details(api: APIBlueprint, tenants: Tenants, parties: Parties) -> None:
    @api.get("/tenants/<tenant>/billing-details", responses={200: BillingDetails, **problems(404)})
    def get_billing_details(path: TenantPath) -> Response:
        """What a tenant is billed by"""
        return answer(BillingDetails.of(parties.buyer(tenants.get(path.tenant, field="tenant"))))

    @api.put(
        "/tenants/<tenant>/billing-details",
        responses={200: BillingDetails, **problems(404, 409, body=True)},
        openapi_extensions=DETAILS_BODY,
    )
    def replace_billing_details(path: TenantPath) -> Response:
        """Say, whole, what a tenant is billed by; final invoices stay as they are"""
        tenant = tenants.get(path.tenant, field="tenant")
        return answer(
            BillingDetails.of(parties.replace_details(tenant, request.get_json(), who=g.caller.name))
        )

    @api.get("/tenants/<tenant>/billing-details/history", responses={200: PartyHistoryList, **problems(404)})
    def list_billing_details_history(path: TenantPath, query: PageQuery) -> Response:
        """List who changed what of a tenant's billing details and tax rates"""
        return _history(parties, tenants.get(path.tenant, field="tenant").id, query)


def _history(parties: Parties, about: UUID, query: PageQuery) -> Response:
    before = read_cursor(_HISTORY, query.cursor, UUID)
    found, next_cursor = page(
        parties.history(about, limit=query.limit + 1, before=before),
        query.limit,
        lambda change: write_cursor(_HISTORY, str(change.id)),
    )
    items = [PartyHistoryEntry.of(change) for change in found]
    return answer(PartyHistoryList(items=items, next_cursor=next_cursor))
