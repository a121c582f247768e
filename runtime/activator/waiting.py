"""Those who wait for something that there is not enough of, first come, first served."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from shared.domain.errors import Unavailable

T = TypeVar("T")


class Waiting(Generic[T]):
    """Used from one event loop."""

    def __init__(self) -> None:
        self._since: OrderedDict[asyncio.Future[T], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    @property
    def oldest_since(self) -> float:
        """When the first of those who wait has come."""
        return next(iter(self._since.values()))

    def join(self, now: float) -> asyncio.Future[T]:
        """A place at the end; what is given is its result."""
        place: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._since[place] = now
        return place

    def leave(self, place: asyncio.Future[T], give_back: Callable[[T], None]) -> None:
        """For who does not wait any more; what was just given to the place is given back."""
        self._since.pop(place, None)
        if place.done() and not place.cancelled() and place.exception() is None:
            give_back(place.result())

    def give(self, thing: T) -> bool:
        """To the first who still waits; False if there is nobody."""
        while self._since:
            place, _ = self._since.popitem(last=False)
            if not place.done():
                place.set_result(thing)
                return True
        return False

    def send_away(self, why: str) -> None:
        """All of them get Unavailable."""
        while self._since:
            place, _ = self._since.popitem(last=False)
            if not place.done():
                place.set_exception(Unavailable(why))
