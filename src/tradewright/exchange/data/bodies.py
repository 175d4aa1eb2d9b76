"""How the vendor writes market data: columns to rows of JSON, alike in answers and in streams.

Numbers are JSON numbers here, unlike those of the trading API. Sizes are shares: the vendor
counted quotes in round lots before 3 November 2025, and this exchange speaks as it does today.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from tradewright.core.frames import NANOSECONDS
from tradewright.exchange.market.prints import CLOSING, OPENING, ROUND_LOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.frames import IntArray
    from tradewright.core.instrument import Instrument
    from tradewright.exchange.market.aggregates import Bars
    from tradewright.exchange.market.prints import Quotes, Trades

Row: TypeAlias = "dict[str, Any]"

EXCHANGES: Final[Mapping[str, str]] = {
    "A": "NYSE American (AMEX)",
    "B": "NASDAQ OMX BX",
    "C": "National Stock Exchange",
    "D": "FINRA ADF",
    "E": "Market Independent",
    "H": "MIAX",
    "I": "International Securities Exchange",
    "J": "Cboe EDGA",
    "K": "Cboe EDGX",
    "L": "Long Term Stock Exchange",
    "M": "Chicago Stock Exchange",
    "N": "New York Stock Exchange",
    "P": "NYSE Arca",
    "Q": "NASDAQ OMX",
    "S": "NASDAQ Small Cap",
    "T": "NASDAQ Int",
    "U": "Members Exchange",
    "V": "IEX",
    "W": "CBOE",
    "X": "NASDAQ OMX PSX",
    "Y": "Cboe BYX",
    "Z": "Cboe BZ",
}
TRADE_CONDITIONS: Final[Mapping[str, str]] = {
    "6": "Closing Prints",
    "I": "Odd Lot Trade",
    "M": "Market Center Official Close",
    "O": "Opening Prints",
    "Q": "Market Center Official Open",
    "T": "Form T",
    "Z": "Out Of Sequence",
}
LATE: Final = "Z"
REGULAR: Final[Mapping[str, str]] = {"A": " ", "B": " ", "C": "@"}
QUOTE_CONDITIONS: Final[Mapping[str, str]] = {"R": "Regular Market Maker Open"}
_QUOTED: Final = ["R"]
_VENUES: Final = {
    "XNYS": ("A", "N"),
    "XASE": ("B", "A"),
    "ARCX": ("B", "P"),
    "BATS": ("B", "Z"),
    "XNAS": ("C", "Q"),
}
_OTHERS: Final = ("D", "K", "P", "V", "Z", "U", "J")
_MICRO: Final = 1000
_SPREADING: Final = 2_654_435_761


@dataclass(frozen=True, slots=True)
class Listed:
    """Where an instrument is listed, in the vendor's codes: its tape and its exchanges.

    The first exchange is the primary one.
    """

    symbol: str
    tape: str
    exchanges: tuple[str, ...]

    @property
    def primary(self) -> str:
        """The exchange that holds the auctions."""
        return self.exchanges[0]

    @property
    def regular(self) -> list[str]:
        """The conditions of an ordinary trade."""
        return [REGULAR[self.tape]]


@lru_cache(maxsize=65_536)
def listed(instrument: Instrument) -> Listed:
    """Return the vendor's codes for an instrument; venues that are not known count as NYSE."""
    tape, primary = _VENUES.get(instrument.venue, _VENUES["XNYS"])
    return Listed(instrument.symbol, tape, (primary, *(x for x in _OTHERS if x != primary)))


def texts(at: IntArray) -> list[str]:
    """Write times, nanoseconds since 1970, as the vendor does: without needless zeros."""
    if not np.any(at % NANOSECONDS):
        return [f"{text}Z" for text in _written(at, "s")]
    return [f"{text.rstrip('0').rstrip('.')}Z" for text in _written(at, "us")]


def _written(at: IntArray, unit: Literal["s", "us"]) -> list[str]:
    return list(np.datetime_as_string(at.astype("datetime64[ns]"), unit=unit).tolist())


def trade_rows(trades: Trades, about: Listed, times: Sequence[object], head: Row) -> list[Row]:
    """Write trades, each with its own of `times`, after what is in `head`."""
    regular = about.regular
    conditions = {
        (mark, odd): [*regular, *special, *(["I"] if odd else [])]
        for mark, special in ((0, []), (OPENING, ["O"]), (CLOSING, ["6"]))
        for odd in (False, True)
    }
    rows = zip(
        times,
        (trades.at // _MICRO).tolist(),
        trades.price.tolist(),
        np.maximum(np.rint(trades.size), 1).astype(np.int64).tolist(),
        trades.mark.tolist(),
        _exchanges(trades.at, about, 0),
        strict=True,
    )
    return [
        {
            **head,
            "i": number,
            "x": about.primary if mark else exchange,
            "p": price,
            "s": size,
            "t": at,
            "c": conditions[mark, size < ROUND_LOT],
            "z": about.tape,
        }
        for at, number, price, size, mark, exchange in rows
    ]


def quote_rows(quotes: Quotes, about: Listed, times: Sequence[object], head: Row) -> list[Row]:
    """Write quotes, each with its own of `times`, after what is in `head`."""
    rows = zip(
        times,
        quotes.bid.tolist(),
        quotes.bid_size.astype(np.int64).tolist(),
        _exchanges(quotes.at, about, 1),
        quotes.ask.tolist(),
        quotes.ask_size.astype(np.int64).tolist(),
        _exchanges(quotes.at, about, 2),
        strict=True,
    )
    return [
        {
            **head,
            "bx": bx,
            "bp": bid,
            "bs": bid_size,
            "ax": ax,
            "ap": ask,
            "as": ask_size,
            "c": _QUOTED,
            "z": about.tape,
            "t": at,
        }
        for at, bid, bid_size, bx, ask, ask_size, ax in rows
    ]


def bar_rows(bars: Bars, times: Sequence[object], head: Row) -> list[Row]:
    """Write bars, each with its own of `times`, after what is in `head`."""
    prices = np.rint(bars.values[:4] * 1e4) / 1e4
    columns = [
        *prices.tolist(),
        np.rint(bars.values[4]).astype(np.int64).tolist(),
        times,
        np.rint(bars.count).astype(np.int64).tolist(),
        (np.rint(bars.vwap * 1e6) / 1e6).tolist(),
    ]
    names = ("o", "h", "l", "c", "v", "t", "n", "vw")
    return [{**head, **dict(zip(names, row, strict=True))} for row in zip(*columns, strict=True)]


def _exchanges(at: IntArray, about: Listed, salt: int) -> list[str]:
    # Spread over the exchanges by the time alone, so that the same print is always the same.
    mixed = (at // _MICRO + salt * 7919) * _SPREADING >> 13
    names = about.exchanges
    return [names[i] for i in (mixed % len(names)).tolist()]
