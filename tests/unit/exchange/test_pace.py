"""Time that moves by itself: as fast as asked, paused, at full speed, and not through nights."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from tests.unit.exchange.minutes import MINUTES, minute, minute_exchange
from tradewright.core.errors import InvalidInput
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.pace import Pace


class Watch:
    """A clock that goes on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.seen = 0

    def now(self) -> None:
        raise AssertionError("the time of day is none of the pace's business")

    def monotonic(self) -> float:
        self.seen += 1
        return float(self.seen)


@contextlib.asynccontextmanager
async def running(pace: Pace) -> AsyncIterator[None]:
    task = asyncio.create_task(pace.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - the market tells nobody of its time
            await asyncio.sleep(0.001)


def paced(exchange: Exchange, speed: str, *, nights: bool = True) -> Pace:
    return Pace(exchange, speed, nights=nights, clock=Watch())  # type: ignore[arg-type]


async def test_time_runs_at_a_multiple_in_small_steps() -> None:
    exchange = minute_exchange()
    begun = exchange.market.now
    async with running(paced(exchange, "5")):
        await until(lambda: exchange.market.now > begun)
    passed = exchange.market.now - begun
    assert passed % timedelta(seconds=5) == timedelta(0)
    assert exchange.market.now.second or exchange.market.now.microsecond


async def test_a_pause_stops_it_and_a_change_of_speed_goes_on() -> None:
    exchange = minute_exchange()
    pace = paced(exchange, "60")
    async with running(pace):
        await until(lambda: exchange.market.position > 3)
        pace.change(paused=True)
        await asyncio.sleep(0.12)
        stood = exchange.market.now
        await asyncio.sleep(0.12)
        assert exchange.market.now == stood
        pace.change("max", paused=False)
        await until(lambda: exchange.market.done)
        assert pace.speed == "max"
        # What has ended stands still, until it is begun anew.
        exchange.reset()
        pace.change()
        await until(lambda: exchange.market.done)


async def test_step_is_not_at_all() -> None:
    exchange = minute_exchange()
    begun = exchange.market.now
    async with running(paced(exchange, "step")):
        await asyncio.sleep(0.12)
    assert exchange.market.now == begun


async def test_nights_may_be_left_out() -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, MINUTES))
    async with running(paced(exchange, "1", nights=False)):
        await until(lambda: exchange.market.now >= minute(1, 0))
    assert exchange.market.now < minute(1, 1)


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf", "1e9"])
async def test_what_is_no_speed_is_refused_and_changes_nothing(speed: str) -> None:
    pace = paced(minute_exchange(), "60")
    with pytest.raises(InvalidInput, match="speed"):
        pace.change(speed, paused=True)
    assert (pace.speed, pace.paused) == ("60", False)
