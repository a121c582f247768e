"""The product under fire: usage flows while everything is killed, then it is compared with the truth."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg

from shared.adapters.postgres.plans import PostgresPlans
from shared.adapters.postgres.pool import Database
from shared.adapters.postgres.tenants import PostgresTenants
from shared.adapters.system import new_id, system_clock
from shared.service.plans import Plans
from shared.service.tenants import Tenants
from tests.chaos import points
from tests.chaos.judge import differences, stuck
from tests.chaos.load import Load, slug
from tests.chaos.reaper import Reaper
from tests.chaos.sender import Orders
from tests.e2e.checkout import Checkout
from tests.e2e.product import CHECKOUT, Product, running_product, until

SWEEP = {
    "type": "dev.knative.sources.ping",
    "source": "/apis/v1/namespaces/billing/pingsources/sweep",
}
SWITCHES = "duplicate=0.05,reorder=0.05,drop=0.02"
STARTS_MAX = 5
SENT_LIMIT_S = 300.0
SWEEP_EVERY_S = 5.0
SAY_EVERY_KILLS = 10
TAIL_LINES = 15


@dataclass(frozen=True)
class Plan:
    """`kills` in all, `restarts` of them of the product as a whole. Usage waits for each for `patience_s`;
    when all is sent, the points that nothing was killed at yet have `aftermath_s`."""

    load: Load
    kills: int
    restarts: int = 1
    senders: int = 2
    settled_limit_s: float = 300.0
    patience_s: float = 2.0
    aftermath_s: float = 60.0


@dataclass(frozen=True)
class Outcome:
    hits: Counter[str]
    wrong: tuple[str, ...]
    """What is lost, doubled or stuck; the points that nothing was killed at."""

    def __str__(self) -> str:
        told = [f"{count:5}  {name}" for name, count in sorted(self.hits.items())]
        return "\n".join([*told, f"{self.hits.total():5}  in all", *self.wrong[:20]])


def armed(folder: Path, seed: int) -> Checkout:
    """A copy of the checkout with the kill points in its functions and its Broker."""
    folder.mkdir(parents=True, exist_ok=True)
    checkout = Checkout.copy(folder / "checkout")
    install = f"from tests.chaos import points\n\npoints.install({str(folder)!r}, {seed})\n\n\n"
    for file, first in (
        ("functions/main.py", "class UnknownFunction(LookupError):"),
        ("runtime/broker/__main__.py", "class Server(uvicorn.Server):"),
    ):
        checkout.replace(file, first, install + first)
    return checkout


def run(plan: Plan, checkout: Checkout, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Raises AssertionError where it cannot be brought to an end."""
    home = folder / "run"
    home.mkdir()
    switches = f"seed={plan.load.seed},{SWITCHES}"
    with running_product(home, checkout.path, {"BROKER_CHAOS": switches}) as product:
        say("the product is up")
        _seed(product, plan.load)
        _prepare(product)
        (folder / points.ARMED).touch()
        with _senders(plan, product, folder) as senders:
            _kill(plan, product, folder, senders, say)
            say("no more kills; the rest of the load flows")
            until(senders.done, SENT_LIMIT_S, senders.tails)
        say("all is sent; comparing")
        wrong = _compare(product, plan)
        if not wrong:
            say("the product is started anew; comparing again")
            product.restart()
            wrong = _compare(product, plan)
    hits = points.counts(folder / points.HITS)
    wrong += [f"nothing was killed at {name}" for name in points.missing(hits)]
    if hits.total() < plan.kills:
        wrong.append(f"only {hits.total()} of {plan.kills} kills while usage flowed")
    return Outcome(hits, tuple(wrong))


def _kill(
    plan: Plan, product: Product, folder: Path, senders: "_Senders", say: Callable[[str], None]
) -> None:
    hits, armed = folder / points.HITS, folder / points.ARMED
    said, all_sent_at = 0, 0.0

    def look_after() -> bool:
        nonlocal said, all_sent_at
        kills = points.counts(hits).total()
        if kills >= said + SAY_EVERY_KILLS:
            said = kills
            say(f"{kills} of {plan.kills} kills")
        if not senders.done():
            return True
        # What was announced late, or is tried again, may still reach a point.
        all_sent_at = all_sent_at or time.monotonic()
        return bool(points.missing(points.counts(hits))) and time.monotonic() < all_sent_at + plan.aftermath_s

    def restart() -> None:
        armed.unlink()
        _restart(product)
        armed.touch()

    # Partitions are made at the first payload of a day, and never again.
    until(lambda: look_after() and points.PARTITION in points.counts(hits), SENT_LIMIT_S, senders.tails)
    reaper = Reaper(folder, lambda: product.pid, restart, seed=plan.load.seed, restarts=plan.restarts)
    reaper.run(plan.kills, look_after)
    armed.unlink()


class _Senders:
    """Processes that are started again when they are killed."""

    def __init__(self, orders: Sequence[Orders]) -> None:
        self._orders = orders
        self._running = [self._start(one) for one in orders]

    def look_after(self) -> None:
        for n, process in enumerate(self._running):
            code = process.poll()
            assert code in (None, 0, -signal.SIGKILL), self.tails()
            if code == -signal.SIGKILL:
                self._running[n] = self._start(self._orders[n])

    def done(self) -> bool:
        self.look_after()
        return all(process.poll() == 0 for process in self._running)

    def tails(self) -> str:
        return "\n".join(self._log(one).read_text()[-1000:] for one in self._orders)

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def _start(self, orders: Orders) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.chaos.sender", orders.text()]
        with self._log(orders).open("ab") as log:
            path = {"PYTHONPATH": str(CHECKOUT / "emitter"), "PATH": "/usr/bin:/bin"}
            return subprocess.Popen(command, cwd=CHECKOUT, env=path, stdout=log, stderr=log)

    def _log(self, orders: Orders) -> Path:
        return Path(orders.folder) / f"sender-{orders.slot}.log"


@contextmanager
def _senders(plan: Plan, product: Product, folder: Path) -> Iterator[_Senders]:
    load = plan.load
    senders = _Senders(
        [
            Orders(
                folder=str(folder),
                slot=slot,
                slots=plan.senders,
                seed=load.seed,
                tenants=load.tenants,
                records=load.records,
                kills=plan.kills,
                patience_s=plan.patience_s,
                broker_port=product.broker_port,
                api_port=product.api_port,
                admin_key=product.admin_key,
            )
            for slot in range(plan.senders)
        ]
    )
    try:
        yield senders
    finally:
        senders.stop()


def _seed(product: Product, load: Load) -> None:
    with closing(Database(_database_url(product), pool_size_max=1)) as database:
        store, directory = PostgresPlans(database), PostgresTenants(database)
        tenants = Tenants(directory, system_clock, new_id)
        plans = Plans(plans=store, tenants=directory, clock=system_clock)
        for tenant in range(load.tenants):
            currency, plan = load.plan_of(tenant)
            name = slug(tenant)
            tenants.create(name=name, slug=name, currency=currency, timezone="UTC", aliases=())
            plans.assign(name, plan)


def _prepare(product: Product) -> None:
    """The payloads' partitions have to be made under fire; the stops inside of statements are there."""
    with psycopg.connect(_database_url(product), autocommit=True) as connection:
        today = system_clock().date()
        for day in (today + timedelta(days=n) for n in range(3)):
            connection.execute(f"DROP TABLE IF EXISTS payload_{day:%Y%m%d}".encode())
        connection.execute(points.STOPS_SQL.encode())


def _database_url(product: Product) -> str:
    (url,) = re.findall(rb"Database +(\S+)", product.output())
    return str(url.decode())


def _restart(product: Product) -> None:
    """kill -9 of the process that holds all others, then `make run` again, until it is up."""
    product.kill()
    for attempt in range(STARTS_MAX):
        try:
            product.restart()
            return
        except AssertionError:
            if attempt == STARTS_MAX - 1:
                raise


def sweep(product: Product) -> None:
    """A tick of the PingSource, out of turn."""
    assert product.send_event(b"{}", {**SWEEP, "id": str(uuid4())}).status == 202


def _compare(product: Product, plan: Plan) -> list[str]:
    return [*_settle(product, plan.settled_limit_s), *differences(product, plan.load)]


def _settle(product: Product, limit_s: float) -> list[str]:
    """What is still stuck when sweeps have had their time."""
    deadline = time.monotonic() + limit_s
    swept_at = 0.0
    while (found := stuck(product)) and time.monotonic() < deadline:
        if time.monotonic() - swept_at > SWEEP_EVERY_S:
            swept_at = time.monotonic()
            sweep(product)
        time.sleep(0.2)
    return [f"stuck: {count} {name}" for name, count in found.items()]
