"""Starts each function as its func.yaml says, and tells it where its events go."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from runtime.func_yaml import REFERENCE, FunctionSpec
from runtime.manifest_documents import SinkBindingDocument, of_kind
from runtime.processes import Command
from shared.domain.errors import Fault, Rejected

GRACE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class FunctionServer:
    """How to start a function; it listens on `port` of this machine once it is started."""

    command: Command
    port: int
    readiness: str

    def ready(self) -> bool:
        """Whether its readiness probe answers 200."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request("GET", self.readiness)
            return connection.getresponse().status == 200


def environments(
    functions: Iterable[FunctionSpec], secrets: Mapping[str, str], manifests: Path, brokers_url: str
) -> dict[str, dict[str, str]]:
    """What each function finds in its environment beside PORT, by its name: its own values with the `secrets`
    (by `name:key`), what Serving adds, and the Broker that a SinkBinding in `manifests` gives it.

    Raises Rejected naming every secret that does not exist.
    """
    bindings = [document for _, document in of_kind(manifests, "SinkBinding", SinkBindingDocument)]
    faults: list[Fault] = []
    found = {}
    for function in functions:
        env = {
            "K_SERVICE": function.name,
            "K_CONFIGURATION": function.name,
            "K_REVISION": f"{function.name}-00001",
            **_sink(function, bindings, brokers_url),
        }
        for name, value in function.envs.items():
            reference = REFERENCE.fullmatch(value)
            if reference is None:
                env[name] = value
            elif (secret := reference["secret"]) in secrets:
                env[name] = secrets[secret]
            else:
                faults.append(Fault(f"{function.name} run.envs {name}", f"there is no secret:{secret}"))
        found[function.name] = env
    if faults:
        raise Rejected(*faults)
    return found


def _sink(
    function: FunctionSpec, bindings: Sequence[SinkBindingDocument], brokers_url: str
) -> Mapping[str, str]:
    for binding in bindings:
        if binding.spec.subject.selector.match_labels.items() <= function.labels.items():
            broker = f"{binding.metadata.namespace}/{binding.spec.sink.ref.name}"
            return {"K_SINK": f"{brokers_url}/{broker}", "K_CE_OVERRIDES": ""}
    return {}


def server(
    function: FunctionSpec, env: Mapping[str, str], port: int, checkout: Path, logs: Path
) -> FunctionServer:
    """`env` is everything it finds in its environment but PORT."""
    command = Command(
        name=function.name,
        argv=(sys.executable, "-m", "functions.main"),
        log=logs / f"{function.name}.log",
        env={**env, "PORT": str(port)},
        cwd=checkout,
        grace_s=GRACE_S,
    )
    return FunctionServer(command, port, function.readiness)
