"""What a function imports until its first event is done: nobody waits for what another function needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from eventing import types

CHECKOUT = Path(__file__).parents[2]
NOWHERE = {
    "DATABASE_URL": "postgresql:///?host=/nowhere&connect_timeout=1",
    "REDIS_URL": "redis://127.0.0.1:1",
}
SERVE = """
import io, sys
from functions.main import application
body, type = b'{"service_name":"f"}', sys.argv[1]
environ = {
    "REQUEST_METHOD": "POST" if type else "GET", "PATH_INFO": "/" if type else "/api/v1/health",
    "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "x", "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr,
    "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "HTTP_HOST": "x",
    **({"HTTP_CE_SPECVERSION": "1.0", "HTTP_CE_ID": "1", "HTTP_CE_SOURCE": "/s", "HTTP_CE_TYPE": type,
        "HTTP_CE_TENANTID": "t"} if type else {}),
}
answers = []
b"".join(application()(environ, lambda status, headers, *_: answers.append(status)))
print(answers[0])
{found}
sys.stdout.flush()
import os
os._exit(0)
"""
MODULES = 'print(*sorted(sys.modules), sep="\\n")'
SCHEMAS = """
from functions.billing_api.schemas.common import Answer, Input
print(*(of.__name__ for kind in (Answer, Input) for of in kind.__subclasses__() if of.__pydantic_complete__))
"""
MODELS = ("sklearn", "scipy", "numpy", "pandas")
SERVERS = ("granian", "gunicorn", "uvicorn", "aiohttp", "runtime", "benchmarks")
DOCUMENTS = ("fpdf", "babel", "PIL", "fontTools")
NOBODY = frozenset(
    ("sqlalchemy", "alembic", "stripe", "kubernetes", "prometheus_client", *MODELS, *SERVERS, *DOCUMENTS)
)
OF_THE_API = frozenset(("pydantic", "pydantic_core", "flask_openapi3"))
OF_POSTGRESQL = frozenset(("psycopg", "psycopg_pool", "psycopg_binary"))
OF_REDIS = frozenset(("redis", "hiredis"))
OF_INVOICES = frozenset(
    (
        "shared.adapters.documents.csv",
        "shared.adapters.postgres.invoicing.invoices",
        "shared.adapters.postgres.invoicing.money",
    )
)
OF_RATING = frozenset(("shared.domain.plan", "shared.domain.cost"))
OF_METERS = frozenset(
    (
        "shared.domain.meter_definition",
        "shared.service.metering",
        "eventing.usage.metered",
        "shared.service.dimensions",
        "eventing.usage.labels",
    )
)


@pytest.mark.parametrize(
    ("function", "type", "needs", "others"),
    [
        ("aggregator", types.USAGE_RECORDED, OF_POSTGRESQL, OF_THE_API | OF_REDIS | OF_RATING | OF_METERS),
        ("pricing", types.USAGE_AGGREGATED, OF_POSTGRESQL, OF_THE_API | OF_REDIS),
        ("dead_letter", types.USAGE_RECORDED, OF_REDIS, OF_THE_API | OF_POSTGRESQL),
        ("billing_api", "", OF_POSTGRESQL | OF_THE_API, OF_REDIS),
    ],
)
def test_a_function_imports_what_it_needs_for_its_first_event_and_no_more(
    function: str, type: str, needs: frozenset[str], others: frozenset[str]
) -> None:
    status, *imported = _served(function, type, MODULES)
    assert status.startswith("503"), "it went as far as asking for what is not there"
    assert needs <= set(imported)
    assert not (NOBODY | OF_INVOICES | others) & set(imported)


def test_the_api_builds_schemas_when_they_are_asked_for() -> None:
    """All of them at once are half of its cold start."""
    status, *built = _served("billing_api", "", SCHEMAS)
    assert status.startswith("503"), "it went as far as asking for what is not there"
    assert set(" ".join(built).split()) <= {"Page"}, "which parametrised classes derive from"


def _served(function: str, type: str, found: str) -> list[str]:
    """The status of the first answer, and what `found` prints after it."""
    env = {"PATH": "/usr/bin:/bin", "FUNCTION_TARGET": function, "PYTHONPATH": str(CHECKOUT), **NOWHERE}
    served = subprocess.run(
        [sys.executable, "-c", SERVE.replace("{found}", found), type],
        cwd=CHECKOUT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return served.stdout.splitlines()
