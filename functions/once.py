"""What is made once per process."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import TypeVar

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
