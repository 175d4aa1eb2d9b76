"""Background tasks have owners: they are named, watched, and stopped group by group."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.errors import InvalidInput
from tradewright.ops.tasks import Tasks, every


async def for_ever() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise ValueError("no good")


@pytest.fixture
def tasks() -> Tasks:
    return Tasks(SystemClock())


async def test_a_task_is_told_of_while_it_runs(tasks: Tasks) -> None:
    tasks.start("stream", for_ever(), group="data", critical=True, stop_seconds=5)
    (facts,) = tasks.status()
    assert (facts.name, facts.group, facts.critical, facts.outcome) == ("stream", "data", True, "")
    assert dict(tasks.running) == {"data": 1}
    assert (await tasks.stop(1)).clean
    assert not tasks.status()


async def test_a_task_that_ends_is_forgotten(tasks: Tasks) -> None:
    await tasks.start("short", asyncio.sleep(0))
    await asyncio.sleep(0)
    assert not tasks.status()
    tasks.start("short", for_ever())
    await tasks.stop(1)


async def test_a_failure_is_kept_until_the_task_is_started_again(tasks: Tasks) -> None:
    await asyncio.wait([tasks.start("feed", failing(), critical=True)])
    await asyncio.sleep(0)
    (facts,) = tasks.failed
    assert (facts.name, facts.critical, facts.outcome, facts.error) == (
        *("feed", True, "failed"),
        "ValueError",
    )
    tasks.start("feed", for_ever())
    assert not tasks.failed
    await tasks.stop(1)


async def test_a_name_runs_once(tasks: Tasks) -> None:
    tasks.start("feed", for_ever())
    with pytest.raises(InvalidInput, match="feed"):
        tasks.start("feed", for_ever())
    await tasks.stop(1)


async def test_nothing_starts_after_the_stop(tasks: Tasks) -> None:
    await tasks.stop(1)
    with pytest.raises(InvalidInput, match="too late"):
        tasks.start("feed", for_ever())


async def test_groups_stop_in_order_trading_first(tasks: Tasks) -> None:
    ended: list[str] = []

    async def until_told(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    for group in ("other", "system", "data", "trading"):
        tasks.start(group, until_told(group), group=group)
    await asyncio.sleep(0)
    assert (await tasks.stop(1)).clean
    assert ended == ["trading", "data", "system", "other"]


async def test_who_does_not_listen_is_named_and_the_others_still_stop(tasks: Tasks) -> None:
    heard = asyncio.Event()

    async def deaf() -> None:
        while not heard.is_set():
            try:
                await heard.wait()
            except asyncio.CancelledError:
                continue

    task = tasks.start("deaf", deaf(), group="trading", stop_seconds=0.02)
    tasks.start("polite", for_ever(), group="data")
    await asyncio.sleep(0)
    stopped = await tasks.stop(1)
    assert (stopped.clean, stopped.still_running) == (False, ("deaf",))
    heard.set()
    await task


async def test_the_deadline_is_for_all_groups_together() -> None:
    heard = asyncio.Event()

    async def deaf() -> None:
        while not heard.is_set():
            try:
                await heard.wait()
            except asyncio.CancelledError:
                continue

    tasks = Tasks(SystemClock())
    waiting = [tasks.start(g, deaf(), group=g) for g in ("trading", "data", "system")]
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert len((await tasks.stop(0.1)).still_running) == 3
    assert loop.time() - began < 5
    heard.set()
    await asyncio.wait(waiting)


async def test_stopping_again_says_how_it_went(tasks: Tasks) -> None:
    tasks.start("feed", for_ever())
    first = await tasks.stop(1)
    assert await tasks.stop(1) is first


async def test_a_stop_goes_on_when_who_asked_has_left(tasks: Tasks) -> None:
    tasks.start("feed", for_ever())
    asking = asyncio.create_task(tasks.stop(1))
    await asyncio.sleep(0)
    asking.cancel()
    assert (await tasks.stop(1)).clean


async def test_tasks_are_dated_by_the_clock() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    tasks = Tasks(ManualClock(noon))
    tasks.start("feed", for_ever())
    assert tasks.status()[0].created_at == noon
    await tasks.stop(1)


async def test_every_calls_at_once_and_again(tasks: Tasks) -> None:
    calls = asyncio.Semaphore(0)
    tasks.start("look", every(0.001, calls.release))
    for _ in range(3):
        await asyncio.wait_for(calls.acquire(), 5)
    await tasks.stop(1)
