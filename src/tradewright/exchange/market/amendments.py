"""Trades that are reported late, taken back or corrected after they were printed.

The tape itself stays as it was printed, and so does what our orders did on it: an amendment
changes what is told of a minute from then on, in bars and in lists of trades.
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.frozen import frozen
from tradewright.exchange.market.prints import Trades

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewright.core.ids import InstrumentId


class Kind(StrEnum):
    """What happened to a trade; the words are those of the vendor's list of trades."""

    LATE = "late"
    CANCELED = "canceled"
    CORRECTED = "corrected"


@frozen
class Amendment:
    """A change of one trade, which was printed at `at`, nanoseconds since 1970.

    `price` and `size` are what counts from now on, and `was` what counted before; of a trade that
    is canceled they are what no longer counts.
    """

    instrument: InstrumentId
    kind: Kind
    at: int
    price: float
    size: float
    was: tuple[float, float]


class Amendments:
    """What was amended, by instrument and in the order in which it was."""

    def __init__(self) -> None:
        """Start with every trade as it was printed."""
        self._made: dict[InstrumentId, list[Amendment]] = defaultdict(list)
        self._followers: list[Callable[[Amendment], None]] = []

    def follow(self, hear: Callable[[Amendment], None]) -> None:
        """Tell of every amendment."""
        self._followers.append(hear)

    def add(self, amendment: Amendment) -> None:
        """Keep an amendment, and tell of it."""
        self._made[amendment.instrument].append(amendment)
        for hear in self._followers:
            hear(amendment)

    def of(self, instrument: InstrumentId, after: int, to: int) -> Sequence[Amendment]:
        """Return the amendments of trades with after < at <= to."""
        return [each for each in self._made.get(instrument, ()) if after < each.at <= to]

    def counting(self, instrument: InstrumentId, trades: Trades, after: int, to: int) -> Trades:
        """Return what counts of the trades that were printed in after < at <= to."""
        for each in self.of(instrument, after, to):
            place = int(np.searchsorted(trades.at, each.at))
            if each.kind is Kind.LATE:
                trades = _inserted(trades, place, each)
            elif each.kind is Kind.CANCELED:
                trades = trades.rows(np.delete(np.arange(len(trades.at)), place))
            else:
                price, size = trades.price.copy(), trades.size.copy()
                price[place], size[place] = each.price, each.size
                trades = Trades(trades.at, price, size, trades.mark)
        return trades

    def printed(self, instrument: InstrumentId, trades: Trades, after: int, to: int) -> Trades:
        """Return the trades with those that were reported late, each as it first was told."""
        for each in self.of(instrument, after, to):
            if each.kind is Kind.LATE:
                trades = _inserted(trades, int(np.searchsorted(trades.at, each.at)), each)
        return trades


def _inserted(trades: Trades, place: int, late: Amendment) -> Trades:
    return Trades(
        np.insert(trades.at, place, late.at),
        np.insert(trades.price, place, late.price),
        np.insert(trades.size, place, late.size),
        np.insert(trades.mark, place, 0),
    )
