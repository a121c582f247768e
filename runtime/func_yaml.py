"""A function's func.yaml, read strictly: what `func` would pass over in silence is a fault here."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runtime.strict_yaml import read_documents
from shared.domain.errors import Fault, Rejected

NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
REFERENCE: Final = re.compile(
    r"\{\{ *(?P<kind>secret|configMap):(?P<holder>[-.\w]+)(:(?P<key>[-.\w]+))? *\}\}"
)
RESERVED_ENV: Final = frozenset(
    {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "K_SINK", "K_CE_OVERRIDES"}
)
REQUIRED: Final = ("specVersion", "name", "created")

TEXTS: Final = {"*": str}
SHAPE: Final[Mapping[str, Any]] = {
    "specVersion": str,
    "name": str,
    "runtime": str,
    "registry": str,
    "image": str,
    "namespace": str,
    "created": str,
    "invoke": str,
    "build": {"builder": str, "builderImages": TEXTS, "buildEnvs": [{"name": str, "value": str}]},
    "run": {"envs": [{"name": str, "value": str}]},
    "deploy": {
        "namespace": str,
        "image": str,
        "annotations": TEXTS,
        "labels": [{"key": str, "value": str}],
        "options": {
            "scale": {
                "min": int,
                "max": int,
                "metric": str,
                "target": (int, float),
                "utilization": (int, float),
            },
            "resources": {
                "requests": {"cpu": str, "memory": str},
                "limits": {"cpu": str, "memory": str, "concurrency": int},
            },
        },
        "healthEndpoints": {"liveness": str, "readiness": str},
        "serviceAccountName": str,
        "imagePullSecret": str,
        "deployer": str,
        "subscriptions": [{"source": str, "filters": TEXTS}],
    },
}


@dataclass(frozen=True, slots=True)
class EnvSource:
    """One entry of run.envs: a literal `value`, or a key of a Secret or ConfigMap, or all of its keys
    (`name` empty)."""

    name: str
    value: str
    kind: str = ""
    holder: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What func.yaml says of a function, as far as starting it goes."""

    name: str
    path: Path
    envs: tuple[EnvSource, ...]
    labels: Mapping[str, str]
    readiness: str


def read_functions(folder: Path) -> tuple[FunctionSpec, ...]:
    """The functions below `folder`, by path. Raises Rejected with every fault of every file."""
    specs: dict[str, FunctionSpec] = {}
    faults: list[Fault] = []
    for path in sorted(folder.glob("**/func.yaml")):
        shown = path.relative_to(folder.parent)
        try:
            spec = _read(path)
        except Rejected as rejected:
            faults += [Fault(f"{shown} {fault.field}".strip(), fault.message) for fault in rejected.faults]
            continue
        if spec.name in specs:
            faults.append(Fault(f"{shown} name", f"{spec.name} is the name of another function too"))
        specs[spec.name] = spec
    if faults:
        raise Rejected(*faults)
    return tuple(specs.values())


def _read(path: Path) -> FunctionSpec:
    found = read_documents(path)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise Rejected.because("", "must hold one mapping")
    content = found[0]
    missing = [Fault(key, "is missing") for key in REQUIRED if key not in content]
    if faults := [*_misshapen(content, SHAPE, ""), *missing]:
        raise Rejected(*faults)
    deploy, entries = content.get("deploy", {}), content.get("run", {}).get("envs", [])
    labels = deploy.get("labels", [])
    if faults := [*_unusable_names(content["name"], labels), *_unusable_envs(entries)]:
        raise Rejected(*faults)
    return FunctionSpec(
        name=content["name"],
        path=path,
        envs=tuple(_env_source(entry) for entry in entries),
        labels={label["key"]: label.get("value", "") for label in labels},
        readiness=deploy.get("healthEndpoints", {}).get("readiness", "/health/readiness"),
    )


def _misshapen(content: object, shape: Any, where: str) -> Iterator[Fault]:
    if isinstance(shape, Mapping):
        if not isinstance(content, Mapping):
            yield Fault(where, "must be a mapping")
            return
        for key, value in content.items():
            at = f"{where}.{key}" if where else str(key)
            if (inner := shape.get(key, shape.get("*"))) is None:
                yield Fault(at, "is not a key that func.yaml has")
            else:
                yield from _misshapen(value, inner, at)
    elif isinstance(shape, list):
        if not isinstance(content, Sequence) or isinstance(content, str):
            yield Fault(where, "must be a list")
            return
        for index, value in enumerate(content):
            yield from _misshapen(value, shape[0], f"{where}[{index}]")
    elif not isinstance(content, shape) or isinstance(content, bool):
        yield Fault(where, "must be text (put it in quotes)" if shape is str else "must be a number")


def _unusable_names(name: str, labels: Sequence[Mapping[str, str]]) -> Iterator[Fault]:
    if NAME.fullmatch(name) is None:
        yield Fault("name", "must be lower-case letters, digits and dashes")
    keys = Counter(label.get("key", "") for label in labels)
    if keys.pop("", 0):
        yield Fault("deploy.labels", "a label has no key")
    for key, times in keys.items():
        if times > 1:
            yield Fault("deploy.labels", f"{key} is given twice")


def _unusable_envs(entries: Sequence[Mapping[str, str]]) -> Iterator[Fault]:
    names = Counter(entry.get("name", "") for entry in entries)
    for index, entry in enumerate(entries):
        at, key, value = f"run.envs[{index}]", entry.get("name", ""), entry.get("value")
        reference = REFERENCE.fullmatch(value or "")
        if value is None:
            yield Fault(f"{at}.value", "is missing")
        elif value.startswith("{{") and reference is None:
            yield Fault(f"{at}.value", "must be {{ secret:NAME:KEY }} or {{ configMap:NAME:KEY }}")
        elif not key and (reference is None or reference["key"]):
            yield Fault(f"{at}.name", "is missing")
        elif key and reference is not None and not reference["key"]:
            yield Fault(f"{at}.value", "names no key")
        if key and ENV_NAME.fullmatch(key) is None:
            yield Fault(f"{at}.name", "must be letters, digits and underscores")
        if key in RESERVED_ENV:
            yield Fault(f"{at}.name", f"{key} is set by Knative")
        if key and names[key] > 1:
            yield Fault(f"{at}.name", f"{key} is given twice")


def _env_source(entry: Mapping[str, str]) -> EnvSource:
    name, value = entry.get("name", ""), entry["value"]
    if (reference := REFERENCE.fullmatch(value)) is None:
        return EnvSource(name, value)
    return EnvSource(name, "", reference["kind"], reference["holder"], reference["key"] or "")
