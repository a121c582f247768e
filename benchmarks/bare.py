"""python -m benchmarks.bare: a function that does nothing, under the server of ours. What a cold start costs
at least."""

from collections.abc import Callable
from typing import Any

from functions.main import serve, take_signals
from shared.config import Settings, environment


def handle(_request: object) -> tuple[str, int]:
    return "", 204


def worker() -> Callable[..., Any]:
    take_signals()
    from functions_framework import create_app

    app: Callable[..., Any] = create_app(  # type: ignore[no-untyped-call]
        "handle", source=__file__, signature_type="http"
    )
    return app


if __name__ == "__main__":
    serve("benchmarks.bare:worker", Settings.read(environment()), "127.0.0.1")
