"""Bars made of trades: the minutes that closed, and what a day has come to so far.

Both are sums over the tape, so a minute without a trade has no bar, and whatever market data the
tape was made from, these bars say what was printed and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.frames import NANOSECONDS

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.exchange.market.prints import Trades

MINUTE: Final = 60 * NANOSECONDS


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars by time: `at` is when they begin, in nanoseconds since 1970, shape (bars,).

    `values` are open, high, low, close, volume of shape (5, bars); `count` is how many trades
    they are made of, and `vwap` the volume-weighted price, the close where nothing traded.
    """

    at: IntArray
    values: FloatArray
    count: FloatArray
    vwap: FloatArray

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.at)


def average(values: FloatArray, paid: FloatArray) -> FloatArray:
    """Return volume-weighted prices of bars (5, bars) for which `paid` was paid in all."""
    traded = values[4] > 0
    return np.where(traded, paid / np.where(traded, values[4], 1.0), values[3])


def minute_bars(trades: Trades) -> Bars:
    """Return the bars of the minutes in which trades were printed."""
    minute = trades.at // MINUTE
    if not len(minute):
        return Bars(minute, np.zeros((5, 0)), np.zeros(0), np.zeros(0))
    first = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
    stop = np.append(first[1:], len(minute))
    values = np.stack(
        [
            trades.price[first],
            np.maximum.reduceat(trades.price, first),
            np.minimum.reduceat(trades.price, first),
            trades.price[stop - 1],
            np.add.reduceat(trades.size, first),
        ]
    )
    paid = np.add.reduceat(trades.price * trades.size, first)
    return Bars(
        minute[first] * MINUTE, values, (stop - first).astype(np.float64), average(values, paid)
    )


def running_bars(trades: Trades, until: IntArray, at: int) -> Bars:
    """Return what a session's trades had come to just before each of some times.

    Args:
        trades: The trades of one session, from its open.
        until: Times in nanoseconds since 1970, in order; before the first trade there is no bar.
        at: The time that the bars are given: when the day began.
    """
    stop = np.searchsorted(trades.at, until)
    last = stop[stop > 0] - 1
    if not len(last):
        return Bars(last, np.zeros((5, 0)), np.zeros(0), np.zeros(0))
    prices, sizes = trades.price, trades.size
    values = np.stack(
        [
            np.full(len(last), prices[0]),
            np.maximum.accumulate(prices)[last],
            np.minimum.accumulate(prices)[last],
            prices[last],
            np.cumsum(sizes)[last],
        ]
    )
    paid = np.cumsum(prices * sizes)[last]
    return Bars(
        np.full(len(last), at), values, (last + 1).astype(np.float64), average(values, paid)
    )
