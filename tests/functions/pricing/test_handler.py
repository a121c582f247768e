from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from flask import Flask, Response, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from eventing import types
from functions import bootstrap
from functions.pricing import handler
from shared.domain.errors import NotFound, Unavailable


class Pricing:
    """Stands for the service; `costs` is what an accrual answers or raises."""

    def __init__(self) -> None:
        self.tenants: list[str] = []
        self.woken = 0
        self.swept = 0
        self.closed = 0
        self.failure: Exception | None = None
        self.costs: Sequence[object] | Exception = ["a cost"]

    def accrue(self, tenant_ref: str) -> Sequence[object]:
        self.tenants.append(tenant_ref)
        if isinstance(self.costs, Exception):
            raise self.costs
        return self.costs

    def wake(self) -> None:
        self.woken += 1

    def run(self) -> None:
        self.swept += 1
        if self.failure is not None:
            raise self.failure


class Closing:
    """Stands for the sweep that closes periods."""

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing

    def run(self) -> None:
        self._pricing.closed += 1


@pytest.fixture
def pricing(monkeypatch: pytest.MonkeyPatch) -> Pricing:
    fake = Pricing()
    monkeypatch.setattr(bootstrap, "pricing", lambda: fake)
    monkeypatch.setattr(bootstrap, "sending", lambda: fake)
    monkeypatch.setattr(bootstrap, "pricing_sweep", lambda: fake)
    monkeypatch.setattr(bootstrap, "closing", lambda: Closing(fake))
    return fake


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)
    app.add_url_rule("/", view_func=_view, methods=["POST", "GET"])
    return app.test_client()


def _view() -> Response:
    return handler.handle(request)


Send = Callable[..., TestResponse]


@pytest.fixture
def send(client: FlaskClient) -> Send:
    def send(**attributes: str | None) -> TestResponse:
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": types.SOURCE_AGGREGATOR,
            "type": types.USAGE_AGGREGATED,
            types.TENANT_ID: "demo",
        } | attributes
        headers = {f"ce-{name}": value for name, value in event.items() if value is not None}
        return client.post("/", headers=headers, data=b"{}", content_type="application/json")

    return send


def test_a_notice_accrues_the_tenants_cost_and_sends_what_it_announces(pricing: Pricing, send: Send) -> None:
    response = send()
    assert (response.status_code, response.data) == (204, b"")
    assert pricing.tenants == ["demo"]
    assert pricing.woken == 1


def test_a_notice_that_changes_nothing_sends_nothing(pricing: Pricing, send: Send) -> None:
    pricing.costs = []
    assert send().status_code == 204
    assert pricing.woken == 0


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({types.TENANT_ID: None}, types.TENANT_ID),
        ({types.TENANT_ID: ""}, types.TENANT_ID),
        ({"type": types.USAGE_RECORDED}, "type"),
        ({"id": None}, "id"),
    ],
)
def test_a_wrong_event_is_refused_for_good(
    pricing: Pricing, send: Send, attributes: dict[str, str | None], field: str
) -> None:
    response = send(**attributes)
    assert response.status_code == 422
    assert response.get_json()["errors"][0]["field"] == field
    assert pricing.tenants == []


def test_an_unknown_tenant_is_refused_for_good(pricing: Pricing, send: Send) -> None:
    pricing.costs = NotFound.because("tenantid", "no tenant 'demo'")
    assert send().status_code == 422


def test_a_database_that_is_away_is_tried_again_later(pricing: Pricing, send: Send) -> None:
    pricing.costs = Unavailable("PostgreSQL")
    assert send().status_code == 503


TICK = {"type": types.PING, "source": types.SOURCE_SWEEP, types.TENANT_ID: None}


def test_the_tick_of_the_sweep_names_no_tenant_and_sweeps(pricing: Pricing, send: Send) -> None:
    response = send(**TICK)
    assert (response.status_code, response.data) == (204, b"")
    assert (pricing.swept, pricing.tenants) == (1, [])


def test_the_tick_of_the_close_closes_periods_and_sweeps_nothing(pricing: Pricing, send: Send) -> None:
    assert send(**TICK | {"source": types.SOURCE_CLOSE}).status_code == 204
    assert (pricing.closed, pricing.swept) == (1, 0)


def test_the_tick_of_another_source_is_refused_for_good(pricing: Pricing, send: Send) -> None:
    response = send(**TICK | {"source": "/apis/v1/namespaces/billing/pingsources/other"})
    assert response.status_code == 422
    assert response.get_json()["errors"][0]["field"] == "source"
    assert pricing.swept == 0


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Unavailable("PostgreSQL"), 503), (RuntimeError("the sweep could not accrue"), 500)],
)
def test_a_sweep_that_failed_is_repeated_by_the_broker(
    pricing: Pricing, send: Send, failure: Exception, status: int
) -> None:
    pricing.failure = failure
    assert send(**TICK).status_code == status


def test_the_function_is_deployed_under_its_own_name_and_publishes() -> None:
    path = Path(handler.__file__).with_name("func.yaml")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    environment = {entry["name"]: entry["value"] for entry in document["run"]["envs"]}
    labels = {label["key"]: label["value"] for label in document["deploy"]["labels"]}
    assert document["name"] == "billing-pricing"
    assert environment["FUNCTION_TARGET"] == "pricing"
    assert environment["DATABASE_URL"] == "{{ secret:billing-database:url }}"
    assert labels["faasbilling.dev/publishes"] == "true"
