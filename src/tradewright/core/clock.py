"""The only place that may read the wall clock; everywhere else time is an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from tradewright.core.errors import InvalidInput


def require_utc(at: datetime, field: str = "at") -> datetime:
    """Return `at` if it is aware UTC, else refuse it."""
    if at.tzinfo is None or at.utcoffset() != timedelta(0):
        raise InvalidInput(field, at, "is not an aware UTC time", "give it tzinfo=UTC")
    return at


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring spans."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is moved; never backwards."""

    def __init__(self, at: datetime) -> None:
        """Start at `at`, aware UTC."""
        self._at = require_utc(at)

    def now(self) -> datetime:
        """Return the time that was last set."""
        return self._at

    def monotonic(self) -> float:
        """Return the set time as seconds."""
        return self._at.timestamp()

    def set(self, at: datetime) -> None:
        """Move to `at`; refuse to go back."""
        if require_utc(at) < self._at:
            raise InvalidInput("at", at, f"is before the clock's {self._at.isoformat()}")
        self._at = at

    def advance(self, by: timedelta) -> None:
        """Move on by a span."""
        self.set(self._at + by)
