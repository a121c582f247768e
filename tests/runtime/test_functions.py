import http.client
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from runtime import ports
from runtime.func_yaml import read_functions
from runtime.functions import FunctionServer, environments, server
from runtime.processes import Process
from runtime.settings import CHECKOUT
from runtime.supervisor import Supervisor
from shared.domain.errors import Rejected

TINY_FUNCTION = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
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
BROKERS_URL = "http://broker"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one tiny function and the manifests of ours."""
    tiny = tmp_path / "functions" / "tiny"
    tiny.mkdir(parents=True)
    (tiny / "func.yaml").write_text(FUNC_YAML)
    (tmp_path / "functions" / "main.py").write_text(TINY_FUNCTION)
    shutil.copytree(CHECKOUT / "eventing" / "manifests" / "base", tmp_path / "manifests")
    return tmp_path


def test_a_function_finds_what_its_func_yaml_and_knative_give_it_and_nothing_else(checkout: Path) -> None:
    specs = read_functions(checkout / "functions")
    env = environments(specs, SECRETS, checkout / "manifests", BROKERS_URL)["billing-tiny"]
    tiny = server(specs[0], env, ports.some_free(1, frozenset())[0], checkout, checkout)
    process = Process.start(tiny.command)
    try:
        process.wait_until(tiny.ready, limit_s=30)
        with urlopen(f"http://127.0.0.1:{tiny.port}/") as answer:
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
        "K_SINK": "http://broker/billing/default",
        "K_CE_OVERRIDES": "",
        "PORT": str(tiny.port),
    }


def test_a_function_without_the_label_gets_no_sink(checkout: Path) -> None:
    path = checkout / "functions" / "tiny" / "func.yaml"
    path.write_text(path.read_text().replace("publishes", "listens"))
    specs = read_functions(checkout / "functions")
    env = environments(specs, SECRETS, checkout / "manifests", BROKERS_URL)["billing-tiny"]
    assert "K_SINK" not in env


def test_every_missing_secret_is_named(checkout: Path) -> None:
    path = checkout / "functions" / "tiny" / "func.yaml"
    more = "  - {name: ADMIN_API_KEY, value: '{{ secret:billing-admin:key }}'}\ndeploy:"
    path.write_text(path.read_text().replace("deploy:", more))
    specs = read_functions(checkout / "functions")
    with pytest.raises(Rejected) as refused:
        environments(specs, {}, checkout / "manifests", BROKERS_URL)
    assert [str(fault) for fault in refused.value.faults] == [
        "billing-tiny run.envs DATABASE_URL: there is no secret:billing-database:url",
        "billing-tiny run.envs ADMIN_API_KEY: there is no secret:billing-admin:key",
    ]


def test_a_function_that_dies_is_started_again_on_the_same_port(checkout: Path) -> None:
    specs = read_functions(checkout / "functions")
    env = environments(specs, SECRETS, checkout / "manifests", BROKERS_URL)["billing-tiny"]
    tiny = server(specs[0], env, ports.some_free(1, frozenset())[0], checkout, checkout)
    said: list[str] = []
    supervisor = Supervisor(said.append, lambda: False)
    deadline = time.monotonic() + 60
    try:
        supervisor.start(tiny.command, tiny.ready, limit_s=30)
        supervisor.wait_ready()
        with suppress(OSError, http.client.HTTPException):
            urlopen(f"http://127.0.0.1:{tiny.port}/die").close()
        while not (said and answers(tiny)):
            supervisor.tick()
            assert time.monotonic() < deadline
    finally:
        supervisor.stop()
    assert said == [f"billing-tiny ended with code 3; starting it again in 0.5 s ({tiny.command.log})"]
    assert ports.is_free(tiny.port)


def answers(function: FunctionServer) -> bool:
    with suppress(OSError):
        return function.ready()
    return False
