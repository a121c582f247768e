"""The one composition root: settings into adapters into services, each made once per process, on first use.

Imports stand inside the builders, so that no function pays for what another one needs.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from threading import Lock, RLock
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from functions.background import Background
from shared.config import Settings, environment

if TYPE_CHECKING:
    from eventing.outbox import Relay
    from functions.billing_api.ports import ApiServices
    from shared.adapters.postgres.pool import Database
    from shared.adapters.postgres.series import PostgresSeries
    from shared.adapters.postgres.windows import PostgresWindows
    from shared.adapters.redis_dead_letters import RedisDeadLetters
    from shared.service.accrual import AccrueCost
    from shared.service.fold import Fold
    from shared.service.ingest import IngestUsage
    from shared.service.rebuild import Rebuilt
    from shared.service.sweep import Sweep
    from shared.service.triage import Triage


FOLD_RESTS_S = 0.2, 1.0
"""What comes meanwhile is folded at once: of a busy window each fold costs the same, however much it adds."""

T = TypeVar("T")
_building = RLock()


def once(build: Callable[[], T]) -> Callable[[], T]:
    """Build it on the first call, also where two requests come first at once."""
    built: list[T] = []

    @wraps(build)
    def get() -> T:
        if not built:
            with _building:
                if not built:
                    built.append(build())
        return built[0]

    return get


@once
def settings() -> Settings:
    return Settings.read(environment())


def aggregator() -> "IngestUsage":
    """Accepts usage; what is accepted is folded and announced in the background."""
    folding().start()
    return _ingest()


@once
def pricing() -> "AccrueCost":
    """Accrues cost; what it announces is sent in the background."""
    from shared.adapters.postgres.accruals import PostgresAccruals
    from shared.adapters.postgres.tenants import PostgresTenants
    from shared.adapters.system import new_id, system_clock
    from shared.service.accrual import AccrueCost

    sending().start()
    return AccrueCost(
        tenants=PostgresTenants(_database()),
        accruals=PostgresAccruals(_database(), new_id),
        clock=system_clock,
    )


@once
def aggregator_sweep() -> "Sweep":
    """Folds and sends what waits, drains and tidies the dead letters; only these need Redis."""
    from shared.service.sweep import Step, Sweep

    return Sweep(
        Step("fold", _fold_all),
        Step("send the outbox", _send_pending),
        Step("drain the dead letters", _drain_letters),
        Step("tidy the dead letters", lambda: triage().tidy()),
    )


@once
def pricing_sweep() -> "Sweep":
    """Accrues what no notice told of, and sends what waits."""
    from shared.service.sweep import Step, Sweep

    return Sweep(
        Step("accrue", pricing().accrue_behind),
        Step("send the outbox", _send_pending),
    )


@once
def billing_api() -> "ApiServices":
    """What the REST API serves; it accepts usage, so it folds too."""
    from functions.billing_api.auth import Authenticator
    from functions.billing_api.ingest import IngestBody
    from functions.billing_api.ports import ApiServices
    from shared.adapters.postgres.oversight import PostgresOversight
    from shared.adapters.postgres.plans import PostgresPlans
    from shared.adapters.postgres.tenants import PostgresTenants
    from shared.adapters.postgres.totals import PostgresUsageReader
    from shared.adapters.postgres.usage_report import PostgresUsageReport
    from shared.adapters.system import new_id, system_clock
    from shared.service.billing import CalculateBill
    from shared.service.plans import Plans
    from shared.service.tenants import Tenants

    folding().start()
    database = _database()
    tenants, plans = PostgresTenants(database), PostgresPlans(database)
    return ApiServices(
        authenticator=Authenticator(settings().admin_api_key),
        check=database.check,
        tenants=Tenants(tenants, system_clock, new_id),
        ingest=IngestBody(_ingest(), tenants, system_clock),
        usage=PostgresUsageReport(database),
        rebuild=_rebuild,
        oversight=PostgresOversight(database),
        triage=triage,
        plans=Plans(plans=plans, tenants=tenants, clock=system_clock),
        calculate=CalculateBill(
            tenants=tenants,
            plans=plans,
            usage=PostgresUsageReader(database),
            fold=_fold_for,
            clock=system_clock,
        ).calculate,
    )


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
        examine=examiner(_ingest()),
        give_up=giver_up(_ingest()),
        check_database=_database().check,
        drained_type=types.USAGE_RECORDED,
        new_id=new_id,
    )


@once
def folding() -> Background:
    """Folds when woken by accepted usage, and when an announcement falls due."""
    fold = _fold()

    def work() -> float | None:
        due_s = fold.run()
        sending().wake()
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


def _drain_letters() -> None:
    from shared.service.drain import drain_all

    drain_all(triage().drain)


_sender = Lock()


def _send_pending() -> None:
    with _sender:
        _relay().send_pending()


@once
def _relay() -> "Relay":
    from eventing.outbox import Relay
    from eventing.publisher import Publisher
    from shared.adapters.postgres.outbox import PostgresOutbox

    return Relay(PostgresOutbox(_database()), Publisher(settings().sink_url))


@once
def _database() -> "Database":
    from shared.adapters.postgres.pool import Database

    return Database(settings().database_url, pool_size_max=settings().database_connections)


@once
def _ingest() -> "IngestUsage":
    from eventing.metrics import CONFLICTS, tally
    from eventing.usage import decode
    from shared.adapters.postgres.tenants import CachedTenants
    from shared.adapters.postgres.usage import PostgresUsageLog
    from shared.adapters.system import system_clock
    from shared.service.ingest import IngestUsage

    return IngestUsage(
        decode=decode,
        tenants=CachedTenants(_database()),
        series=_series(),
        log=PostgresUsageLog(_database()),
        clock=system_clock,
        accepted=lambda: folding().wake(),
        conflicted=lambda: tally.add(CONFLICTS),
    )


@once
def _fold() -> "Fold":
    from shared.adapters.system import system_clock
    from shared.service.fold import Fold

    return Fold(_windows(), system_clock)


def _fold_for(tenant_id: UUID) -> None:
    """Fold what the tenant has sent; what that announces is sent in the background."""
    _fold().run_for(tenant_id)
    sending().wake()


def _rebuild(tenant_id: UUID, start: datetime, end: datetime) -> "Rebuilt":
    from eventing.usage import decode
    from shared.service.rebuild import Rebuild

    rebuilt = Rebuild(_windows(), _fold(), _series(), decode).run(tenant_id, start, end)
    folding().wake()
    return rebuilt


@once
def _series() -> "PostgresSeries":
    from shared.adapters.postgres.series import PostgresSeries
    from shared.adapters.system import new_id

    return PostgresSeries(_database(), new_id)


@once
def _windows() -> "PostgresWindows":
    from eventing.metrics import BATCHES_FOUND, BATCHES_MISSED, tally
    from shared.adapters.postgres.windows import PostgresWindows
    from shared.adapters.system import new_id

    def noted(missed: int, found: int) -> None:
        tally.add(BATCHES_MISSED, missed)
        tally.add(BATCHES_FOUND, found)

    return PostgresWindows(_database(), new_id, noted)
