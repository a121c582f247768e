"""What each function is started with, as its func.yaml says, and where its events go."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from runtime.func_yaml import REFERENCE, FunctionSpec
from runtime.manifest_documents import SinkBindingDocument, of_kind
from runtime.processes import Command
from shared.config import environment
from shared.domain.errors import Fault, Rejected

GRACE_S: Final = 30.0
INHERITED: Final = ("PATH", "HOME", "TMPDIR", "TZ", "SSL_CERT_FILE")


def base_environment() -> Mapping[str, str]:
    """The little that any program needs; nothing of ours reaches a function but by its func.yaml."""
    ours = environment()
    kept = {name: ours[name] for name in INHERITED if name in ours}
    return {**kept, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "ADDRESS": "127.0.0.1"}


def secrets(database_url: str, redis_url: str, admin_key: str) -> Mapping[str, str]:
    """The secrets that there are, by `name:key`."""
    return {
        "billing-database:url": database_url,
        "billing-redis:url": redis_url,
        "billing-admin:key": admin_key,
    }


def environments(
    functions: Iterable[FunctionSpec], secrets: Mapping[str, str], checkout: Path, broker_port: int
) -> dict[str, dict[str, str]]:
    """What each function finds in its environment beside the base and PORT, by its name: its own values with
    the `secrets`, what Serving adds, and the Broker that a SinkBinding among the manifests gives it.

    Raises Rejected naming every secret that does not exist.
    """
    manifests = checkout / "eventing" / "manifests" / "base"
    bindings = [document for _, document in of_kind(manifests, "SinkBinding", SinkBindingDocument)]
    faults: list[Fault] = []
    found = {}
    for function in functions:
        env = {
            "K_SERVICE": function.name,
            "K_CONFIGURATION": function.name,
            "K_REVISION": f"{function.name}-00001",
            **_sink(function, bindings, f"http://127.0.0.1:{broker_port}"),
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


def command(function: FunctionSpec, env: Mapping[str, str], port: int, checkout: Path, logs: Path) -> Command:
    """`env` is everything it finds in its environment but PORT, where it listens on this machine."""
    return Command(
        name=function.name,
        argv=(sys.executable, "-m", "functions.main"),
        log=logs / f"{function.name}.log",
        env={**env, "PORT": str(port)},
        cwd=checkout,
        grace_s=GRACE_S,
    )
