"""Moving the market by itself: replayed time runs `speed` times as fast as real time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from tradewright.core.clock import SystemClock
from tradewright.exchange.market import ReplayMarket
from tradewright.ports import Clock

_STEP_SECONDS: Final = 0.05


async def keep_pace(market: ReplayMarket, speed: float, clock: Clock | None = None) -> None:
    """Advance `market` until its replay ends; nights and holidays pass at the same speed."""
    watch = clock or SystemClock()
    begun, origin = watch.monotonic(), market.now
    while not market.done:
        await asyncio.sleep(_STEP_SECONDS)
        passed = timedelta(seconds=(watch.monotonic() - begun) * speed)
        market.advance(origin + passed)
