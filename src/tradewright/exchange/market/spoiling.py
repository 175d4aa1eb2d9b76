"""What a rehearsal does to the prints that clients are shown: bad ticks, on purpose.

The market trades on as if nothing were wrong; only quotes and trades on their way out are
changed, and bars are left as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.exchange.market.prints import Quotes, Trades

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

_HUGE: Final = 1e9


def spoiled_quotes(quotes: Quotes, kind: str | None) -> Quotes:
    """Return quotes with the prices of a kind of corruption; None leaves them whole."""
    if kind is None:
        return quotes
    bid, ask, bid_size = quotes.bid, quotes.ask, quotes.bid_size
    if kind == "crossed":
        bid, ask = ask, bid
    elif kind == "locked":
        ask = bid
    elif kind == "no_bid":
        bid, bid_size = np.zeros(len(bid)), np.zeros(len(bid))
    else:
        bid, ask = _spoiled(bid, kind), _spoiled(ask, kind)
    return Quotes(quotes.at, bid, bid_size, ask, quotes.ask_size)


def spoiled_trades(trades: Trades, kind: str | None) -> Trades:
    """Return trades with the prices of a kind of corruption; what is of quotes leaves them."""
    if kind is None:
        return trades
    return Trades(trades.at, _spoiled(trades.price, kind), trades.size, trades.mark)


def _spoiled(price: FloatArray, kind: str) -> FloatArray:
    if kind == "nan":
        return np.full(len(price), np.nan)
    if kind == "zero":
        return np.zeros(len(price))
    if kind == "huge":
        return np.full(len(price), _HUGE)
    return -price if kind == "negative" else price
