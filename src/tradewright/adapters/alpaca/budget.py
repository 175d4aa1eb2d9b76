"""How many requests may be sent, and which of them may take the last ones.

The vendor allows so many requests in a minute and refuses the rest, cancels and exits like all
others. So the budget is kept here: polling stops first, then orders that add exposure, and the
last part is for getting out alone. Pure: seconds come in as arguments and never go back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tradewright.core.errors import InvalidInput


class Lane(StrEnum):
    """What a request is for; the earlier in this list, the longer it may be sent."""

    EXIT = "exit"
    ORDER = "order"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests in `seconds`, and the fractions of them that orders and polling may use up.

    What `orders` leaves is for cancels and for orders that reduce exposure.
    """

    requests: int = 200
    seconds: float = 60.0
    orders: float = 0.8
    polling: float = 0.5

    def __post_init__(self) -> None:
        """Refuse an allowance that would keep nothing for exits."""
        if self.requests < 1 or self.seconds <= 0:
            raise InvalidInput("requests", self.requests, "must be at least 1 in some time")
        if not 0 < self.polling <= self.orders < 1:
            rule = "must lie in (0, orders] for polling and below 1 for orders"
            raise InvalidInput("polling", (self.polling, self.orders), rule)

    def of(self, lane: Lane, requests: int) -> int:
        """Return how many of `requests` a lane may use up; exits may have all."""
        share = {Lane.EXIT: 1.0, Lane.ORDER: self.orders, Lane.POLL: self.polling}[lane]
        return max(int(requests * share), 1) if lane is Lane.EXIT else int(requests * share)


_EXIT_WAITS: Final = (0.5, 4.0)
_OTHER_WAITS: Final = (3.0, 60.0)
_AFTER_RESET: Final = 1.0


class RequestBudget:
    """Counts what was sent in every stretch of the allowance's length, and what the venue says."""

    def __init__(
        self, allowance: Allowance | None = None, *, jitter: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Start with nothing sent; `jitter` in [0, 1) makes waits after a refusal longer."""
        self._allowance = allowance or Allowance()
        self._limit = self._allowance.requests
        self._jitter = jitter
        self._sent: deque[float] = deque()
        self._others = 0
        self._others_until = float("-inf")
        self._paused: dict[Lane, float] = {}
        self._strikes = 0

    @property
    def limit(self) -> int:
        """Requests allowed in one stretch: ours, or the venue's if that is less."""
        return self._limit

    def left(self, lane: Lane, now: float) -> int:
        """Return how many requests of a lane may be sent now."""
        self._forget(now)
        others = self._others if now < self._others_until else 0
        return max(self._allowance.of(lane, self._limit) - len(self._sent) - others, 0)

    def take(self, lane: Lane, now: float) -> float:
        """Count a request and return 0, or return the seconds until it may be sent."""
        self._forget(now)
        wait = self._paused.get(lane, now) - now
        may = self._allowance.of(lane, self._limit)
        others = self._others if now < self._others_until else 0
        if len(self._sent) + others >= may:
            wait = max(wait, self._until_free(may, now))
        if wait > 0:
            return wait
        self._sent.append(now)
        return 0.0

    def learn(
        self, limit: int | None, remaining: int | None, reset: float | None, now: float
    ) -> None:
        """Take in what an answer's headers say; `reset` is seconds from `now`.

        What the venue counts and we have not sent was sent by others with the same account.
        """
        if limit is not None and limit > 0:
            self._limit = min(self._allowance.requests, limit)
        if remaining is not None and reset is not None and reset > 0:
            self._forget(now)
            said = limit if limit is not None and limit > 0 else self._limit
            others = said - max(remaining, 0) - len(self._sent)
            self._others = max(others, 0)
            self._others_until = now + min(reset, self._allowance.seconds)

    def served(self) -> None:
        """Note an answer that was no refusal for asking too often."""
        self._strikes = 0

    def limited(self, wait: float | None, now: float) -> Mapping[Lane, float]:
        """Note such a refusal and return how long each lane waits.

        `wait` is the venue's own word in seconds, if it gave one. Exits come back first, at
        its end; without its word they try again soon, and the others leave the road to them.
        """
        self._strikes += 1
        stretch = 1 + self._jitter()
        if wait is None:
            exits = _doubled(_EXIT_WAITS, self._strikes)
            rest = _doubled(_OTHER_WAITS, self._strikes) * stretch
        else:
            exits, rest = wait, wait + _AFTER_RESET * stretch
        waits = {Lane.EXIT: exits, Lane.ORDER: rest, Lane.POLL: rest}
        self._paused = {lane: now + seconds for lane, seconds in waits.items()}
        return waits

    def _forget(self, now: float) -> None:
        horizon = now - self._allowance.seconds
        while self._sent and self._sent[0] <= horizon:
            self._sent.popleft()

    def _until_free(self, may: int, now: float) -> float:
        if not may:
            return self._allowance.seconds
        own = len(self._sent)
        if own < may:
            return self._others_until - now
        return self._sent[own - may] + self._allowance.seconds - now


def _doubled(waits: tuple[float, float], strikes: int) -> float:
    first, longest = waits
    return float(min(first * 2.0 ** min(strikes - 1, 32), longest))
