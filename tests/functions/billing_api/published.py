"""What tests of published answers need of the seller: ready plans, customers of theirs, and their bills."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.service.catalogue import install_catalogue
from tests.functions.billing_api.seller import Seller, seller_on

Json = dict[str, Any]
MS_NS = 10**6
GIB = 2**30


@contextmanager
def seller_with_catalogue(database_url: str) -> Iterator[Seller]:
    database = Database(database_url)
    install_catalogue(PostgresPlans(database))
    yield seller_on(database)
    database.close()


def customer(seller: Seller, name: str, plan: str, *, timezone: str = "UTC") -> str:
    """A new tenant with a plan that there is already, in its currency; the tenant's slug."""
    listed = seller.api.get("/pricing-plans?limit=1000").get_json()["items"]
    currency = next(ready["currency"] for ready in listed if ready["name"] == plan)
    tenant = {"name": name, "slug": name, "currency": currency, "timezone": timezone}
    assert seller.api.post("/tenants", tenant).status_code == 201
    assert seller.api.put(f"/tenants/{name}/pricing-plan", {"plan": plan}).status_code == 200
    return name


def call(seller: Seller, tenant: str, calls: int, ms: str = "0", mb: int = 0, **usage: Any) -> None:
    """`calls` of `ms` each, with `mb` of memory."""
    duration_ns = int(calls * Decimal(ms) * MS_NS)
    seller.use(tenant, calls, duration_ns=duration_ns, memory_mb=mb, **usage)


def keep_warm(seller: Seller, tenant: str, started_at: Iterable[str], hours: int) -> None:
    """One instance for `hours` from each of these instants on."""
    records = [
        {
            "tenant_id": tenant,
            "service_name": "f",
            "timestamp": start,
            "invocations": 0,
            "started_at": start,
            "provisioned_seconds": hours * 3_600,
        }
        for start in started_at
    ]
    assert seller.api.post("/metrics/ingest", {"records": records}).get_json()["accepted"] == len(records)


def amounts(bill: Json) -> list[str]:
    return [line["amount"] for line in bill["lines"]]


def quantities(bill: Json) -> list[str]:
    return [line["quantity"] for line in bill["lines"]]


def per_unit(meter: str, amount: str, per: str = "1", included: str = "0") -> Json:
    return {"kind": "per_unit", "meter": meter, "amount": amount, "per": per, "included": included}


def tiered(kind: str, *tiers: Sequence[str | None], meter: str = "invocations") -> Json:
    """A price by tiers of (up_to, amount, flat)."""
    named = ("up_to", "amount", "flat")
    return {"kind": kind, "meter": meter, "tiers": [dict(zip(named, t, strict=False)) for t in tiers]}
