"""The Broker under examination: the embedded one, or any that CONFORMANCE_BROKER_URL names."""

import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from shared.config import environment
from tests.runtime.broker.rig import PROBE, BrokerClient, RunningBroker, Subscriber, until

READY_LIMIT_S = 60.0
QUIET_S = 2.0
QUICK = {"retry": 3, "backoffPolicy": "exponential", "backoffDelay": "PT0.1S", "timeout": "PT1S"}


@dataclass
class Target(BrokerClient):
    """`apply` and `delete` take YAML under a name of its own; after `quiet` nothing more is to come."""

    apply: Callable[[str, str], None]
    delete: Callable[[str, str], None]
    quiet: Callable[[], None]
    run: str = field(default_factory=lambda: secrets.token_hex(3))
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def new_type(self) -> str:
        """For events of one test alone."""
        return f"conformance.{self.run}.{next(self._numbers)}"

    @contextmanager
    def trigger(
        self,
        subscriber: Subscriber,
        letters: Subscriber | None = None,
        delivery: Mapping[str, Any] = QUICK,
        kind: str = "",
    ) -> Iterator[str]:
        """A Trigger in force for events of the type that it yields."""
        kind = kind or self.new_type()
        sink = {"deadLetterSink": {"uri": letters.url}} if letters else {}
        spec = {"filters": [{"exact": {"type": kind}}], "delivery": {**delivery, **sink}}
        with self.triggers({"": spec}, subscriber, ready=[""], event={"type": kind}):
            yield kind

    @contextmanager
    def triggers(
        self,
        specs: Mapping[str, Mapping[str, Any]],
        subscriber: Subscriber,
        *,
        ready: Iterable[str],
        event: Mapping[str, str],
        headers: Mapping[str, str] = {},
    ) -> Iterator[None]:
        """A Trigger for each spec, which is its path at the subscriber; in force as soon as a probe, an
        event of these attributes, has come to those that are to be `ready`."""
        name = f"conformance-{self.run}-{next(self._numbers)}"
        document = yaml.safe_dump_all(
            self._document(f"{name}{path}", {"uri": f"{subscriber.url}/{path}"}, spec)
            for path, spec in specs.items()
        )
        wanted = {f"/{path}" for path in ready}
        self.apply(name, document)
        try:
            until(lambda: self._probe(subscriber, wanted, event, headers), "for Triggers", READY_LIMIT_S)
            yield
        finally:
            self.delete(name, document)

    def _probe(
        self,
        subscriber: Subscriber,
        wanted: set[str],
        event: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> bool:
        self.send_event({**event, "id": f"{PROBE}{next(self._numbers)}"}, headers=headers)
        return wanted <= subscriber.probed

    def _document(self, name: str, to: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, Any]:
        namespace, broker = self.path.strip("/").split("/")
        return {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"broker": broker, "subscriber": to, **spec},
        }


def embedded(broker: RunningBroker) -> Target:
    def file(name: str) -> Path:
        return broker.home / "triggers" / f"{name}.yaml"

    def apply(name: str, document: str) -> None:
        file(name).write_text(document)

    def delete(name: str, document: str) -> None:
        file(name).unlink()

    def quiet() -> None:
        until(lambda: broker.backlog().get("outstanding") == 0)

    return Target(broker.url, apply, delete, quiet)


def given() -> Target | None:
    """Another Broker, where the environment names one. CONFORMANCE_APPLY takes a Trigger on its input."""
    env = environment()
    if not (url := env.get("CONFORMANCE_BROKER_URL", "")):
        return None
    applying = env.get("CONFORMANCE_APPLY", "kubectl apply -f -")
    deleting = env.get("CONFORMANCE_DELETE", applying.replace("apply", "delete"))
    return Target(
        url.rstrip("/"),
        lambda _, document: _pipe(applying, document),
        lambda _, document: _pipe(deleting, document),
        lambda: time.sleep(QUIET_S),  # nobody can be asked whether something is still to come
    )


def subscriber_host() -> str:
    """Where the Broker finds this machine."""
    return environment().get("CONFORMANCE_SUBSCRIBER_HOST", "127.0.0.1")


def _pipe(command: str, document: str) -> None:
    subprocess.run(shlex.split(command), input=document, text=True, check=True, stdout=subprocess.DEVNULL)
