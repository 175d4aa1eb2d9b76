"""What was known of an instrument's liquidity before a moment: spread, volatility, volume.

Only sessions that were over before the one of that moment count, whatever the bars: a price that
is worse because of what happens later in the day would be look-ahead. Bars hold no quotes, so the
spread is an estimate from closes and ranges; it is noisy, and too wide for the most liquid names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewright.core.frames import to_decimal, to_nanos
from tradewright.data.adjust import split_growth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.frames import BarFrame, FloatArray, IntArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.market import CorporateAction

SESSIONS: Final = 20
FEWEST: Final = 10
_TICK: Final = 0.01


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is known of an instrument; None where it is not.

    `spread` is the quoted spread as a fraction of the price, `volatility` the standard deviation
    of daily log returns (not annualised), `volume` the mean shares a session.
    """

    spread: Decimal | None = None
    volatility: Decimal | None = None
    volume: Decimal | None = None


UNKNOWN: Final = Conditions()
"""Nothing is known."""


class _Sessions(NamedTuple):
    # One row a session that has bars: in shares of the first row of the frame.
    number: IntArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


class Backdrop:
    """Conditions of a frame's instruments at any time, from the sessions before it.

    Nothing is computed until it is asked for.
    """

    def __init__(self, frame: BarFrame, actions: Sequence[CorporateAction] = ()) -> None:
        """Take a frame of raw prices, and the splits that its volumes are counted through."""
        self._frame = frame
        self._actions = tuple(actions)
        self._known: dict[tuple[int, int], Conditions] = {}

    def at(self, instrument: InstrumentId, when: datetime) -> Conditions:
        """Return what was known before the session of `when`, in shares of that session.

        Each number is over the last 20 sessions, and unknown while fewer than 10 can be used.
        The volume counts a session without a trade as nothing.
        """
        column = self._frame.find(instrument)
        if column is None:
            return UNKNOWN
        session = int(np.searchsorted(self._opens, to_nanos(when), side="right")) - 1
        found = self._known.get((session, column))
        if found is None:
            found = self._known[session, column] = self._conditions(session, column)
        return found

    @cached_property
    def _opens(self) -> IntArray:
        return np.array([to_nanos(each.open) for each in self._frame.sessions], dtype=np.int64)

    @cached_property
    def _growth(self) -> FloatArray:
        return split_growth(self._frame, self._actions)

    @cached_property
    def _sessions(self) -> _Sessions:
        frame, growth = self._frame, self._growth
        starts = np.flatnonzero(np.diff(frame.session, prepend=-1))
        traded = ~np.isnan(frame.close)
        rows = np.where(traded, np.arange(len(frame))[:, None], -1)
        last = np.maximum.reduceat(rows, starts, axis=0)
        close = np.take_along_axis(frame.close * growth, np.maximum(last, 0), axis=0)
        return _Sessions(
            frame.session[starts],
            np.fmax.reduceat(frame.high * growth, starts, axis=0),
            np.fmin.reduceat(frame.low * growth, starts, axis=0),
            np.where(last >= 0, close, np.nan),
            np.add.reduceat(np.nan_to_num(frame.volume) / growth, starts, axis=0),
        )

    def _conditions(self, session: int, column: int) -> Conditions:
        known = self._sessions
        stop = int(np.searchsorted(known.number, session))
        if stop < FEWEST:
            return UNKNOWN
        first = max(stop - SESSIONS, 0)
        close = known.close[max(first - 1, 0) : stop, column]
        volume = known.volume[first:stop, column].mean()
        row = min(int(np.searchsorted(self._frame.session, session)), len(self._frame) - 1)
        volume *= self._growth[row, column]
        ranges = known.high[first:stop, column], known.low[first:stop, column]
        spread = estimated_spread(*ranges, known.close[first:stop, column])
        price = known.close[stop - 1, column] / self._growth[row, column]
        return Conditions(
            _exact(np.fmax(spread, _TICK / price) if spread == spread else spread),  # noqa: PLR0124
            _exact(daily_volatility(close)),
            _exact(volume if volume > 0 else np.nan),
        )


def daily_volatility(close: FloatArray) -> float:
    """Standard deviation of the log returns between the closes that there are.

    Args:
        close: One close a session, shape (sessions,); NaN where not traded is left out.

    Returns:
        A fraction a session (not annualised), n - 1 in the denominator; NaN below 10 returns.
    """
    returns = np.diff(np.log(close[~np.isnan(close)]))
    return float(np.std(returns, ddof=1)) if len(returns) >= FEWEST else np.nan


def estimated_spread(high: FloatArray, low: FloatArray, close: FloatArray) -> float:
    """Quoted spread as a fraction of the price, estimated from closes and ranges.

    s = sqrt(max(4 · mean((c_t - η_t)(c_t - η_{t+1})), 0)), with c the log close and η the mean of
    log high and log low.

    Args:
        high: Highest price of each session, shape (sessions,).
        low: Lowest price.
        close: Last price; sessions with a NaN are left out.

    Returns:
        A fraction, 0.001 is ten basis points; NaN below 9 pairs of sessions.

    Reference:
        Abdi and Ranaldo, A Simple Estimation of Bid-Ask Spreads from Daily Close, High, and Low
        Prices, Review of Financial Studies 30 (2017).
    """
    middle, last = (np.log(high) + np.log(low)) / 2, np.log(close)
    products = (last[:-1] - middle[:-1]) * (last[:-1] - middle[1:])
    products = products[~np.isnan(products)]
    if len(products) < FEWEST - 1:
        return np.nan
    return float(np.sqrt(max(4 * products.mean(), 0.0)))


def _exact(value: float) -> Decimal | None:
    return to_decimal(float(value)) if np.isfinite(value) else None
