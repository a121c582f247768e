"""Named points at which a process of the product kills itself, as kill -9 would.

A changed copy of the checkout imports this first (`tests.chaos.product`); the product knows nothing of it.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
from psycopg.errors import Diagnostic

from shared.config import environment

if TYPE_CHECKING:
    from shared.adapters.postgres.appending import Entry
    from shared.adapters.postgres.pool import Connection
    from shared.service.ports import Folded

HITS: Final = "kills.log"
ARMED: Final = "armed"
"""Files beside the state folder: a line for each kill; and while this one is there, points kill."""
CHANCE: Final = 0.01
CHANCE_FIRST: Final = 0.5
HITS_MAX: Final = 12

AFTER_INBOX: Final = "ingest: after inbox insert"
BEFORE_COMMIT: Final = "ingest: before commit"
AFTER_COMMIT: Final = "ingest: after commit, before 204"
PARTITION: Final = "ingest: in the middle of making a payload partition"
MID_FOLD: Final = "fold: deltas taken, windows not written"
END_OF_FOLD: Final = "fold: windows written, not committed"
BEFORE_SEND: Final = "outbox: committed, not sent"
AFTER_SEND: Final = "outbox: sent, not marked"
MID_ACCRUAL: Final = "pricing: cost written, not committed"
AFTER_ACCRUAL: Final = "pricing: after commit, before 204"
BROKER: Final = "broker: between disk and 202"
EMITTER: Final = "emitter: between seal and send"
POINTS: Final = (
    AFTER_INBOX,
    BEFORE_COMMIT,
    AFTER_COMMIT,
    PARTITION,
    MID_FOLD,
    END_OF_FOLD,
    BEFORE_SEND,
    AFTER_SEND,
    MID_ACCRUAL,
    AFTER_ACCRUAL,
    BROKER,
    EMITTER,
)
FIRST: Final = dict.fromkeys((PARTITION, MID_ACCRUAL, AFTER_ACCRUAL), 1.0)
"""What is reached seldom in a short run."""

STOPS_SQL: Final = f"""
    CREATE FUNCTION chaos_stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('chaos.stop_at', true) = TG_ARGV[0] THEN
            RAISE NOTICE 'chaos: %', TG_ARGV[0];  -- the client dies of it
            PERFORM pg_sleep(0.3);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER chaos BEFORE INSERT ON payload FOR EACH ROW EXECUTE FUNCTION chaos_stop('{AFTER_INBOX}');
    CREATE TRIGGER chaos BEFORE INSERT ON usage_window
        FOR EACH ROW EXECUTE FUNCTION chaos_stop('{MID_FOLD}');
    CREATE CONSTRAINT TRIGGER chaos AFTER INSERT ON usage_delta DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION chaos_stop('{BEFORE_COMMIT}');
"""
"""The event's transaction is one statement, and so is a fold: what stops inside of them are triggers of the
test. A payload is inserted when its inbox key is; a deferred trigger fires at commit. The client is killed
while the server waits, and the server commits an event after that: the answer is lost, not the usage. The
statement of a fold is not all of its transaction, which is rolled back."""


class Points:
    """`folder` holds the files. Those that have never killed are much more eager than the others."""

    def __init__(self, folder: Path, seed: str) -> None:
        self._hits, self._armed = folder / HITS, folder / ARMED
        # Else every process after a kill would die at the same place again.
        self._random = random.Random(f"{seed} {counts(self._hits).total()}")
        self._read = -1
        self._counts: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        """May not return."""
        if self.draws(name):
            self.kill(name)

    def draws(self, name: str) -> bool:
        hits = self.counts()[name]
        chance = FIRST.get(name, CHANCE_FIRST) if not hits else CHANCE if hits < HITS_MAX else 0.0
        return self._random.random() < chance and self._armed.exists()

    def kill(self, name: str) -> None:
        note(self._hits, name)
        os.kill(os.getpid(), signal.SIGKILL)

    def counts(self) -> Counter[str]:
        size = self._hits.stat().st_size if self._hits.exists() else 0
        if size != self._read:
            self._counts, self._read = counts(self._hits), size
        return self._counts


def note(hits: Path, name: str) -> None:
    """One write, so that lines of several processes never mix."""
    with hits.open("ab", buffering=0) as file:
        file.write(f"{name}\n".encode())


def counts(hits: Path) -> Counter[str]:
    return Counter(hits.read_text().splitlines()) if hits.exists() else Counter()


def install(folder: str, seed: int) -> None:
    """Into the process that imports it: a function, or the Broker."""
    target = environment().get("FUNCTION_TARGET")
    install_into = {
        None: _install_broker,
        "aggregator": _install_usage,
        "billing_api": _install_usage,
        "pricing": _install_pricing,
    }.get(target, _install_nothing)
    install_into(Points(Path(folder), f"{seed} {target}"))


def _install_nothing(points: Points) -> None:
    pass


def _install_usage(points: Points) -> None:
    from shared.adapters.postgres.folding import PostgresFold
    from shared.service.ingest import IngestUsage

    _stop_in_partitions(points)
    _stop_in_appends(points)
    _after(IngestUsage, "accept", lambda: points.reach(AFTER_COMMIT))
    _stop_in_folds(points)
    _after(PostgresFold, "fold", lambda: points.reach(END_OF_FOLD))
    _install_sending(points)


def _install_pricing(points: Points) -> None:
    from shared.adapters.postgres.accruals import PostgresAccrual
    from shared.service.accrual import AccrueCost

    _after(PostgresAccrual, "save", lambda: points.reach(MID_ACCRUAL))
    _after(AccrueCost, "accrue", lambda: points.reach(AFTER_ACCRUAL))
    _install_sending(points)


def _install_sending(points: Points) -> None:
    from eventing.publisher import Publisher
    from shared.adapters.postgres.outbox import PostgresOutbox

    _before(Publisher, "publish", lambda: points.reach(BEFORE_SEND))
    _before(PostgresOutbox, "done", lambda: points.reach(AFTER_SEND))


def _install_broker(points: Points) -> None:
    from runtime.broker.chaos import Chaos

    _before(Chaos, "before_answer", lambda: points.reach(BROKER))


def _stop_in_partitions(points: Points) -> None:
    execute = psycopg.Connection.execute

    def stopping(self: psycopg.Connection[Any], query: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(query, bytes) and query.lstrip().startswith(b"ALTER TABLE payload ATTACH"):
            points.reach(PARTITION)
        return execute(self, query, *args, **kwargs)

    psycopg.Connection.execute = cast(Any, stopping)  # type: ignore[method-assign]


def _stop_in_appends(points: Points) -> None:
    from shared.adapters.postgres import usage

    append = vars(usage)["append"]

    def stopping(connection: "Connection", entries: "Sequence[Entry]") -> list[bool]:
        for point in (AFTER_INBOX, BEFORE_COMMIT):
            _stop_at(connection, points, point)
        new: list[bool] = append(connection, entries)
        return new

    vars(usage)["append"] = stopping


def _stop_in_folds(points: Points) -> None:
    from shared.adapters.postgres.folding import PostgresFold

    fold = PostgresFold.fold

    def stopping(self: PostgresFold) -> "Folded":
        _stop_at(vars(self)["_connection"], points, MID_FOLD)
        return fold(self)

    PostgresFold.fold = stopping  # type: ignore[method-assign]


def _stop_at(connection: "Connection", points: Points, point: str) -> None:
    if points.draws(point):
        connection.execute("SELECT set_config('chaos.stop_at', %s, false)", [point])
        connection.add_notice_handler(_killer(points, point))


def _killer(points: Points, point: str) -> Callable[[Diagnostic], None]:
    def kill(notice: Diagnostic) -> None:
        if notice.message_primary == f"chaos: {point}":
            points.kill(point)

    return kill


def _before(owner: type, name: str, act: Callable[[], None]) -> None:
    _wrap(owner, name, before=act)


def _after(owner: type, name: str, act: Callable[[], None]) -> None:
    _wrap(owner, name, after=act)


def _wrap(
    owner: type, name: str, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    method = getattr(owner, name)

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before()
        returned = method(*args, **kwargs)
        if after is not None:
            after()
        return returned

    setattr(owner, name, wrapped)


def missing(hits: Mapping[str, int]) -> list[str]:
    """The points that have not killed yet."""
    return [point for point in POINTS if not hits.get(point)]


def done(hits: Counter[str], wanted: int) -> int:
    """Of the kills that are wanted; without one at each point it is not all of them."""
    return min(hits.total(), wanted - len(missing(hits)))
