"""Starts each function as its func.yaml says, and tells the others where it listens."""

import http.client
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from runtime.func_yaml import EnvSource, FunctionSpec
from runtime.manifest_documents import Ref, SinkBindingDocument, of_kind
from runtime.processes import Command
from runtime.state import write_whole
from shared.domain.errors import Fault, Rejected

GRACE_S: Final = 30.0

Objects = Mapping[tuple[str, str], Mapping[str, str]]
"""The keys of each Secret and ConfigMap, by (kind, name)."""


@dataclass(frozen=True, slots=True)
class FunctionServer:
    """How to start a function; it listens on `port` of this machine once it is started."""

    command: Command
    port: int
    readiness: str

    def ready(self) -> bool:
        """Whether its readiness probe answers 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self.readiness)
            return connection.getresponse().status == 200
        except http.client.HTTPException:
            return False
        finally:
            connection.close()


def environments(
    functions: Iterable[FunctionSpec], objects: Objects, manifests: Path, address_of: Callable[[Ref], str]
) -> dict[str, dict[str, str]]:
    """What each function finds in its environment beside PORT, by its name: its own values with their Secrets
    and ConfigMaps, what Serving adds, and the sink that a SinkBinding in `manifests` gives it.

    Raises Rejected naming every reference to something that does not exist.
    """
    bindings = [document for _, document in of_kind(manifests, "SinkBinding", SinkBindingDocument)]
    faults: list[Fault] = []
    found = {}
    for function in functions:
        own: dict[str, str] = {}
        for source in function.envs:
            try:
                own.update(_values(source, objects))
            except KeyError as error:
                faults.append(
                    Fault(f"{function.name} run.envs {source.name}".strip(), f"there is no {error.args[0]}")
                )
        found[function.name] = {**own, **_serving(function), **_sink(function, bindings, address_of)}
    if faults:
        raise Rejected(*faults)
    return found


def _values(source: EnvSource, objects: Objects) -> Mapping[str, str]:
    if not source.kind:
        return {source.name: source.value}
    holder = objects.get((source.kind, source.holder))
    if holder is None or (source.key and source.key not in holder):
        raise KeyError(f"{source.kind}:{source.holder}:{source.key}".rstrip(":"))
    return {source.name: holder[source.key]} if source.key else holder


def _serving(function: FunctionSpec) -> Mapping[str, str]:
    revision = f"{function.name}-00001"
    return {"K_SERVICE": function.name, "K_CONFIGURATION": function.name, "K_REVISION": revision}


def _sink(
    function: FunctionSpec, bindings: Iterable[SinkBindingDocument], address_of: Callable[[Ref], str]
) -> Mapping[str, str]:
    for binding in bindings:
        spec = binding.spec
        if spec.subject.selector.match_labels.items() <= function.labels.items():
            sink = address_of(spec.sink.ref) + spec.sink.uri if spec.sink.ref else spec.sink.uri
            overrides = (
                msgspec.json.encode(spec.ce_overrides).decode() if spec.ce_overrides.extensions else ""
            )
            return {"K_SINK": sink, "K_CE_OVERRIDES": overrides}
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


def publish_addresses(path: Path, ports: Mapping[str, int]) -> None:
    """Writes where each Service listens, for the broker to resolve `ref: {kind: Service}`."""
    write_whole(
        path, json.dumps({name: f"http://127.0.0.1:{port}" for name, port in ports.items()}, indent=2) + "\n"
    )
