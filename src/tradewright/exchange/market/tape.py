"""The tape: every quote and trade that the market prints, as functions of data and time.

The tape has no state and knows no present: who asks for a time yet to come is told of it, so
whoever shows the tape must not ask beyond the market's clock. Quotes come from quote bars where
there are, else from a spread model over the bars. A bar that did not trade prints nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewright.core.frames import from_nanos, to_decimal, to_nanos
from tradewright.core.market import Quote, Trade
from tradewright.core.money import Price
from tradewright.exchange.market.prints import (
    CLOSING,
    OPENING,
    Quotes,
    SpreadModel,
    Stretch,
    Trades,
    quotes_of,
    quotes_of_quotes,
    shares,
    trades_of,
)
from tradewright.exchange.market.prints import path as path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.ids import InstrumentId
    from tradewright.data.history import MarketData
    from tradewright.data.quotes import QuoteBars

_ROWS: Final = 512
_CELLS: Final = 51_200
_FEWEST_ROWS: Final = 16
_KEPT: Final = 64
_EVER: Final = np.iinfo(np.int64).max
_MODEL: Final = SpreadModel()


class _Block(NamedTuple):
    trades: Trades
    quotes: Quotes


class Tape:
    """What a market printed: unadjusted prices, the same for the same data.

    Columns are made when they are asked for, some hundred bars of an instrument at a time, and
    the last ones used are kept.
    """

    def __init__(
        self,
        data: MarketData,
        quotes: Mapping[InstrumentId, QuoteBars] | None = None,
        *,
        spread: SpreadModel = _MODEL,
    ) -> None:
        """Print `data`, with the quotes of quote bars where they are given."""
        self.data = data
        self.spread = spread
        frame = data.frame
        self._quotes = dict(quotes or {})
        self._rows = max(min(_ROWS, _CELLS // max(len(frame.instruments), 1)), _FEWEST_ROWS)
        self._borders = frame.start[:: self._rows].tolist()
        self._blocks: OrderedDict[tuple[InstrumentId, int], _Block] = OrderedDict()
        self._most = max(_KEPT, 3 * len(frame.instruments))
        self._quoted: dict[InstrumentId, tuple[int, int, Quote]] = {}
        self._asked: tuple[datetime | None, int] = (None, 0)
        opens = np.array([to_nanos(s.open) for s in frame.sessions], dtype=np.int64)
        closes = np.array([to_nanos(s.close) for s in frame.sessions], dtype=np.int64)
        self._mark: IntArray = (frame.start == opens[frame.session]) * OPENING
        self._mark += (frame.end == closes[frame.session]) * CLOSING
        self._traded: dict[InstrumentId, IntArray] = {}

    def quote(self, instrument: InstrumentId, at: datetime) -> Quote | None:
        """Return the best bid and ask in force at `at`, None before the first quote.

        The last quote of a session stays in force until the next one begins.
        """
        if at is not self._asked[0]:
            # Much is asked of one moment: the market stands still while orders come.
            self._asked = (at, to_nanos(at))
        nanos = self._asked[1]
        held = self._quoted.get(instrument)
        if held is not None and held[0] <= nanos < held[1]:
            return held[2]
        found = self.last_quote(instrument, nanos)
        if found is None:
            return None
        since, until, quotes, place = found
        quote = _quote(instrument, quotes, place)
        self._quoted[instrument] = (since, until, quote)
        return quote

    def trade(self, instrument: InstrumentId, at: datetime) -> Trade | None:
        """Return the last trade at or before `at`, None before the first."""
        found = self.last_trade(instrument, to_nanos(at))
        return None if found is None else _trade(instrument, *found)

    def quotes(self, instrument: InstrumentId, after: datetime, to: datetime) -> Sequence[Quote]:
        """Return the quotes with after < at <= to, by time."""
        columns = self.quote_columns(instrument, to_nanos(after), to_nanos(to))
        return [_quote(instrument, columns, i) for i in range(len(columns.at))]

    def trades(self, instrument: InstrumentId, after: datetime, to: datetime) -> Sequence[Trade]:
        """Return the trades with after < at <= to, by time."""
        columns = self.trade_columns(instrument, to_nanos(after), to_nanos(to))
        return [_trade(instrument, columns, i) for i in range(len(columns.at))]

    def quote_columns(self, instrument: InstrumentId, after: int, to: int) -> Quotes:
        """Return the quotes with after < at <= to as columns; times in nanoseconds since 1970."""
        blocks = self._over(instrument, after, to)
        return Quotes.joined([block.quotes.between(after, to) for block in blocks])

    def trade_columns(self, instrument: InstrumentId, after: int, to: int) -> Trades:
        """Return the trades with after < at <= to as columns; times in nanoseconds since 1970."""
        blocks = self._over(instrument, after, to)
        return Trades.joined([block.trades.between(after, to) for block in blocks])

    def last_quote(self, instrument: InstrumentId, at: int) -> tuple[int, int, Quotes, int] | None:
        """Return since when and until before when the quote at `at` holds, its columns and place.

        `until` may be earlier than the next quote, never later.
        """
        for number, block in self._back(instrument, at):
            place = int(np.searchsorted(block.quotes.at, at, side="right")) - 1
            if place >= 0:
                times = block.quotes.at
                border = self._borders[number + 1] if number + 1 < len(self._borders) else _EVER
                until = times.item(place + 1) if place + 1 < len(times) else border
                return times.item(place), max(until, at + 1), block.quotes, place
        return None

    def last_trade(self, instrument: InstrumentId, at: int) -> tuple[Trades, int] | None:
        """Return the columns and the place in them of the last trade at or before `at`."""
        for _, block in self._back(instrument, at):
            place = int(np.searchsorted(block.trades.at, at, side="right")) - 1
            if place >= 0:
                return block.trades, place
        return None

    def stretches(self, after: int, to: int) -> Iterator[tuple[int, int]]:
        """Cut (after, to] into parts whose columns are small; who needs few may stop early."""
        first, last = self._number(after), self._number(to)
        edges = [after, *(edge - 1 for edge in self._borders[first + 1 : last + 1]), to]
        return ((begin, end) for begin, end in pairwise(edges) if begin < end)

    def sums(
        self, instrument: InstrumentId, first: int, stop: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return how many trades rows `first` to `stop` print, and what was paid for them in all.

        Shape (rows,) each, 0 where nothing traded; the volume-weighted price of a row is what was
        paid over its volume.
        """
        frame = self.data.frame
        column = frame.index(instrument)
        names = ("open", "high", "low", "close", "volume")
        values = np.stack([getattr(frame, name)[first:stop, column] for name in names])
        blank = np.isnan(values[3])
        count, paid = np.zeros(len(blank)), np.zeros(len(blank))
        values = values[:, ~blank]
        size = shares(values[4])
        tick = float(self.data.instruments[instrument].tick)
        count[~blank] = (size > 0).sum(axis=1)
        paid[~blank] = (size * path_of(values[:4], tick)).sum(axis=1)
        return count, paid

    def traded(self, instrument: InstrumentId) -> IntArray:
        """Return the rows in which an instrument has a bar."""
        if instrument not in self._traded:
            frame = self.data.frame
            close = frame.close[:, frame.index(instrument)]
            self._traded[instrument] = np.flatnonzero(~np.isnan(close))
        return self._traded[instrument]

    def _number(self, at: int) -> int:
        # The block that a time belongs to; what comes before the first bar belongs to the first.
        return max(bisect_right(self._borders, at) - 1, 0)

    def _over(self, instrument: InstrumentId, after: int, to: int) -> list[_Block]:
        if instrument not in self.data.frame:
            return [_NOTHING]
        numbers = range(self._number(after), self._number(to) + 1)
        return [self._block(instrument, number) for number in numbers] or [_NOTHING]

    def _back(self, instrument: InstrumentId, at: int) -> Iterator[tuple[int, _Block]]:
        if instrument not in self.data.frame:
            return
        first = self._first(instrument)
        for number in range(self._number(at), first - 1, -1):
            yield number, self._block(instrument, number)

    def _first(self, instrument: InstrumentId) -> int:
        rows, quotes = self.traded(instrument), self._quotes.get(instrument)
        firsts = [int(rows[0]) // self._rows] if len(rows) else []
        if quotes is not None and len(quotes):
            firsts.append(self._number(int(quotes.start[0])))
        return min(firsts, default=len(self._borders))

    def _block(self, instrument: InstrumentId, number: int) -> _Block:
        key = (instrument, number)
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = self._make(instrument, number)
            if len(self._blocks) > self._most:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(key)
        return block

    def _make(self, instrument: InstrumentId, number: int) -> _Block:
        frame = self.data.frame
        rows = self.traded(instrument)
        edges = (number * self._rows, (number + 1) * self._rows)
        rows = rows[slice(*np.searchsorted(rows, edges).tolist())]
        column = frame.index(instrument)
        names = ("open", "high", "low", "close", "volume")
        bars = Stretch(
            self.data.instruments[instrument],
            frame.start[rows],
            frame.end[rows],
            np.stack([getattr(frame, name)[rows, column] for name in names]),
            self._mark[rows],
        )
        return _Block(trades_of(bars), self._all_quotes(bars, number))

    def _all_quotes(self, bars: Stretch, number: int) -> Quotes:
        given = self._quotes.get(bars.instrument.id)
        if given is None:
            return quotes_of(bars, self.spread)
        first = 0 if number == 0 else int(np.searchsorted(given.start, self._borders[number]))
        last = number + 1 == len(self._borders)
        stop = len(given) if last else int(np.searchsorted(given.start, self._borders[number + 1]))
        start, end = given.start[first:stop], given.end[first:stop]
        if not len(start):
            return quotes_of(bars, self.spread)
        mark = np.zeros(len(start), dtype=np.int64)
        bid, ask = (
            Stretch(bars.instrument, start, end, side[:, first:stop], mark)
            for side in (given.bid, given.ask)
        )
        covered = np.searchsorted(start, bars.start) < np.searchsorted(start, bars.end)
        rest = bars.rows(np.flatnonzero(~covered))
        return Quotes.joined([quotes_of_quotes(bid, ask), quotes_of(rest, self.spread)])


def _nothing() -> _Block:
    none, times = np.zeros(0), np.zeros(0, dtype=np.int64)
    return _Block(Trades(times, none, none, times), Quotes(times, none, none, none, none))


_NOTHING: Final = _nothing()


def _quote(instrument: InstrumentId, columns: Quotes, place: int) -> Quote:
    return Quote(
        instrument,
        from_nanos(columns.at.item(place)),
        Price(to_decimal(columns.bid.item(place))),
        _size(columns.bid_size.item(place)),
        Price(to_decimal(columns.ask.item(place))),
        _size(columns.ask_size.item(place)),
    )


def _trade(instrument: InstrumentId, columns: Trades, place: int) -> Trade:
    return Trade(
        instrument,
        from_nanos(columns.at.item(place)),
        Price(to_decimal(columns.price.item(place))),
        _size(columns.size.item(place)),
    )


def _size(value: float) -> Decimal:
    return Decimal(int(value)) if value.is_integer() else to_decimal(value)
