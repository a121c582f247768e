"""Usage in, and windows anew."""

from datetime import timedelta

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from functions.billing_api.answers import answer
from functions.billing_api.document import problems, routes
from functions.billing_api.ports import AcceptUsage, RebuildWindows
from functions.billing_api.references import blaming
from functions.billing_api.schemas.record import INGEST_BODY
from functions.billing_api.schemas.usage import Ingested, IngestHeaders, RebuildAnswer, RebuildRequest
from shared.domain.errors import Conflict, Rejected
from shared.domain.windows import PERIOD_MAX
from shared.service.tenants import Tenants

INGEST_ENDPOINT = "metrics.ingest_usage"


def metrics_routes(tenants: Tenants, ingest: AcceptUsage, rebuild: RebuildWindows) -> APIBlueprint:
    api = routes("metrics", "Usage as it was recorded")

    @api.post(
        "/metrics/ingest",
        responses={202: Ingested, **problems(body=True)},
        openapi_extensions={"requestBody": INGEST_BODY},
    )
    def ingest_usage(header: IngestHeaders) -> Response:
        """Accept usage records, of one tenant or several, all of them or none"""
        try:
            outcome = ingest(request.get_data(), idempotency_key=header.idempotency_key)
        except Conflict as error:
            raise Rejected(*error.faults, total=error.total) from error
        return answer(Ingested(accepted=outcome.accepted, duplicate=outcome.duplicate), 202)

    @api.post("/metrics/aggregate", responses={200: RebuildAnswer, **problems(body=True)})
    def rebuild_windows(body: RebuildRequest) -> Response:
        """Rebuild a tenant's windows from the usage as it was recorded"""
        if not timedelta(0) < body.end_time - body.start_time <= PERIOD_MAX:
            raise Rejected.because("end_time", f"must be up to {PERIOD_MAX.days} days after start_time")
        with blaming():
            tenant = tenants.get(body.tenant_id)
        return answer(RebuildAnswer.of(rebuild(tenant.id, body.start_time, body.end_time)))

    return api
