"""What is to be done when the market's clock comes to a time.

At one time, what was asked for first is done first, and all of it after the events of that time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime


class Timers:
    """Acts by their times."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._asked = 0

    def __bool__(self) -> bool:
        """Say whether anything is to be done."""
        return bool(self._due)

    def at(self, when: datetime, act: Callable[[], None]) -> None:
        """Have something done at a time; a time that has passed is as good as now."""
        self._asked += 1
        heapq.heappush(self._due, (when, self._asked, act))

    def take(self, limit: datetime) -> tuple[datetime, Callable[[], None]] | None:
        """Take out the next that is to be done by `limit`, None where there is none."""
        if not self._due or self._due[0][0] > limit:
            return None
        when, _, act = heapq.heappop(self._due)
        return when, act
