"""How a service is: checks of what it depends on, run side by side, each with a time limit.

A check raises when what it looks at is not fine; what it raises names the problem, and nothing of
a check can hang or break the answer. A burst of questions is one look: answers are kept for a
moment. A critical check that fails makes the whole unhealthy, another one degraded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tradewright.core.errors import TradewrightError
from tradewright.ops import metrics
from tradewright.ports import Clock
from tradewright.wire.health import CheckHealth, HealthStatus, LoopHealth

KEPT_SECONDS: Final = 1.0
_LEAVING_SECONDS: Final = 0.25
_SECOND: Final = 1000.0
_WORST_FIRST: Final = (HealthStatus.UNHEALTHY, HealthStatus.DEGRADED)


class NotWell(TradewrightError):
    """What a check looks at is not as it must be; the words are shown to anyone who asks."""


@dataclass(frozen=True, slots=True)
class Check:
    """A look at something that the service depends on; `probe` raises when it is not fine.

    The words of NotWell are shown; of any other error only the kind, since `/health` is public.
    """

    name: str
    probe: Callable[[], Awaitable[object]]
    critical: bool = False
    timeout_seconds: float = 2.0


class Checks:
    """The checks of one service, and what they found last."""

    def __init__(
        self, checks: Iterable[Check], clock: Clock, *, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        """Look anew when the last look is older than `kept_seconds`."""
        self._checks = tuple(checks)
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._found: Mapping[str, CheckHealth] = {}
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def found(self) -> Mapping[str, CheckHealth]:
        """What each check finds, by its name."""
        async with self._lock:
            if self._clock.monotonic() - self._looked >= self._kept_seconds:
                self._found = await self.look()
                self._looked = self._clock.monotonic()
            return self._found

    async def look(self) -> Mapping[str, CheckHealth]:
        """Look now, whenever the last look was, and keep the metrics."""
        seen = await asyncio.gather(*[self._look(check) for check in self._checks])
        return dict(zip([check.name for check in self._checks], seen, strict=True))

    async def _look(self, check: Check) -> CheckHealth:
        began = self._clock.monotonic()
        looking = asyncio.ensure_future(_probed(check))
        try:
            await asyncio.wait([looking], timeout=check.timeout_seconds)
        finally:
            # Also when whoever asked has left: a probe must not go on without anyone, and lets go
            # of its connection before what it was asked of is closed.
            if not looking.done():
                looking.cancel()
                await asyncio.wait([looking], timeout=_LEAVING_SECONDS)
        spent = (self._clock.monotonic() - began) * _SECOND
        wrong = _wrong(looking, check.timeout_seconds)
        metrics.dependency_up.labels(check.name).set(0 if wrong else 1)
        if not wrong:
            return CheckHealth(status=HealthStatus.HEALTHY, response_ms=round(spent, 3))
        status = HealthStatus.UNHEALTHY if check.critical else HealthStatus.DEGRADED
        return CheckHealth(status=status, response_ms=round(spent, 3), error=wrong)


async def _probed(check: Check) -> None:
    await check.probe()


def _wrong(looking: asyncio.Future[None], timeout_seconds: float) -> str:
    if not looking.done() or looking.cancelled():
        return f"no answer in {timeout_seconds:g} s"
    error = looking.exception()
    if error is None:
        return ""
    return str(error) if isinstance(error, NotWell) else type(error).__name__


def worst(statuses: Iterable[HealthStatus]) -> HealthStatus:
    """The worst of several; healthy if there are none."""
    given = set(statuses)
    return next((status for status in _WORST_FIRST if status in given), HealthStatus.HEALTHY)


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0


class LoopLag:
    """How late the event loop runs what is due, measured many times a second."""

    EVERY_SECONDS: Final = 0.05
    WINDOW: Final = 1200
    HALF_MINUTE: Final = 600

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._samples: deque[float] = deque(maxlen=self.WINDOW)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure the running loop until stopped."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self.EVERY_SECONDS
        self._timer = loop.call_at(due, self._due, loop, due)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def samples(self) -> Sequence[float]:
        """The delays of the last minute, in seconds, oldest first."""
        return tuple(self._samples)

    @property
    def sustained(self) -> float:
        """The delay, in seconds, that half of the last half minute exceeded; 0 before that."""
        seen = self.samples[-self.HALF_MINUTE :]
        return sorted(seen)[len(seen) // 2] if len(seen) == self.HALF_MINUTE else 0.0

    def facts(self) -> LoopHealth:
        """The delays of the last minute, in milliseconds."""
        seen = self.samples
        if not seen:
            return LoopHealth(last=0.0, p99=0.0, worst=0.0)
        last, high, most = (round(s * _SECOND, 3) for s in (seen[-1], p99(seen), max(seen)))
        return LoopHealth(last=last, p99=high, worst=most)

    def _due(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        late = max(0.0, now - due)
        self._samples.append(late)
        metrics.loop_lag.observe(late)
        following = now + self.EVERY_SECONDS
        self._timer = loop.call_at(following, self._due, loop, following)
