"""python -m benchmarks.bare: a function that does nothing, under the server of ours. What a cold start costs
at least."""

import sys
from collections.abc import Callable
from typing import Any

from shared.config import Settings, environment


def handle(_request: object) -> tuple[str, int]:
    return "", 204


def worker() -> Callable[..., Any]:
    from functions_framework import create_app

    app: Callable[..., Any] = create_app(  # type: ignore[no-untyped-call]
        "handle", source=__file__, signature_type="http"
    )
    return app


def main() -> int:
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    settings = Settings.read(environment())
    Server(
        "benchmarks.bare:worker",
        factory=True,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        address="127.0.0.1",
        port=settings.port,
        workers=settings.workers,
        blocking_threads=settings.threads,
        log_level=LogLevels.error,
    ).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
