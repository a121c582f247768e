import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faas_billing_emitter import Emitter, metered

from shared.config import environment

CHECKOUT = Path(__file__).resolve().parents[2]


class RecordingEmitter(Emitter):
    """Keeps in memory what it was told."""

    def __init__(self) -> None:
        super().__init__(sink="http://127.0.0.1:1/", tenant="acme", spool="nowhere")
        self.emitted: list[dict[str, Any]] = []

    def emit(self, **fields: Any) -> bool:
        self.emitted.append(fields)
        return True


def ticks() -> Iterator[int]:
    yield from range(1_000, 1_000_000, 250)


def waiter(emitter: Emitter, **options: Any) -> metered:
    return metered(
        emitter,
        service_name="waiter",
        revision="waiter-00001",
        memory_mb=256,
        timer=ticks().__next__,
        **options,
    )


def test_a_decorated_function_emits_each_call() -> None:
    emitter = RecordingEmitter()

    @waiter(emitter, labels={"method": "GET"})
    def double(n: int) -> int:
        """Twice."""
        return n * 2

    assert [double(2), double(3)] == [4, 6]
    assert (double.__name__, double.__doc__) == ("double", "Twice.")
    first, second = emitter.emitted
    assert {**second, "cold_start": False} == {
        "service_name": "waiter",
        "revision": "waiter-00001",
        "duration_ns": 250,
        "memory_mb": 256,
        "cold_start": False,
        "errors": 0,
        "egress_bytes": 0,
        "labels": {"method": "GET"},
        "request_id": None,
    }
    assert first["duration_ns"] == 250


def test_an_error_is_counted_and_goes_on() -> None:
    emitter = RecordingEmitter()

    @waiter(emitter)
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        fail()
    assert [record["errors"] for record in emitter.emitted] == [1]


def test_a_block_can_say_more_about_itself() -> None:
    emitter = RecordingEmitter()
    with waiter(emitter, labels={"method": "GET"}) as invocation:
        invocation.labels["status"] = "200"
        invocation.egress_bytes = 512
        invocation.request_id = "r-1"
    (record,) = emitter.emitted
    assert record["labels"] == {"method": "GET", "status": "200"}
    assert (record["egress_bytes"], record["request_id"]) == (512, "r-1")


def test_a_coroutine_is_measured_until_it_ends() -> None:
    emitter = RecordingEmitter()

    @waiter(emitter)
    async def answer() -> int:
        assert emitter.emitted == []
        await asyncio.sleep(0)
        assert emitter.emitted == []
        return 42

    assert asyncio.run(answer()) == 42
    assert len(emitter.emitted) == 1


def test_a_generator_is_not_metered_by_mistake() -> None:
    with pytest.raises(TypeError, match="is a generator"):

        @waiter(RecordingEmitter())
        def numbers() -> Iterator[int]:
            yield 1


def test_the_first_call_of_a_process_is_its_cold_start() -> None:
    program = """
from tests.emitter.test_metered import RecordingEmitter, waiter
emitter = RecordingEmitter()
for _ in range(3):
    with waiter(emitter):
        pass
print([record["cold_start"] for record in emitter.emitted])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env={**environment(), "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'emitter'}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == "[True, False, False]"
