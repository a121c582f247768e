"""Entry of every function: `functions.<FUNCTION_TARGET>.handler.handle` over HTTP.

    python -m functions.main                                      granian, as deployed
    functions-framework --source functions/main.py --target NAME  the framework's own server

Either way functions-framework builds the application, and only the handler that is asked for is imported.
"""

import gc
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from shared.config import Settings, environment

Handler = Callable[..., Any]

IDLE_THREAD_S: Final = 600
"""The longest granian allows: Python 3.11 keeps a trace of every thread that has come and gone."""


OBJECTS_PER_COLLECTION: Final = 10_000
"""An event of a thousand records makes some thousands, none of them in a cycle."""

STOP_LIMIT_S: Final = 60
"""For the requests under way and the work in the background, once asked to stop."""


class UnknownFunction(LookupError):
    """There is no function of that name here."""


def __getattr__(name: str) -> Handler:
    """The handler of the function of that name: functions-framework looks its target up here."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _handler(name)


def main() -> None:
    """Serves the function that the environment names, until SIGTERM or SIGINT."""
    env = environment()
    settings = Settings.read(env)
    try:
        check(settings.function_target)
    except UnknownFunction as error:
        sys.exit(f"FUNCTION_TARGET: {error}")

    serve("functions.main:worker", settings, env.get("ADDRESS", "0.0.0.0"))


def serve(factory: str, settings: Settings, address: str) -> None:
    """The application that `factory` makes in each worker process, until SIGTERM or SIGINT."""
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    server = Server(
        factory,
        factory=True,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        address=address,
        port=settings.port,
        workers=settings.workers,
        blocking_threads=settings.threads,
        blocking_threads_idle_timeout=IDLE_THREAD_S,
        workers_kill_timeout=STOP_LIMIT_S,
        log_level=LogLevels.error,
        log_dictconfig=logging_config(settings.log_level),
    )
    try:
        server.serve()
    except SystemExit:
        # Told with its group, its workers may have ended before it hears of it: that is no failure of theirs.
        if not server.interrupt_signal:
            raise


def worker() -> Handler:
    """The application of a worker process."""
    take_signals()
    # Starting makes much that stays and nothing to collect; what stays is not looked at again later.
    gc.disable()
    app = application()
    gc.freeze()
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    gc.enable()
    return app


def take_signals() -> None:
    """To be called first in a worker process."""
    # Ctrl-C reaches the worker too, and granian's parent passes it on as SIGTERM. Told twice at once, its
    # worker locks up: the second handler runs inside the first, which holds the lock of an Event.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # Until the worker serves, it has its parent's handler, which would note a SIGTERM and do nothing.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def application() -> Handler:
    """The WSGI application."""
    from functions_framework import create_app

    from eventing.shortcut import shortcut

    target = Settings.read(environment()).function_target
    app: Handler = create_app(target, source=__file__, signature_type="http")  # type: ignore[no-untyped-call]
    function = import_module(f"functions.{target}.handler")
    # Only here, where no fork follows, may a function begin what it does beside its requests.
    if hasattr(function, "start"):
        function.start()
    return shortcut(function.events, app) if hasattr(function, "events") else app


def known() -> list[str]:
    """The names of the functions that are here."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/handler.py"))


def check(name: str) -> None:
    """Raises UnknownFunction, with the names that are known."""
    if name not in known():
        raise UnknownFunction(f"{name!r} is not one of the functions here: {', '.join(known())}")


def logging_config(level: str) -> dict[str, Any]:
    """Plain lines to stderr, for the worker and, where something is wrong, for the server around it."""
    return {
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"_granian": {}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }


def _handler(name: str) -> Handler:
    check(name)
    handle: Handler = import_module(f"functions.{name}.handler").handle
    _never_redirect()
    return handle


def _never_redirect() -> None:
    """A broker follows 308 with another attempt and 301 with a GET; flask sends one for `//`."""
    from flask import current_app, has_app_context

    if has_app_context():
        current_app.url_map.merge_slashes = False


if __name__ == "__main__":
    main()
