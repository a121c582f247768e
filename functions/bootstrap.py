"""The one composition root: settings into adapters into services, each made once per process, on first use.

Imports stand inside the builders, so that no function pays for what another one needs.
"""

from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING
from uuid import UUID

from functions.background import Background
from functions.once import once
from shared.config import Settings, environment

if TYPE_CHECKING:
    from eventing.outbox import Relay
    from functions.invoicing import InvoicingServices
    from functions.metering import MeterServices
    from shared.adapters.postgres.pool import Database
    from shared.adapters.postgres.series import PostgresSeries
    from shared.adapters.postgres.windows import PostgresWindows
    from shared.adapters.redis_dead_letters import RedisDeadLetters
    from shared.service.accrual import AccrueCost
    from shared.service.fold import Fold
    from shared.service.ingest import IngestUsage
    from shared.service.rebuild import Rebuild, Rebuilt
    from shared.service.sweep import Sweep
    from shared.service.triage import Triage
    from shared.service.voids import VoidUsage


FOLD_RESTS_S = 0.2, 1.2
"""What comes meanwhile is folded at once: of a busy window each fold costs the same, however much it adds."""


@once
def settings() -> Settings:
    return Settings.read(environment())


def aggregator() -> "IngestUsage":
    """Accepts usage; what is accepted is folded and announced in the background."""
    folding().start()
    return ingest()


@once
def voids() -> "VoidUsage":
    """Takes usage back; what that changes is announced in the background."""
    from eventing.usage import decode
    from shared.adapters.postgres.tenants import PostgresTenants
    from shared.adapters.postgres.voids import PostgresVoids
    from shared.adapters.system import new_id, system_clock
    from shared.service.voids import VoidUsage

    folding().start()
    return VoidUsage(
        tenants=PostgresTenants(database()),
        store=PostgresVoids(database(), new_id, _noted),
        windows=_windows(),
        series=_series(),
        rebuild=_rebuilding(),
        decode=decode,
        clock=system_clock,
        changed=lambda: folding().wake(),
    )


@once
def pricing() -> "AccrueCost":
    """Accrues cost; what it announces is sent in the background."""
    from shared.adapters.postgres.accruals import PostgresAccruals
    from shared.adapters.postgres.tenants import PostgresTenants
    from shared.adapters.system import new_id, system_clock
    from shared.service.accrual import AccrueCost

    sending().start()
    return AccrueCost(
        tenants=PostgresTenants(database()),
        accruals=PostgresAccruals(database(), new_id),
        clock=system_clock,
    )


@once
def aggregator_sweep() -> "Sweep":
    """Folds and sends what waits, drains, tidies and copies the dead letters; only these need Redis."""
    from functions.sweeps import copy_letters, drain_letters
    from shared.service.sweep import Step, Sweep

    return Sweep(
        Step("fold", _fold_all),
        Step("compute meters", lambda: metering().catch_up()),
        Step("send the outbox", _send_pending),
        Step("drain the dead letters", lambda: drain_letters(triage())),
        Step("tidy the dead letters", lambda: triage().tidy()),
        Step("copy the dead letters", lambda: copy_letters(dead_letters(), database())),
    )


@once
def pricing_sweep() -> "Sweep":
    """Accrues what no notice told of, closes what no tick did, sends what waits, and counts who has usage and
    no plan for it."""
    from functions.sweeps import closing_steps, watch_unrated
    from shared.service.sweep import Step, Sweep

    return Sweep(
        Step("accrue", pricing().accrue_behind),
        *closing_steps(invoicing()),
        Step("send the outbox", _send_pending),
        Step("look for unrated usage", lambda: watch_unrated(database())),
    )


@once
def closing() -> "Sweep":
    """Makes invoices of what has ended, and sends what that announces."""
    from functions.sweeps import closing_steps
    from shared.service.sweep import Step, Sweep

    return Sweep(*closing_steps(invoicing()), Step("send the outbox", _send_pending))


@once
def dead_letters() -> "RedisDeadLetters":
    """Keeps what could not be delivered; needs Redis and nothing else."""
    from shared.adapters.redis_dead_letters import RedisDeadLetters

    return RedisDeadLetters(settings().redis_url)


@once
def triage() -> "Triage":
    """Dead letters, to look at and to send again. Of what it needs only Redis must be there."""
    from eventing import types
    from eventing.publisher import Publisher
    from functions.dead_letter.examine import examiner, giver_up
    from functions.dead_letter.send import sender
    from shared.adapters.system import new_id
    from shared.service.triage import Triage

    return Triage(
        store=dead_letters(),
        send=sender(Publisher(settings().sink_url)),
        examine=examiner(ingest()),
        give_up=giver_up(ingest()),
        check_database=database().check,
        counted_type=types.USAGE_RECORDED,
        drained_types=(types.USAGE_RECORDED, types.USAGE_VOIDED),
        new_id=new_id,
    )


@once
def folding() -> Background:
    """Folds when woken by accepted usage, and when an announcement falls due."""
    fold = _fold()

    def work() -> float | None:
        due_s = fold.run()
        sending().wake()
        metering().folded()
        return due_s

    def drain() -> None:
        fold.run(announce_every=timedelta(0))
        _send_pending()

    return Background("folding", work, drain=drain, rests_s=FOLD_RESTS_S)


@once
def sending() -> Background:
    """Sends what is in the outbox, when woken by what was put there."""
    return Background("sending", _send_pending, drain=_send_pending)


def _fold_all() -> None:
    """Folds and announces all that waits, without the pause between announcements."""
    from shared.service.sweep import fold_all

    if not fold_all(lambda: _fold().run(announce_every=timedelta(0))):
        folding().wake()


_sender = Lock()


def _send_pending() -> None:
    with _sender:
        _relay().send_pending()


@once
def _relay() -> "Relay":
    from eventing.outbox import Relay
    from eventing.publisher import Publisher
    from shared.adapters.postgres.outbox import PostgresOutbox

    return Relay(PostgresOutbox(database()), Publisher(settings().sink_url))


@once
def database() -> "Database":
    from shared.adapters.postgres.pool import Database

    return Database(settings().database_url, pool_size_max=settings().database_connections)


@once
def ingest() -> "IngestUsage":
    from eventing.metrics import CONFLICTS, tally
    from eventing.usage import decode
    from shared.adapters.postgres.tenants import CachedTenants
    from shared.adapters.postgres.usage import PostgresUsageLog
    from shared.adapters.system import system_clock
    from shared.service.ingest import IngestUsage

    return IngestUsage(
        decode=decode,
        tenants=CachedTenants(database()),
        series=_series(),
        log=PostgresUsageLog(database()),
        clock=system_clock,
        meters=metering().known,
        dimensions=metering().dimensions,
        accepted=lambda: folding().wake(),
        conflicted=lambda: tally.add(CONFLICTS),
    )


@once
def _fold() -> "Fold":
    from shared.adapters.system import system_clock
    from shared.service.fold import Fold

    return Fold(_windows(), system_clock)


def fold_for(tenant_id: UUID) -> None:
    """Fold what the tenant has sent; what that announces is sent in the background."""
    _fold().run_for(tenant_id)
    metering().freshen(tenant_id)
    sending().wake()


def rebuild(tenant_id: UUID, start: datetime, end: datetime) -> "Rebuilt":
    rebuilt = _rebuilding().run(tenant_id, start, end)
    folding().wake()
    return rebuilt


@once
def _rebuilding() -> "Rebuild":
    from eventing.usage import decode
    from shared.service.rebuild import Rebuild

    services = metering()
    return Rebuild(_windows(), _fold(), _series(), decode, services.metering, services.dimensions)


@once
def metering() -> "MeterServices":
    from functions.metering import MeterServices

    return MeterServices(database(), _windows(), _series(), changed=lambda: folding().wake())


@once
def invoicing() -> "InvoicingServices":
    """Invoices and money; what they announce is sent in the background."""
    from functions.invoicing import InvoicingServices
    from functions.sweeps import letters_reader

    read_letters = letters_reader(dead_letters, database())
    return InvoicingServices(database(), fold_for, announced=sending().wake, read_letters=read_letters)


@once
def _series() -> "PostgresSeries":
    from shared.adapters.postgres.series import PostgresSeries
    from shared.adapters.system import new_id

    return PostgresSeries(database(), new_id)


@once
def _windows() -> "PostgresWindows":
    from shared.adapters.postgres.windows import PostgresWindows
    from shared.adapters.system import new_id

    return PostgresWindows(database(), new_id, _noted)


def _noted(missed: int, found: int) -> None:
    from eventing.metrics import BATCHES_FOUND, BATCHES_MISSED, tally

    tally.add(BATCHES_MISSED, missed)
    tally.add(BATCHES_FOUND, found)
