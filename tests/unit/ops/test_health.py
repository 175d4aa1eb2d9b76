"""Checks run side by side, within their time, and never break the answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tradewright.core.clock import ManualClock, SystemClock
from tradewright.ops import metrics
from tradewright.ops.health import Check, Checks, LoopLag, NotWell, p99, worst
from tradewright.wire.health import HealthStatus

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def fine() -> None:
    return


async def ill() -> None:
    raise NotWell("3 entries wait")


async def broken() -> None:
    raise OSError("/srv/secret/path")


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_each_check_says_how_it_is() -> None:
    checks = Checks(
        [
            Check("fine", fine),
            Check("ill", ill),
            Check("broken", broken, critical=True),
            Check("hanging", hanging, timeout_seconds=0.01),
        ],
        SystemClock(),
    )
    found = await checks.found()
    assert {name: one.status.value for name, one in found.items()} == {
        "fine": "healthy",
        "ill": "degraded",
        "broken": "unhealthy",
        "hanging": "degraded",
    }
    assert found["fine"].error is None
    assert found["ill"].error == "3 entries wait"
    # What an unforeseen error says could name anything.
    assert found["broken"].error == "OSError"
    assert found["hanging"].error == "no answer in 0.01 s"
    assert found["hanging"].response_ms >= 10
    up = {n: metrics.REGISTRY.get_sample_value("dependency_up", {"dependency": n}) for n in found}
    assert up == {"fine": 1, "ill": 0, "broken": 0, "hanging": 0}


async def test_checks_run_side_by_side() -> None:
    meeting = asyncio.Barrier(3)

    async def meet() -> None:
        await meeting.wait()

    checks = Checks([Check(str(n), meet, timeout_seconds=5) for n in range(3)], SystemClock())
    assert worst(one.status for one in (await checks.found()).values()) is HealthStatus.HEALTHY


async def test_a_burst_of_questions_is_one_look() -> None:
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)

    clock = ManualClock(NOON)
    checks = Checks([Check("one", look)], clock, kept_seconds=1)
    await asyncio.gather(*(checks.found() for _ in range(50)))
    assert looks == 1
    clock.advance(timedelta(seconds=1))
    await checks.found()
    assert looks == 2


async def test_a_probe_does_not_go_on_when_who_asked_has_left() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def probe() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    asking = asyncio.create_task(Checks([Check("one", probe)], SystemClock()).found())
    await begun.wait()
    asking.cancel()
    await asyncio.wait([asking])
    await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], "healthy"),
        (["healthy", "healthy"], "healthy"),
        (["healthy", "degraded"], "degraded"),
        (["degraded", "unhealthy", "healthy"], "unhealthy"),
    ],
)
def test_the_worst_of_several(given: list[str], expected: str) -> None:
    assert worst(HealthStatus(one) for one in given).value == expected


def test_one_in_a_hundred_exceeds_p99() -> None:
    assert p99([]) == 0.0
    assert p99([1.0]) == 1.0
    assert p99([float(n) for n in range(100)]) == 99.0
    assert p99([float(n) for n in range(1000)]) == 990.0


async def test_a_loop_that_is_held_up_is_measured() -> None:
    lag = LoopLag()
    assert lag.facts().worst == 0.0
    lag.start()
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.15)
    assert lag.samples
    held = loop.time() + 0.2
    while loop.time() < held:
        continue
    await asyncio.sleep(0.15)
    lag.stop()
    assert max(lag.samples) >= 0.1
    assert lag.facts().worst >= lag.facts().p99 >= 0
    # A moment is no illness.
    assert lag.sustained == 0.0
    seen = len(lag.samples)
    await asyncio.sleep(0.12)
    assert len(lag.samples) == seen
