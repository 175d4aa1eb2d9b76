"""Trading halts: which instruments stand still, since when and why, and every change of it.

Limit-up limit-down pauses are computed from the tape by a simplified rule: a trade at or beyond
5 % from the mean price of the last five minutes begins a limit state, and if none comes back
inside the band within 15 seconds trading pauses for five minutes. The tape prints on through a
pause, since what is stored is what happened.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.frames import NANOSECONDS
from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.ids import InstrumentId

NEWS: Final = "T1"
LIMIT_PAUSE: Final = "LUDP"
MARKET_WIDE: Final = "MWC1"
REASONS: Final = {
    NEWS: "News Pending",
    LIMIT_PAUSE: "Volatility Trading Pause",
    MARKET_WIDE: "Market Wide Circuit Breaker",
}
_BAND: Final = 0.05
_WINDOW: Final = 300 * NANOSECONDS
_LIMIT_STATE: Final = 15 * NANOSECONDS
_PAUSE: Final = 300 * NANOSECONDS


@frozen
class HaltChange:
    """An instrument was halted, or `resumed`; `code` is that of the halt."""

    symbol: str
    at: datetime
    code: str
    reason: str
    resumed: bool


class Halts:
    """The halts in force and the history of them."""

    def __init__(self) -> None:
        """Start with everything trading."""
        self.since: dict[InstrumentId, HaltChange] = {}
        self._history: list[HaltChange] = []

    def begin(self, instrument: InstrumentId, change: HaltChange) -> None:
        """Halt an instrument."""
        self.since[instrument] = change
        self._history.append(change)

    def end(self, instrument: InstrumentId, symbol: str, at: datetime) -> HaltChange:
        """Let a halted instrument trade again."""
        halt = self.since.pop(instrument)
        change = HaltChange(symbol, at, halt.code, halt.reason, resumed=True)
        self._history.append(change)
        return change

    def changes(self, after: datetime, to: datetime) -> Sequence[HaltChange]:
        """Return the changes with after < at <= to, in order."""
        first = bisect_right(self._history, after, key=lambda change: change.at)
        stop = bisect_right(self._history, to, key=lambda change: change.at)
        return self._history[first:stop]


def limit_pauses(at: IntArray, price: FloatArray) -> Sequence[tuple[int, int]]:
    """Return the pauses of one instrument's session: when each begins and ends.

    Args:
        at: Times of the session's trades in order, nanoseconds since 1970, shape (trades,).
        price: Their prices in dollars, shape (trades,), without NaN.

    Returns:
        Begin and end of each pause in nanoseconds since 1970, in order.
    """
    pauses: list[tuple[int, int]] = []
    while len(at):
        reference = _trailing_means(at, price)
        beyond = np.flatnonzero(np.abs(price - reference) >= _BAND * reference)
        found = next((span for i in beyond if (span := _limit_state(at, price, reference, i))), 0)
        if not found:
            break
        pauses.append((found, found + _PAUSE))
        # The market reopens where it then trades: what came before counts no more.
        rest = int(np.searchsorted(at, found + _PAUSE))
        at, price = at[rest:], price[rest:]
    return pauses


def _limit_state(at: IntArray, price: FloatArray, reference: FloatArray, first: np.int64) -> int:
    begun = int(at[first]) + _LIMIT_STATE
    within = slice(int(first), int(np.searchsorted(at, begun, side="right")))
    moved = price[within] - reference[first]
    stays = bool(np.all(np.abs(moved) >= _BAND * reference[first]))
    return begun if stays else 0


def _trailing_means(at: IntArray, price: FloatArray) -> FloatArray:
    sums = np.concatenate(([0.0], np.cumsum(price)))
    last = np.arange(len(at))
    first = np.minimum(np.searchsorted(at, at - _WINDOW, side="right"), last)
    count = last - first
    means = (sums[last] - sums[first]) / np.maximum(count, 1)
    # Before anything else has traded, the reference is the trade before, or the trade itself.
    return np.where(count > 0, means, price[np.maximum(last - 1, 0)])
