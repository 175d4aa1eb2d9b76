"""Whether a venue can be relied on: heard, answering, letting us trade, and keeping our time.

While it cannot, only orders that reduce are sent. Its silence is no failure of ours: it is asked
again, at growing intervals, for as long as it takes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from tradewright.core.errors import RateLimited, VenueUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tradewright.ports import Broker

_Answer = TypeVar("_Answer")
_FIRST_RETRY: Final = 1.0
_DOUBTED: Final = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits in seconds: for the venue to know an order, for its news, and between two looks.

    `look` is how long what it says of itself is good for. While it does not answer it is asked
    again at once, after a second, then after twice as long each time, up to `longest`. A clock
    that differs from ours by more than `skew` is not relied on.
    """

    confirm: float = 5.0
    news: float = 5.0
    poll: float = 0.02
    look: float = 30.0
    longest: float = 30.0
    skew: float = 1.0


class Doubt(StrEnum):
    """A reason not to rely on a venue."""

    DEAF = "the trade updates are not connected"
    SILENT = "the venue does not answer"
    BLOCKED = "the account is blocked"
    SKEWED = "the clocks differ"


class Watch:
    """What is to be thought of a venue now."""

    def __init__(self, broker: Broker, patience: Patience) -> None:
        """Doubt nothing yet: nothing was asked."""
        self._broker = broker
        self._patience = patience
        self._doubts: dict[Doubt, str] = {}
        self._next = float("-inf")
        self._failures = 0

    @property
    def is_fit(self) -> bool:
        """Whether orders that add exposure may be sent."""
        return not self._doubts

    @property
    def is_silent(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return Doubt.SILENT in self._doubts

    @property
    def reason(self) -> str:
        """Every doubt, in words."""
        told = (f"{doubt}: {why}" if why else doubt.value for doubt, why in self._doubts.items())
        return "; ".join(told)

    async def look(self, *, insist: bool = False) -> None:
        """Look at the connection, and ask the venue about itself when that is due or insisted."""
        self._judge(Doubt.DEAF, doubted=not await self._is_heard())
        now = _now()
        if now < self._next and not insist:
            return
        try:
            said = await in_turn(self._broker.standing)
        except VenueUnavailable as lost:
            self.lost(str(lost))
            return
        self._failures = 0
        self._judge(Doubt.SILENT, doubted=False)
        self._judge(Doubt.BLOCKED, said.blocked, doubted=bool(said.blocked))
        ahead = said.skew_seconds
        skewed = abs(ahead) > self._patience.skew
        self._judge(Doubt.SKEWED, f"ours is {ahead:+.3f} s ahead of the venue's", doubted=skewed)
        good_for = self._patience.look
        self._next = now + (min(good_for, _DOUBTED) if said.blocked or skewed else good_for)

    def lost(self, why: str) -> None:
        """Note that it did not answer; it is asked again after a while."""
        doubled = _FIRST_RETRY * 2.0 ** min(self._failures - 1, 32)
        wait = min(doubled, self._patience.longest) if self._failures else 0.0
        self._failures += 1
        self._next = _now() + wait
        self._judge(Doubt.SILENT, why, doubted=True)

    async def _is_heard(self) -> bool:
        connected = self._broker.connected
        if not connected.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience.news):
                    await connected.wait()
        return connected.is_set()

    def _judge(self, doubt: Doubt, why: str = "", *, doubted: bool) -> None:
        if doubted:
            self._doubts[doubt] = why
        else:
            self._doubts.pop(doubt, None)


async def in_turn(ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Ask, and ask again what was refused for asking too often: only that was not done."""
    while True:
        try:
            return await ask()
        except RateLimited as limited:
            await asyncio.sleep(limited.retry_after)


def _now() -> float:
    return asyncio.get_running_loop().time()
