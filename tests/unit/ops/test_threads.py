"""Worker threads: bounded, counted, in the caller's context."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from tradewright.ops import metrics
from tradewright.ops.threads import Threads

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="")


async def test_a_call_answers_off_the_loop() -> None:
    threads = Threads(2)
    here = threading.get_ident()
    assert await threads.run(threading.get_ident) != here
    assert await threads.run(int, "ff", base=16) == 255
    assert await threads.close(1)


async def test_what_a_call_raises_is_raised() -> None:
    threads = Threads(1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)
    assert (threads.active, threads.queued) == (0, 0)
    assert await threads.close(1)


async def test_a_call_runs_in_the_callers_context() -> None:
    threads = Threads(1)
    name.set("request-1")
    assert await threads.run(name.get) == "request-1"
    assert await threads.close(1)


async def test_more_calls_than_threads_wait_and_are_counted() -> None:
    threads = Threads(2)
    go = threading.Event()
    begun = threading.Barrier(3)

    def work(number: int) -> int:
        if number < 2:
            begun.wait(5)
        go.wait(5)
        return number

    calls = [asyncio.create_task(threads.run(work, number)) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(begun.wait, 5)
    assert (threads.active, threads.queued) == (2, 3)
    assert metrics.REGISTRY.get_sample_value("executor_queue_depth") == 3
    assert metrics.REGISTRY.get_sample_value("executor_active_threads") == 2
    go.set()
    assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]
    assert (threads.active, threads.queued) == (0, 0)
    assert await threads.close(1)


async def test_who_leaves_the_queue_is_counted_out() -> None:
    threads = Threads(1)
    go, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(5)

    first = asyncio.create_task(threads.run(work))
    await asyncio.sleep(0)
    await asyncio.to_thread(begun.wait, 5)
    second = asyncio.create_task(threads.run(int))
    await asyncio.sleep(0)
    assert threads.queued == 1
    second.cancel()
    await asyncio.wait([second])
    assert threads.queued == 0
    go.set()
    await first
    assert await threads.close(1)


async def test_closing_says_who_does_not_end() -> None:
    threads = Threads(1)
    go, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(5)

    call = asyncio.create_task(threads.run(work))
    await asyncio.sleep(0)
    await asyncio.to_thread(begun.wait, 5)
    assert not await threads.close(0.01)
    go.set()
    await call
    assert await threads.close(1)
