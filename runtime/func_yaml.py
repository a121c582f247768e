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
REFERENCE: Final = re.compile(r"\{\{ *secret:(?P<secret>[-.\w]+:[-.\w]+) *\}\}")
RESERVED_ENV: Final = frozenset(
    {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "K_SINK", "K_CE_OVERRIDES"}
)
CONCURRENCY_MAX: Final = 1000
LIVENESS: Final = "/health/liveness"
READINESS: Final = "/health/readiness"
REQUIRED: Final = ("specVersion", "name", "created")

NUMBER: Final = (int, float)
SHAPE: Final[Mapping[str, Any]] = {
    "specVersion": str,
    "name": str,
    "runtime": str,
    "registry": str,
    "image": str,
    "namespace": str,
    "created": str,
    "invoke": str,
    "build": dict,
    "run": {"envs": [{"name": str, "value": str}]},
    "deploy": {
        "namespace": str,
        "image": str,
        "annotations": dict,
        "labels": [{"key": str, "value": str}],
        "options": {
            "scale": {"min": int, "max": int, "metric": str, "target": NUMBER, "utilization": NUMBER},
            "resources": {
                "requests": {"cpu": str, "memory": str},
                "limits": {"cpu": str, "memory": str, "concurrency": int},
            },
        },
        "healthEndpoints": {"liveness": str, "readiness": str},
        "serviceAccountName": str,
        "imagePullSecret": str,
        "deployer": str,
        "subscriptions": [dict],
    },
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How many instances there may be, and how many requests at once in each; 0 for `max` and `concurrency`
    is no limit."""

    min: int = 0
    max: int = 0
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What func.yaml says of a function, as far as starting it goes; a value of `envs` may be a REFERENCE."""

    name: str
    envs: Mapping[str, str]
    labels: Mapping[str, str]
    readiness: str
    scale: Scale
    liveness: str = LIVENESS


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
    faults = [*_misshapen(content, SHAPE, "")]
    faults += [Fault(key, "is missing") for key in REQUIRED if key not in content]
    if faults:
        raise Rejected(*faults)
    deploy, envs = content.get("deploy", {}), content.get("run", {}).get("envs", [])
    labels = deploy.get("labels", [])
    health = deploy.get("healthEndpoints", {})
    scale = _scale(deploy.get("options", {}))
    faults = [*_unusable_labels(labels), *_unusable_envs(envs), *_unusable_scale(scale)]
    if NAME.fullmatch(content["name"]) is None:
        faults.append(Fault("name", "must be lower-case letters, digits and dashes"))
    if faults:
        raise Rejected(*faults)
    return FunctionSpec(
        name=content["name"],
        envs={env["name"]: env["value"] for env in envs},
        labels={label["key"]: label.get("value", "") for label in labels},
        readiness=health.get("readiness", READINESS),
        scale=scale,
        liveness=health.get("liveness", LIVENESS),
    )


def _scale(options: Mapping[str, Any]) -> Scale:
    scale, limits = options.get("scale", {}), options.get("resources", {}).get("limits", {})
    return Scale(scale.get("min", 0), scale.get("max", 0), limits.get("concurrency", 0))


def _misshapen(content: Any, shape: Any, where: str) -> Iterator[Fault]:
    """`shape` is a type, a mapping of keys to shapes, or a list with the shape of every item."""
    kind: Any = type(shape) if isinstance(shape, (dict, list)) else shape
    if not isinstance(content, kind) or isinstance(content, bool):
        told = {str: "text (put it in quotes)", dict: "a mapping", list: "a list"}
        yield Fault(where, f"must be {told.get(kind, 'a number')}")
    elif isinstance(shape, dict):
        for key, value in content.items():
            at = f"{where}.{key}".lstrip(".")
            if key in shape:
                yield from _misshapen(value, shape[key], at)
            else:
                yield Fault(at, "is not a key that func.yaml has")
    elif isinstance(shape, list):
        for index, value in enumerate(content):
            yield from _misshapen(value, shape[0], f"{where}[{index}]")


def _unusable_labels(labels: Sequence[Mapping[str, str]]) -> Iterator[Fault]:
    for key, times in Counter(label.get("key", "") for label in labels).items():
        if not key:
            yield Fault("deploy.labels", "a label has no key")
        elif times > 1:
            yield Fault("deploy.labels", f"{key} is given twice")


def _unusable_scale(scale: Scale) -> Iterator[Fault]:
    at = "deploy.options.scale"
    for name, value in (("min", scale.min), ("max", scale.max)):
        if value < 0:
            yield Fault(f"{at}.{name}", f"must not be negative, and is {value}")
    if 0 < scale.max < scale.min:
        yield Fault(f"{at}.max", f"is {scale.max}, and min is {scale.min}")
    if not 0 <= scale.concurrency <= CONCURRENCY_MAX:
        at = "deploy.options.resources.limits.concurrency"
        yield Fault(at, f"must be from 0 to {CONCURRENCY_MAX}, and is {scale.concurrency}")


def _unusable_envs(envs: Sequence[Mapping[str, str]]) -> Iterator[Fault]:
    names = Counter(env.get("name") for env in envs)
    for index, env in enumerate(envs):
        at, name, value = f"run.envs[{index}]", env.get("name"), env.get("value")
        if name is None:
            yield Fault(f"{at}.name", "is missing")
        elif ENV_NAME.fullmatch(name) is None:
            yield Fault(f"{at}.name", "must be letters, digits and underscores")
        elif name in RESERVED_ENV:
            yield Fault(f"{at}.name", f"{name} is set by Knative")
        elif names[name] > 1:
            yield Fault(f"{at}.name", f"{name} is given twice")
        if value is None:
            yield Fault(f"{at}.value", "is missing")
        elif value.startswith("{{") and REFERENCE.fullmatch(value) is None:
            yield Fault(f"{at}.value", "must be {{ secret:NAME:KEY }}, the only reference that is read here")
