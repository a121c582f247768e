import re

import openapi_spec_validator
import pytest
from flask import Flask

from tests.functions.billing_api.described import JSON, PROBLEM, Described
from tests.functions.billing_api.fakes import KEY

FILES = {"document.pdf": "application/pdf", "document.csv": "text/csv"}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_the_document_is_valid_openapi_3_1(api: Described) -> None:
    assert api.document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(api.document)


def test_the_document_needs_no_key(app: Flask) -> None:
    assert app.test_client().get("/api/v1/openapi.json").status_code == 200


def test_every_route_is_described(app: Flask, api: Described) -> None:
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method in METHODS
    }
    described = {
        (method.upper(), path) for path, operations in api.document["paths"].items() for method in operations
    }
    assert served == described
    assert len(served) == 90


def test_every_operation_needs_the_key_but_health_and_the_document(api: Described) -> None:
    assert api.document["security"] == [{"bearer": []}]
    assert api.document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    open_operations = {
        path
        for path, operations in api.document["paths"].items()
        for operation in operations.values()
        if "security" in operation
    }
    assert open_operations == {"/api/v1/health", "/api/v1/openapi.json"}


def test_every_operation_describes_its_answers_and_problems(api: Described) -> None:
    for path, operations in api.document["paths"].items():
        as_file = FILES.get(path.rpartition("/")[2], JSON)
        for operation in operations.values():
            for status, response in operation["responses"].items():
                media_type = as_file if status < "400" else PROBLEM
                assert list(response["content"]) == [media_type]
            assert {"422", "500", "503"} <= set(operation["responses"])


def test_operations_are_called_what_they_do(api: Described) -> None:
    names = [
        operation["operationId"]
        for operations in api.document["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))
    assert {
        "ingest_usage",
        "calculate_bill",
        "compare_plans",
        "explain_bill",
        "list_usage_aggregates",
    } <= set(names)


def test_every_list_has_items_and_a_next_cursor(api: Described) -> None:
    schemas = api.document["components"]["schemas"]
    lists = [name for name in schemas if name.endswith("List")]
    assert len(lists) == 25
    for name in lists:
        assert {"items", "next_cursor"} <= set(schemas[name]["required"])


def test_nothing_refers_to_a_schema_that_is_not_there(api: Described) -> None:
    referred = set(re.findall(r"#/components/schemas/([^\"']+)", str(api.document)))
    assert referred <= set(api.document["components"]["schemas"])


@pytest.mark.parametrize(
    "path", ["/openapi", "/openapi/", "/openapi/swagger", "/openapi/openapi.json", "/docs"]
)
def test_there_are_no_pages_that_load_scripts_from_elsewhere(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 404


def test_the_example_of_a_record_fits_its_schema(api: Described) -> None:
    body = api.document["paths"]["/api/v1/metrics/ingest"]["post"]["requestBody"]["content"][JSON]
    validator = api.schema(body["schema"])
    validator.validate(body["example"])
    validator.validate([body["example"]] * 2)
    validator.validate({"records": [body["example"]]})
    assert not validator.is_valid(body["example"] | {"memory": 1})
    assert not validator.is_valid(body["example"] | {"duration_seconds": -1})
    assert not validator.is_valid([])
