import json
import shutil
from pathlib import Path
from urllib.request import urlopen

import pytest

from runtime import ports
from runtime.func_yaml import read_functions
from runtime.functions import command, environments
from runtime.processes import Process
from runtime.settings import CHECKOUT
from shared.domain.errors import Rejected

TINY_FUNCTION = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FUNC_YAML = """
specVersion: 0.36.0
name: billing-tiny
created: "2026-01-01T00:00:00Z"
run:
  envs:
  - {name: FUNCTION_TARGET, value: tiny}
  - {name: DATABASE_URL, value: '{{ secret:billing-database:url }}'}
deploy:
  labels: [{key: faasbilling.dev/publishes, value: "true"}]
"""
SECRETS = {"billing-database:url": "postgresql:///billing"}
BROKER_PORT = 8081


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one tiny function and the manifests of ours."""
    tiny = tmp_path / "functions" / "tiny"
    tiny.mkdir(parents=True)
    (tiny / "func.yaml").write_text(FUNC_YAML)
    (tmp_path / "functions" / "main.py").write_text(TINY_FUNCTION)
    manifests = CHECKOUT / "eventing" / "manifests"
    shutil.copytree(manifests, tmp_path / "eventing" / "manifests")
    return tmp_path


def test_a_function_finds_what_its_func_yaml_and_knative_give_it_and_nothing_else(checkout: Path) -> None:
    specs = read_functions(checkout / "functions")
    env = environments(specs, SECRETS, checkout, BROKER_PORT)["billing-tiny"]
    (port,) = ports.some_free(1, frozenset())
    process = Process.start(command(specs[0], env, port, checkout, checkout))
    try:
        process.wait_until(lambda: ports.answers(port), limit_s=30)
        with urlopen(f"http://127.0.0.1:{port}/") as answer:
            found = json.load(answer)
    finally:
        process.stop()
    found.pop("LC_CTYPE", None)  # Python's own, where no locale is given
    assert found == {
        "FUNCTION_TARGET": "tiny",
        "DATABASE_URL": "postgresql:///billing",
        "K_SERVICE": "billing-tiny",
        "K_CONFIGURATION": "billing-tiny",
        "K_REVISION": "billing-tiny-00001",
        "K_SINK": "http://127.0.0.1:8081/billing/default",
        "K_CE_OVERRIDES": "",
        "PORT": str(port),
    }


def test_a_function_without_the_label_gets_no_sink(checkout: Path) -> None:
    path = checkout / "functions" / "tiny" / "func.yaml"
    path.write_text(path.read_text().replace("publishes", "listens"))
    specs = read_functions(checkout / "functions")
    env = environments(specs, SECRETS, checkout, BROKER_PORT)["billing-tiny"]
    assert "K_SINK" not in env


def test_every_missing_secret_is_named(checkout: Path) -> None:
    path = checkout / "functions" / "tiny" / "func.yaml"
    more = "  - {name: ADMIN_API_KEY, value: '{{ secret:billing-admin:key }}'}\ndeploy:"
    path.write_text(path.read_text().replace("deploy:", more))
    specs = read_functions(checkout / "functions")
    with pytest.raises(Rejected) as refused:
        environments(specs, {}, checkout, BROKER_PORT)
    assert [str(fault) for fault in refused.value.faults] == [
        "billing-tiny run.envs DATABASE_URL: there is no secret:billing-database:url",
        "billing-tiny run.envs ADMIN_API_KEY: there is no secret:billing-admin:key",
    ]
