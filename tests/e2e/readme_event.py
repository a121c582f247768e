"""FaaS Billing's README event, and every way in for it."""

from tests.e2e.product import Product

EVENT = (
    b'{"timestamp":"2025-10-15T12:00:00Z","tenant_id":"demo-tenant","service_name":"waiter",'
    b'"revision":"waiter-00001","invocations":1,"duration_seconds":0.234,"memory_mb":64.5,'
    b'"cold_start":false,"labels":{"method":"GET","status":"200"}}'
)
BINARY = {"id": "binary", "type": "dev.faasbilling.usage.recorded.v1", "tenantid": "demo-tenant"}
STRUCTURED = {**BINARY, "id": "structured"}


def post_every_way(product: Product) -> list[int]:
    """Singly and in an array to the API, as a binary and as a structured CloudEvent to the Broker."""
    return [
        product.api("POST", "/metrics/ingest", EVENT).status,
        product.api("POST", "/metrics/ingest", b"[" + EVENT + b"]").status,
        product.send_event(EVENT, BINARY).status,
        product.send_event(EVENT, STRUCTURED, structured=True).status,
    ]
