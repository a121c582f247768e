"""The product that records go through: its API, and its services for most of the records."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from eventing.types import SOURCE_HTTP_INGEST
from eventing.usage import decode
from eventing.usage.labels import read_labels
from functions.billing_api.app import create_app
from shared.adapters.postgres.dimension_book import PostgresUsageDimensions
from shared.adapters.postgres.dimension_values import PostgresDimensionValues
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.registry import Registry
from shared.adapters.postgres.series import PostgresSeries
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.postgres.usage import PostgresUsageLog
from shared.adapters.system import new_id
from shared.domain.errors import Conflict
from shared.service.dimensions import Labelling
from shared.service.ingest import IngestUsage
from tests.functions.billing_api.fakes import KEY
from tests.functions.billing_api.over_postgres import services_over
from tests.simulation.records import Delivery

SOURCE: Final = "/simulation"
Json = Mapping[str, Any]


class System:
    """`now` is what its clock says."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.now = now
        services, self._fold = services_over(database, self.clock)
        self._client = create_app(services).test_client()
        tenants, labelling = (
            PostgresTenants(database),
            Labelling(read_labels, PostgresDimensionValues(database)),
        )
        self._ingest = IngestUsage(
            decode=decode,
            tenants=tenants,
            series=PostgresSeries(database, new_id),
            log=PostgresUsageLog(database),
            clock=self.clock,
            dimensions=PostgresUsageDimensions(database, Registry(database, refresh_s=0), lambda: labelling),
        )

    def clock(self) -> datetime:
        return self.now

    def call(self, method: str, path: str, body: Json) -> tuple[int, Any]:
        """The status, and the answer."""
        return self._open(method, path, json.dumps(body, default=_text).encode(), {})

    def send(self, delivery: Delivery, body: bytes) -> Mapping[str, int]:
        """How many records it accepted, and how many it had. Raises Conflict."""
        if delivery.way == "event":
            outcome = self._ingest.accept_event(
                source=SOURCE, id=delivery.id, tenant_ref=delivery.tenants[0], time=delivery.until, data=body
            )
            return {"accepted": outcome.accepted, "duplicate": outcome.duplicate}
        key = {"Idempotency-Key": delivery.id} if delivery.id else {}
        status, answer = self._open("POST", "/metrics/ingest", body, key)
        if status == 422:
            raise Conflict.because("body", str(answer))
        assert status == 202, answer
        counts: Mapping[str, int] = answer
        return counts

    def void(self, tenant: str, delivery: Delivery, body: bytes) -> None:
        named: Json = {"source": SOURCE, "id": delivery.id}
        if delivery.way == "http":
            sha = f"sha:{sha256(body).hexdigest()}"
            by_body = {"source": SOURCE_HTTP_INGEST, "id": sha}
            named = {"idempotency_key": delivery.id} if delivery.id else by_body
        status, answer = self.call("POST", "/usage/voids", {"tenant_id": tenant, "reason": "a test", **named})
        assert status == 200, answer

    def fold(self) -> None:
        self._fold.run()

    def _open(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        answer = self._client.open(
            f"/api/v1{path}",
            method=method,
            data=body,
            headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers},
        )
        return answer.status_code, json.loads(answer.data)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    assert isinstance(value, UUID), value
    return str(value)
