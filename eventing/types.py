"""Every CloudEvent type, source and extension attribute of FaaS Billing, once."""

from typing import Final

USAGE_RECORDED: Final = "dev.faasbilling.usage.recorded.v1"
USAGE_VOIDED: Final = "dev.faasbilling.usage.voided.v1"
USAGE_AGGREGATED: Final = "dev.faasbilling.usage.aggregated.v1"
COST_ACCRUED: Final = "dev.faasbilling.cost.accrued.v1"
INVOICE_DRAFTED: Final = "dev.faasbilling.invoice.drafted.v1"
INVOICE_FINALIZED: Final = "dev.faasbilling.invoice.finalized.v1"
INVOICE_PAID: Final = "dev.faasbilling.invoice.paid.v1"
PING: Final = "dev.knative.sources.ping"
"""What every PingSource sends."""
HEALED_BY_SWEEPS: Final = frozenset({PING, USAGE_AGGREGATED})
"""Nothing is lost with these: the next sweep finds in the state whatever they would have set off."""

SOURCE_AGGREGATOR: Final = "/faas-billing/aggregator"
SOURCE_PRICING: Final = "/faas-billing/pricing"
SOURCE_INVOICING: Final = "/faas-billing/invoicing"
SOURCE_HTTP_INGEST: Final = "/faas-billing/api/v1/metrics/ingest"
SOURCE_SWEEP: Final = "/apis/v1/namespaces/billing/pingsources/sweep"
SOURCE_CLOSE: Final = "/apis/v1/namespaces/billing/pingsources/close"

TENANT_ID: Final = "tenantid"
PARTITION_KEY: Final = "partitionkey"
SEQUENCE: Final = "sequence"
