"""The whole product, as `make run` starts it: real processes over real HTTP."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from runtime.ports import some_free
from runtime.state import socket_dir
from shared.adapters.redis_dead_letters import RedisDeadLetters
from shared.config import environment
from shared.domain.dead_letters import KeptLetter

CHECKOUT = Path(__file__).parents[2]
START_LIMIT_S = 120.0
SETTLE_LIMIT_S = 60.0
SEND_LIMIT_S = 30.0
SEND_AGAIN_S = 0.1
TRIGGER_LIMIT_S = 30.0
ADMIN_KEY = "e2e-admin-key"
SWITCHES = "BROKER_CHAOS"
TAIL_LINES = 25


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Product:
    """The running product and the ways into it."""

    state_dir: Path
    triggers_dir: Path
    api_port: int
    broker_port: int
    admin_key: str = ADMIN_KEY
    checkout: Path = CHECKOUT
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def api_url(self) -> str:
        return f"http://localhost:{self.api_port}"

    @property
    def broker_url(self) -> str:
        return f"http://localhost:{self.broker_port}/billing/default"

    @property
    def switches(self) -> str:
        """The broker's test switches: those of the settings, else those that pytest was given."""
        return self.settings.get(SWITCHES, environment().get(SWITCHES, ""))

    def start(self) -> None:
        log = (self.state_dir.parent / "run.log").open("ab")
        with closing(log):
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runtime"],
                cwd=self.checkout,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={
                    **{k: v for k, v in environment().items() if k in ("PATH", "HOME", "LANG")},
                    **self.settings,
                    SWITCHES: self.switches,
                    "STATE_DIR": str(self.state_dir),
                    "TRIGGERS_DIR": str(self.triggers_dir),
                    "API_PORT": str(self.api_port),
                    "BROKER_PORT": str(self.broker_port),
                    "ADMIN_API_KEY": self.admin_key,
                },
            )
        until(lambda: b"Ctrl-C stops it" in self.output(), START_LIMIT_S, self.output, alive=self.is_alive)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def restart(self) -> None:
        """Everything stopped and started again on the same state."""
        self.stop()
        (self.state_dir.parent / "run.log").unlink()
        self.start()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """kill -9 of the process that holds all others."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def output(self) -> bytes:
        return (self.state_dir.parent / "run.log").read_bytes()

    def broker_log(self) -> str:
        return (self.state_dir / "logs" / "broker.log").read_text(errors="replace")

    def tells(self) -> str:
        """For people, where a test failed: the test switches, and how the run's and the broker's log end."""
        lines = [f"{SWITCHES}={self.switches!r}"]
        for log in (self.state_dir.parent / "run.log", self.state_dir / "logs" / "broker.log"):
            text = log.read_text(errors="replace") if log.exists() else "there is none"
            lines += [f"the end of {log}:", *text.splitlines()[-TAIL_LINES:]]
        return "\n".join(lines)

    def api(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request with the admin key; `body` is bytes as they are, or anything JSON can hold."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        wanted = {"Authorization": f"Bearer {self.admin_key}", **(headers or {})}
        if data is not None:
            wanted.setdefault("Content-Type", "application/json")
        target = f"/api/v1{path}" + (f"?{urlencode(query)}" if query else "")
        return request(self.api_port, method, target, wanted, data)

    def send_event(self, data: bytes, attributes: Mapping[str, str], *, structured: bool = False) -> Answer:
        """A CloudEvent to the Broker, in binary or structured mode."""
        attributes = {"specversion": "1.0", "source": "/e2e", **attributes}
        if structured:
            envelope = {**attributes, "datacontenttype": "application/json", "data": json.loads(data)}
            headers = {"Content-Type": "application/cloudevents+json"}
            return self.send_raw(json.dumps(envelope).encode(), headers)
        headers = {"Content-Type": "application/json"}
        return self.send_raw(data, headers | {f"ce-{name}": value for name, value in attributes.items()})

    def send_raw(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Sent again while the Broker answers 503 or not at all, with a limit, as a sound producer does."""
        deadline = time.monotonic() + SEND_LIMIT_S
        while True:
            is_last = time.monotonic() >= deadline
            try:
                answer = request(self.broker_port, "POST", "/billing/default", headers, body)
                if answer.status != 503 or is_last:
                    return answer
            except (OSError, HTTPException):
                if is_last:
                    raise
            time.sleep(SEND_AGAIN_S)

    @contextmanager
    def trigger(self, name: str, manifest: str) -> Iterator[None]:
        """A third party's Trigger, in force until the block ends."""
        file = self.triggers_dir / f"{name}.yaml"
        file.write_text(manifest)
        try:
            self._until(lambda: name in (self.outstanding() or {}), TRIGGER_LIMIT_S)
            yield
        finally:
            file.unlink()
            self._until(lambda: name not in (self.outstanding() or {name: 0}), TRIGGER_LIMIT_S)

    def dead_letters(self) -> Sequence[KeptLetter]:
        letters = RedisDeadLetters(f"unix://{quote(str(socket_dir(self.state_dir) / 'redis.sock'))}")
        try:
            return letters.list(limit=10_000)
        finally:
            letters.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        (url,) = re.findall(rb"Database +(\S+)", self.output())
        with psycopg.connect(url.decode()) as connection:
            return connection.execute(query.encode()).fetchall()

    def backlog(self) -> int:
        answer = request(self.broker_port, "GET", "/backlog", {}, None)
        outstanding: int = answer.json["outstanding"]
        return outstanding

    def outstanding(self) -> Mapping[str, int] | None:
        """How much each Trigger has left to deliver; None while the Broker is away, as it is in a restart."""
        try:
            answer = request(self.broker_port, "GET", "/backlog", {}, None)
        except (OSError, HTTPException):
            return None
        if answer.status != 200:
            return None
        by_trigger: Mapping[str, int] = answer.json["by_trigger"]
        return by_trigger

    def settle(self) -> None:
        """Wait until the Broker has nothing left to deliver."""

        def settled() -> bool:
            outstanding = self.outstanding()
            return outstanding is not None and not any(outstanding.values())

        self._until(settled, SETTLE_LIMIT_S)

    def settle_usage(self) -> None:
        """`settle`, and wait until all that was accepted is in the windows: what is counted then, stays."""
        self.settle()
        self._until(lambda: self.rows("SELECT count(*) FROM usage_delta") == [(0,)], SETTLE_LIMIT_S)

    def tenant(self, slug: str, currency: str = "RUB", plan: str = "faas-billing-rub") -> str:
        """A tenant of the test's own, with a plan."""
        answer = self.api("POST", "/tenants", {"name": slug, "slug": slug, "currency": currency})
        assert answer.status == 201, answer
        answer = self.api("PUT", f"/tenants/{slug}/pricing-plan", {"plan_id": plan})
        assert answer.status == 200, answer
        return slug

    def aggregates(self, **query: object) -> Sequence[Mapping[str, Any]]:
        answer = self.api("GET", "/usage-aggregates", query=query)
        assert answer.status == 200, answer
        items: Sequence[Mapping[str, Any]] = answer.json["items"]
        return items

    def invocations(self, tenant: str, **query: object) -> int:
        windows = self.aggregates(tenant_id=tenant, window_size="5m", limit=1000, **query)
        return sum(int(window["invocations"]) for window in windows)

    def _until(self, condition: Callable[[], bool], limit_s: float) -> None:
        until(condition, limit_s, self.output, alive=self.is_alive)


def request(port: int, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    with closing(HTTPConnection("localhost", port, timeout=60)) as connection:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def until(
    condition: Callable[[], bool],
    limit_s: float,
    context: Callable[[], object] = lambda: "",
    *,
    alive: Callable[[], bool] = lambda: True,
) -> None:
    """Wait for a condition, with a limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert alive(), f"the process ended: {context()!r}"
        assert time.monotonic() < deadline, f"not within {limit_s} s: {context()!r}"
        time.sleep(0.05)


@contextmanager
def running_product(
    folder: Path, checkout: Path = CHECKOUT, settings: Mapping[str, str] | None = None
) -> Iterator[Product]:
    """`settings` go into the environment of `make run`, which runs from `checkout`."""
    api_port, broker_port = some_free(2, frozenset())
    product = Product(
        folder / "state",
        folder / "triggers",
        api_port,
        broker_port,
        checkout=checkout,
        settings=settings or {},
    )
    product.triggers_dir.mkdir()
    try:
        product.start()
        yield product
    except BaseException as failure:
        failure.add_note(product.tells())
        raise
    finally:
        product.stop()
