"""Moving the market by itself: replayed time runs so many times as fast as real time.

Here alone the exchange meets the wall clock. Time moves in small steps, so that quotes change
within a minute; at full speed it goes from event to event, and still lets clients in between.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from tradewright.core.clock import SystemClock
from tradewright.core.errors import InvalidInput
from tradewright.exchange.exchange import Exchange
from tradewright.ports import Clock

FULL: Final = "max"
STEP: Final = "step"
_STEP_SECONDS: Final = 0.05
_FASTEST: Final = 1_000_000.0


class Pace:
    """How fast an exchange's market moves; it may be changed, paused and resumed at any time."""

    def __init__(
        self,
        exchange: Exchange,
        speed: str = STEP,
        *,
        nights: bool = True,
        clock: Clock | None = None,
    ) -> None:
        """Stand still until `run`.

        `speed` is times real time, `max` for as fast as possible, or `step` for not at all; with
        `nights` off, the time between sessions is skipped.

        Raises:
            InvalidInput: It is no speed.
        """
        self.paused = False
        self._exchange = exchange
        self._nights = nights
        self._clock = clock or SystemClock()
        self._changed = asyncio.Event()
        self._speed = STEP
        self._rate = 0.0
        self.change(speed)

    @property
    def speed(self) -> str:
        """The speed as it was asked for."""
        return self._speed

    def change(self, speed: str | None = None, *, paused: bool | None = None) -> None:
        """Change the speed, or pause and resume.

        Raises:
            InvalidInput: It is no speed; nothing changes.
        """
        if speed is not None:
            self._rate = 0.0 if speed in {FULL, STEP} else _rate(speed)
            self._speed = speed
        if paused is not None:
            self.paused = paused
        self._changed.set()

    async def run(self) -> None:
        """Move the market until canceled; a replay that has ended stands still."""
        while True:
            self._changed.clear()
            if self.paused or self._speed == STEP or self._exchange.market.done:
                await self._changed.wait()
            elif self._speed == FULL:
                await self._rush()
            else:
                await self._walk()

    async def _rush(self) -> None:
        exchange = self._exchange
        while not self._changed.is_set() and (upcoming := exchange.market.next_at) is not None:
            exchange.advance(upcoming, asked=False)
            await asyncio.sleep(0)
        await self._exchange.kept()

    async def _walk(self) -> None:
        seen = self._clock.monotonic()
        while not self._changed.is_set() and not self._exchange.market.done:
            await asyncio.sleep(_STEP_SECONDS)
            before, seen = seen, self._clock.monotonic()
            if self._changed.is_set():
                return
            market = self._exchange.market
            to = market.now + timedelta(seconds=(seen - before) * self._rate)
            upcoming = market.next_at
            if not self._nights and market.session is None and upcoming is not None:
                to = max(to, upcoming)
            self._exchange.advance(to, asked=False)
            await self._exchange.kept()


def _rate(speed: str) -> float:
    try:
        rate = float(speed)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _FASTEST:
        what = f"is not a number above 0 and at most {_FASTEST:g}, {FULL} or {STEP}"
        raise InvalidInput("speed", speed, what, "60 replays an hour in a minute")
    return rate
