"""Many callers, one commit: what comes while a commit is under way is written by the next one, together."""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from shared.domain.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    def __init__(self, key: Hashable, item: Item) -> None:
        self.key = key
        self.item = item
        self.leads = False
        self.results: Sequence[Result] = ()
        self.error: BaseException | None = Unavailable("the commit was cut short")
        self.woken = Lock()
        self.woken.acquire()


class GroupCommit(Generic[Item, Result]):
    """`write` commits items, all or none, and returns a result for each.

    There is one commit under way at a time. Whoever comes then waits, and one of those who wait writes the
    next for all of them: no thread of its own, no pause, and nobody alone waits for anybody. A commit costs
    the same for one item as for thirty. Thread-safe.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result]], *, group_max: int) -> None:
        self._write = write
        self._group_max = group_max
        self._lock = Lock()
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._is_writing = False

    def submit(self, key: Hashable, item: Item) -> Result:
        """The result of the item once it is committed; raises what `write` raises for it alone.

        Of items with the same key at most one is in a commit.
        """
        waiting = _Waiting[Item, Result](key, item)
        with self._lock:
            self._queue.append(waiting)
            waiting.leads = not self._is_writing
            self._is_writing = True
        if not waiting.leads:
            waiting.woken.acquire()
        if waiting.leads:
            self._lead()
        if waiting.error is not None:
            raise waiting.error
        return waiting.results[0]

    @property
    def is_writing(self) -> bool:
        return self._is_writing

    @property
    def waiting(self) -> int:
        """How many the next commits are for."""
        return len(self._queue)

    def _lead(self) -> None:
        with self._lock:
            group = self._next_group()
        try:
            self._commit(group)
        finally:
            with self._lock:
                successor = self._queue[0] if self._queue else None
                self._is_writing = successor is not None
            if successor is not None:
                successor.leads = True
                successor.woken.release()
            for waiting in group:
                if not waiting.leads:
                    waiting.woken.release()

    def _next_group(self) -> list[_Waiting[Item, Result]]:
        """The first that wait, each key once; who leads is among them, as the first of all."""
        group: dict[Hashable, _Waiting[Item, Result]] = {}
        passed = []
        while self._queue and len(group) < self._group_max:
            waiting = self._queue.popleft()
            if group.setdefault(waiting.key, waiting) is not waiting:
                passed.append(waiting)
        self._queue.extendleft(reversed(passed))
        return list(group.values())

    def _commit(self, group: Sequence[_Waiting[Item, Result]]) -> None:
        """Where it fails for the sake of one, each is written by itself."""
        try:
            for waiting, result in zip(group, self._write([w.item for w in group]), strict=True):
                waiting.results, waiting.error = (result,), None
        except Exception as error:
            if len(group) == 1 or isinstance(error, Unavailable):
                for waiting in group:
                    waiting.error = error
            else:
                for waiting in group:
                    self._commit([waiting])
