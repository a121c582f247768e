"""What sweeps do, put together: a part of `functions.bootstrap`. What a step needs is imported as it runs."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.domain.errors import Unavailable
from shared.service.sweep import Step

if TYPE_CHECKING:
    from functions.invoicing import InvoicingServices
    from shared.adapters.postgres.pool import Database
    from shared.service.dead_letters import DeadLetterStore
    from shared.service.triage import Triage


def closing_steps(invoicing: "InvoicingServices") -> tuple[Step, ...]:
    return (
        Step("write off lapsed credit", lambda: invoicing.credits.expire(invoicing.clock())),
        Step("close the periods", lambda: invoicing.closing.run_all()),  # noqa: PLW0108
    )


def watch_unrated(database: "Database") -> None:
    from eventing.metrics import UNRATED_TENANTS, levels
    from shared.adapters.postgres.unrated import PostgresUnrated
    from shared.service.unrated import watch

    watch(PostgresUnrated(database), lambda count: levels.set(UNRATED_TENANTS, count))


def drain_letters(triage: "Triage") -> None:
    from shared.service.drain import drain_all

    drain_all(triage.drain)


def copy_letters(store: "DeadLetterStore", database: "Database") -> None:
    """Those that hold invoices back: of usage that is not counted, or still is."""
    from eventing import types
    from shared.adapters.postgres.invoicing.holds import PostgresHeldLetters
    from shared.adapters.system import system_clock
    from shared.service.invoicing.held_letters import copy_letters

    counted = (types.USAGE_RECORDED, types.USAGE_VOIDED)
    copy_letters(store, PostgresHeldLetters(database), counted, system_clock)


def letters_reader(store: "Callable[[], DeadLetterStore]", database: "Database") -> Callable[[], None]:
    """Copies them, as far as they can be read; else that is noted, and holds invoices back."""

    def read() -> None:
        with suppress(Unavailable):
            copy_letters(store(), database)

    return read
