"""The REST API as a Flask app of its own, behind the function's entry."""

from flask import Flask, Response, current_app, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI

from functions.billing_api import document
from functions.billing_api.auth import Authenticator
from functions.billing_api.bodies import BODY_BYTES_MAX, ApiRequest, StrictJson, discard_body, read_body
from functions.billing_api.ports import ApiServices
from functions.billing_api.problems import refuse, register_problems
from functions.billing_api.routes.billing import billing_routes
from functions.billing_api.routes.dead_letters import dead_letter_routes
from functions.billing_api.routes.dimensions import dimension_routes
from functions.billing_api.routes.explain import explain_routes
from functions.billing_api.routes.invoicing.credit_notes import credit_note_routes
from functions.billing_api.routes.invoicing.credits import credit_routes
from functions.billing_api.routes.invoicing.documents import document_routes
from functions.billing_api.routes.invoicing.invoices import invoice_routes
from functions.billing_api.routes.invoicing.parties import party_routes
from functions.billing_api.routes.invoicing.payments import payment_routes
from functions.billing_api.routes.invoicing.tax_rates import tax_rate_routes
from functions.billing_api.routes.meta import OPEN_ENDPOINTS, meta_routes
from functions.billing_api.routes.meters import meter_routes
from functions.billing_api.routes.metrics import INGEST_ENDPOINT, metrics_routes
from functions.billing_api.routes.oversight import oversight_routes
from functions.billing_api.routes.plans import plan_routes
from functions.billing_api.routes.services import service_routes
from functions.billing_api.routes.tenants import tenant_routes
from functions.billing_api.routes.unrated import unrated_routes
from functions.billing_api.routes.usage import usage_routes
from functions.billing_api.routes.voids import void_routes
from functions.billing_api.schemas.problem import Problem
from shared.domain.errors import Fault, Rejected
from shared.domain.usage import HTTP_BYTES_MAX

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class _Api(OpenAPI):
    request_class = ApiRequest
    json_provider_class = StrictJson


def create_app(services: ApiServices) -> Flask:
    """The app over these services. It keeps no state of its own."""
    app = _Api(
        __name__,
        info=document.INFO,
        security_schemes=document.SECURITY_SCHEMES,
        openapi_extensions=document.SECURITY,
        validation_error_model=Problem,
        validation_error_callback=refuse,
        doc_ui=False,
        static_folder=None,
    )
    # A path is an address or it is not: no redirects to cleaner ones.
    app.url_map.merge_slashes = False
    register_problems(app)
    app.before_request(lambda: _admit(services.authenticator))
    app.after_request(_finished)
    for api in _routes(app, services):
        app.register_api(api)
    return app


def _routes(app: OpenAPI, services: ApiServices) -> list[APIBlueprint]:
    return [
        meta_routes(services.check, lambda: document.document(app)),
        tenant_routes(services.tenants),
        service_routes(services.tenants),
        usage_routes(services.tenants, services.usage),
        metrics_routes(services.tenants, services.ingest, services.rebuild),
        plan_routes(services.tenants, services.plans, services.authoring),
        meter_routes(services.tenants, services.meters),
        dimension_routes(services.tenants, services.dimensions),
        party_routes(services.tenants, services.parties),
        tax_rate_routes(services.tenants, services.tax_rates),
        invoice_routes(services.invoicing),
        document_routes(services.invoicing),
        payment_routes(services.tenants, services.invoicing),
        credit_routes(services.tenants, services.invoicing),
        credit_note_routes(services.invoicing),
        unrated_routes(services.tenants, services.unrated),
        billing_routes(services.calculate, services.simulate),
        explain_routes(services.explain, services.evidence),
        oversight_routes(services.tenants, services.oversight),
        void_routes(services.tenants, services.voids),
        dead_letter_routes(services.tenants, services.triage),
    ]


def _admit(authenticator: Authenticator) -> None:
    """Who calls comes first, then whether there is such a route, then whether the request can be read."""
    if request.endpoint not in OPEN_ENDPOINTS:
        g.caller = authenticator.caller(request)
    if request.routing_exception is not None:
        return
    _refuse_odd_parameters()
    if request.method in _WITH_BODY:
        is_ingest = request.endpoint == INGEST_ENDPOINT
        read_body(request, HTTP_BYTES_MAX if is_ingest else BODY_BYTES_MAX)
        if not is_ingest and not isinstance(request.get_json(), dict):
            raise Rejected.because("", "the body must be a JSON object")


def _refuse_odd_parameters() -> None:
    """Parameters given twice, or at all where a route takes none; the rest is up to the route's own model."""
    takes_any = "query" in current_app.view_functions[request.endpoint or ""].__annotations__
    faults = [
        Fault(name, "is given more than once" if takes_any else "unknown parameter")
        for name, values in request.args.lists()
        if len(values) > 1 or not takes_any
    ]
    if faults:
        raise Rejected(*faults)


def _finished(response: Response) -> Response:
    discard_body(request)
    response.headers["Cache-Control"] = "no-store"
    return response
