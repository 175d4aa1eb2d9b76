"""The equity curve: what the account was worth whenever a bar closed.

Two columns that only grow. Between two points the account is taken to be worth what it was at
the earlier one; before the first it did not exist.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal

from tradewright.core.events import BarClosed, Event, OrderEvent, SessionClosed, SessionOpened

_RECORDED = (BarClosed, SessionOpened, SessionClosed)


class EquityCurve:
    """Equity in dollars by epoch second."""

    def __init__(self, equity: Callable[[], Decimal], at: int) -> None:
        """Start at epoch second `at` with what `equity` says."""
        self._equity = equity
        self.seconds = array("q", [at])
        self.dollars = array("d", [float(equity())])

    def live(self, event: Event, _happened: Sequence[OrderEvent]) -> None:
        """Record what the account is worth once bars have closed."""
        if isinstance(event, _RECORDED):
            self.record(int(event.at.timestamp()))

    def record(self, second: int) -> None:
        """Record what the account is worth at an epoch second; the last word of a second holds."""
        worth = float(self._equity())
        if second > self.seconds[-1]:
            self.seconds.append(second)
            self.dollars.append(worth)
        else:
            self.dollars[-1] = worth

    def at(self, second: int) -> float | None:
        """Return the equity at an epoch second, None before the account was opened."""
        index = bisect_right(self.seconds, second) - 1
        return None if index < 0 else self.dollars[index]
