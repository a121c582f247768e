"""One line to meter a function: `@metered(emitter, …)` or `with metered(emitter, …):`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any, TypeVar, cast

from faas_billing_emitter.emitter import Emitter

F = TypeVar("F", bound=Callable[..., Any])

_first_call = threading.Lock()


class metered:
    """Emits one record per call or block: its duration, whether it raised, whether it was the first of
    the process (a cold start). What it raises goes on unchanged.

    Decorates functions and coroutine functions; raises TypeError for generators, whose calls do nothing
    yet. As a context manager it is for one block at a time; `labels`, `egress_bytes` and `request_id`
    may be set inside it.
    """

    def __init__(
        self,
        emitter: Emitter,
        *,
        service_name: str,
        revision: str,
        memory_mb: int | Decimal | float,
        labels: Mapping[str, str] | None = None,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._emitter, self._timer = emitter, timer
        self._service_name, self._revision, self._memory_mb = service_name, revision, memory_mb
        self.labels: dict[str, str] = dict(labels or {})
        self.egress_bytes = 0
        self.request_id: str | None = None

    def __enter__(self) -> metered:
        self._cold = _first_call.acquire(blocking=False)
        self._began_ns = self._timer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._emitter.emit(
            service_name=self._service_name,
            revision=self._revision,
            duration_ns=self._timer() - self._began_ns,
            memory_mb=self._memory_mb,
            cold_start=self._cold,
            errors=int(kind is not None),
            egress_bytes=self.egress_bytes,
            labels=self.labels,
            request_id=self.request_id,
        )

    def _again(self) -> metered:
        return metered(
            self._emitter,
            service_name=self._service_name,
            revision=self._revision,
            memory_mb=self._memory_mb,
            labels=self.labels,
            timer=self._timer,
        )

    def __call__(self, function: F) -> F:
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: meter the block that consumes it")
        return cast(F, self._coroutine(function) if iscoroutinefunction(function) else self._plain(function))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return call

    def _coroutine(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return await function(*args, **kwargs)

        return call
