"""What of the market may be shown at a time: bars that have closed, and what has been printed.

This is where the future is kept back, for answers as well as for pages of history. Bars are those
of the data, adjusted for the corporate actions of up to that day; snapshots are made of trades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FIELDS, to_nanos
from tradewright.core.instrument import Instrument
from tradewright.data.adjust import growth, split_growth
from tradewright.data.assembly import session_days
from tradewright.data.resample import (
    BarLength,
    Buckets,
    Unit,
    buckets,
    merged,
    midnight,
)
from tradewright.exchange.data.bodies import (
    LATE,
    Row,
    bar_rows,
    listed,
    quote_rows,
    texts,
    trade_rows,
)
from tradewright.exchange.data.feed import counting
from tradewright.exchange.data.query import DataRefused, Page, token_of
from tradewright.exchange.market.aggregates import MINUTE, Bars, average, minute_bars, running_bars
from tradewright.exchange.market.amendments import Kind
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.market.names import Bearer
from tradewright.exchange.market.prints import CLOSING, OPENING, Quotes, Trades
from tradewright.exchange.market.spoiling import spoiled_quotes, spoiled_trades
from tradewright.exchange.market.tape import Tape
from tradewright.exchange.words import NEW_YORK

if TYPE_CHECKING:
    from tradewright.core.frames import BarFrame, FloatArray, IntArray
    from tradewright.core.market import CorporateAction
    from tradewright.core.session import Session
    from tradewright.data.quality import BoolArray

Found: TypeAlias = "tuple[IntArray, Callable[[int], list[Row]]]"
"""The times of rows in the order asked for, and what writes the first of them."""
Reader: TypeAlias = Callable[[Instrument, int, int, int], Found]
_Columns = TypeVar("_Columns", Trades, Quotes)
_NONE: Final = np.zeros(0, dtype=np.int64)
_DAYS: Final = (Unit.DAY, Unit.WEEK, Unit.MONTH)


@dataclass(frozen=True, slots=True)
class Shown:
    """A market as it may be seen now: frozen and corrupted where a rehearsal makes it so."""

    market: ReplayMarket

    @property
    def now(self) -> datetime:
        """The time after which nothing is shown."""
        return self.market.now

    @property
    def tape(self) -> Tape:
        """What the market printed, and will print."""
        return self.market.tape

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The instruments by their symbols of now."""
        return self.market.instruments

    def bars(
        self, page: Page, length: BarLength, adjustments: frozenset[str]
    ) -> tuple[dict[str, list[Row]], str | None]:
        """Return a page of bars that have closed, by symbol, and the next page's token.

        Raises:
            DataRefused: The bars would be finer than what is stored.
        """
        try:
            into = _buckets(self.tape, length)
        except InvalidInput as error:
            text = f"{length.count} {length.unit}"
            raise DataRefused(f"invalid timeframe: {text} {error.rule}") from error

        def read(instrument: Instrument, after: int, to: int, most: int) -> Found:
            bars = self._bars(instrument, length, into, (after, to), adjustments)
            order = _order(len(bars), most, descending=page.descending)
            chosen = Bars(
                bars.at[order], bars.values[:, order], bars.count[order], bars.vwap[order]
            )

            def write(count: int) -> list[Row]:
                return bar_rows(chosen, texts(chosen.at), {})[:count]

            return chosen.at, write

        return self._page(page, read)

    def trades(self, page: Page) -> tuple[dict[str, list[Row]], str | None]:
        """Return a page of trades, by symbol, and the next page's token."""

        def read(instrument: Instrument, after: int, to: int, most: int) -> Found:
            def printed(begin: int, end: int) -> Trades:
                trades = self.tape.trade_columns(instrument.id, begin, end)
                return self.market.amendments.printed(instrument.id, trades, begin, end)

            found = Trades.joined(self._gathered(page, (after, to), most, printed))
            found = found.rows(_order(len(found.at), most, descending=page.descending))

            def write(count: int) -> list[Row]:
                part = spoiled_trades(found.rows(slice(0, count)), self._spoilt(instrument))
                rows = trade_rows(part, listed(instrument), texts(part.at), {})
                self._mark_amended(instrument, rows, part)
                return rows

            return found.at, write

        return self._page(page, read)

    def quotes(self, page: Page) -> tuple[dict[str, list[Row]], str | None]:
        """Return a page of quotes, by symbol, and the next page's token."""

        def read(instrument: Instrument, after: int, to: int, most: int) -> Found:
            printed = partial(self.tape.quote_columns, instrument.id)
            found = Quotes.joined(self._gathered(page, (after, to), most, printed))
            found = found.rows(_order(len(found.at), most, descending=page.descending))

            def write(count: int) -> list[Row]:
                part = spoiled_quotes(found.rows(slice(0, count)), self._spoilt(instrument))
                return quote_rows(part, listed(instrument), texts(part.at), {})

            return found.at, write

        return self._page(page, read)

    def auctions(self, page: Page) -> tuple[dict[str, list[Row]], str | None]:
        """Return a page of days with their opening and closing auctions, by symbol."""

        def read(instrument: Instrument, after: int, to: int, most: int) -> Found:
            opens = _opens(self.tape)
            first, stop = np.searchsorted(opens, (after, to), side="right").tolist()
            places = range(first, stop)
            days: list[tuple[int, Row]] = []
            for place in reversed(places) if page.descending else places:
                day = self._auction(instrument, self.tape.data.frame.sessions[place])
                if day is not None:
                    days.append((int(opens[place]), day))
                if len(days) >= most:
                    break
            at = np.array([day[0] for day in days], dtype=np.int64)
            return at, lambda count: [day[1] for day in days[:count]]

        return self._page(page, read)

    def latest_trade(self, symbol: str) -> Row | None:
        """Return the last trade, None before the first."""
        instrument = self.instruments.get(symbol)
        found = self.tape.last_trade(instrument.id, self._now(instrument)) if instrument else None
        if instrument is None or found is None:
            return None
        last = found[0].rows(slice(found[1], found[1] + 1))
        trades = spoiled_trades(last, self._spoilt(instrument))
        return trade_rows(trades, listed(instrument), texts(trades.at), {})[0]

    def latest_quote(self, symbol: str) -> Row | None:
        """Return the quote in force, None before the first."""
        instrument = self.instruments.get(symbol)
        found = self.tape.last_quote(instrument.id, self._now(instrument)) if instrument else None
        if instrument is None or found is None:
            return None
        last = found[2].rows(slice(found[3], found[3] + 1))
        quotes = spoiled_quotes(last, self._spoilt(instrument))
        return quote_rows(quotes, listed(instrument), texts(quotes.at), {})[0]

    def latest_bar(self, symbol: str) -> Row | None:
        """Return the bar of the last minute that has closed and had a trade."""
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return None
        begun = self._now(instrument) // MINUTE * MINUTE
        found = self.tape.last_trade(instrument.id, begun - 1)
        if found is None:
            return None
        minute = found[0].at.item(found[1]) // MINUTE * MINUTE
        bars = minute_bars(counting(self.market, instrument, minute - 1, minute + MINUTE - 1))
        return bar_rows(bars, texts(bars.at), {})[0]

    def snapshot(self, symbol: str) -> Row | None:
        """Return the latest of everything, and the day and the day before; None if unknown.

        The day is the last session that has opened, as far as it has come.
        """
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return None
        now = self._now(instrument)
        place = int(np.searchsorted(_opens(self.tape), now, side="right")) - 1
        parts = {
            "latestTrade": self.latest_trade(symbol),
            "latestQuote": self.latest_quote(symbol),
            "minuteBar": self.latest_bar(symbol),
            "dailyBar": self._day(instrument, place),
            "prevDailyBar": self._day(instrument, place - 1),
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _page(self, page: Page, read: Reader) -> tuple[dict[str, list[Row]], str | None]:
        found: dict[str, list[Row]] = {}
        left, last = page.limit, page.cursor
        for symbol, bearer in self._bearers(page):
            after, to = page.bounds(symbol)
            after = max(after, bearer.first - 1)
            to = min(to, bearer.last, self._now(bearer.instrument))
            if after >= to:
                continue
            # One row more than fits says whether there is another page.
            at, write = read(bearer.instrument, after, to, left + 1)
            fits = min(len(at), left)
            if fits:
                found.setdefault(symbol, []).extend(write(fits))
                last = (symbol, at.item(fits - 1))
                left -= fits
            if len(at) > fits and last is not None:
                return found, token_of(*last)
        return found, None

    def _bearers(self, page: Page) -> Iterator[tuple[str, Bearer]]:
        for symbol in page.remaining:
            bearers = self.market.names.bearers(symbol, page.asof, self.now)
            for bearer in reversed(bearers) if page.descending else bearers:
                yield symbol, bearer

    def _now(self, instrument: Instrument) -> int:
        now = self.market.now
        return to_nanos(min(now, self.market.frozen.get(instrument.id, now)))

    def _spoilt(self, instrument: Instrument) -> str | None:
        return self.market.corrupted.get(instrument.id)

    def _gathered(
        self,
        page: Page,
        span: tuple[int, int],
        most: int,
        printed: Callable[[int, int], _Columns],
    ) -> list[_Columns]:
        # Stretch by stretch, until there is more than fits.
        stretches = list(self.tape.stretches(*span))
        parts: list[_Columns] = []
        for begin, end in stretches[::-1] if page.descending else stretches:
            parts.append(printed(begin, end))
            if sum(len(part.at) for part in parts) >= most:
                break
        return parts[::-1] if page.descending else parts

    def _bars(
        self,
        instrument: Instrument,
        length: BarLength,
        into: Buckets,
        span: tuple[int, int],
        adjustments: frozenset[str],
    ) -> Bars:
        frame = self.tape.data.frame
        now = self._now(instrument)
        rows = self.tape.traded(instrument.id)
        if length.unit in _DAYS:
            rows = rows[_inside(self.tape)[rows]]
        rows = rows[(frame.known_at[rows] <= now) & (into.closes[rows] <= now)]
        rows = rows[slice(*np.searchsorted(into.at[rows], span, side="right").tolist())]
        if not len(rows):
            return Bars(_NONE, np.zeros((5, 0)), np.zeros(0), np.zeros(0))
        column = frame.index(instrument.id)
        values = np.stack([getattr(frame, name)[rows, column] for name in FIELDS])
        first = int(rows[0])
        counts, paid = self.tape.sums(instrument.id, first, int(rows[-1]) + 1)
        counts, paid = counts[rows - first], paid[rows - first]
        self._amend(instrument, rows, (values, counts, paid))
        prices, volumes = self._factors(rows, column, adjustments)
        values[:4] *= prices
        values[4] *= volumes
        long = merged(values, into.at[rows])
        count = np.add.reduceat(counts, long.first)
        total = np.add.reduceat(paid * prices * volumes, long.first)
        return Bars(long.at, long.values, count, average(long.values, total))

    def _amend(
        self,
        instrument: Instrument,
        rows: IntArray,
        bars: tuple[FloatArray, FloatArray, FloatArray],
    ) -> None:
        # Bars whose trades were amended are made of what counts now, in place.
        frame, (values, counts, paid) = self.tape.data.frame, bars
        span = (frame.start.item(rows[0]) - 1, frame.end.item(rows[-1]))
        for at in {each.at for each in self.market.amendments.of(instrument.id, *span)}:
            place = int(np.searchsorted(frame.start[rows], at, side="right")) - 1
            start, end = frame.start.item(rows[place]), frame.end.item(rows[place])
            trades = counting(self.market, instrument, start - 1, end)
            if not len(trades.at):
                # Nothing is left of what was told; the vendor takes no bar back.
                continue
            (one,) = running_bars(trades, np.array([end + 1]), start).values.T
            values[:, place] = one
            counts[place] = len(trades.at)
            paid[place] = (trades.price * trades.size).sum()

    def _mark_amended(self, instrument: Instrument, rows: list[Row], trades: Trades) -> None:
        if not rows:
            return
        span = (int(trades.at.min()) - 1, int(trades.at.max()))
        for each in self.market.amendments.of(instrument.id, *span):
            for row in np.flatnonzero(trades.at == each.at).tolist():
                if each.kind is Kind.LATE:
                    rows[row]["c"] = [*rows[row]["c"], LATE]
                else:
                    rows[row]["u"] = each.kind.value

    def _factors(
        self, rows: IntArray, column: int, adjustments: frozenset[str]
    ) -> tuple[FloatArray, FloatArray]:
        # What prices and volumes of the rows are multiplied by, to be those of today's shares.
        ones = np.ones(len(rows))
        if not adjustments & {"split", "dividend"}:
            return ones, ones
        frame = self.tape.data.frame
        grown, split = _growths(frame, self.market.data.actions)
        today = np.datetime64(self.now.astimezone(NEW_YORK).date(), "D")
        days = session_days(frame.sessions)[frame.session]
        present = int(np.searchsorted(days, today, side="right")) - 1
        splits = split[rows, column] / split[present, column]
        everything = grown[rows, column] / grown[present, column]
        if "split" not in adjustments:
            return everything / splits, ones
        return (everything if "dividend" in adjustments else splits), 1 / splits

    def _auction(self, instrument: Instrument, session: Session) -> Row | None:
        opened, closed, now = to_nanos(session.open), to_nanos(session.close), self._now(instrument)
        trades = self.tape.trade_columns(instrument.id, opened - 1, min(closed, now))
        marked = trades.rows(np.flatnonzero(trades.mark))
        about = listed(instrument)
        sides: dict[int, list[Row]] = {OPENING: [], CLOSING: []}
        for place, mark in enumerate(marked.mark.tolist()):
            if mark == CLOSING and now < closed:
                continue
            at = marked.at[place : place + 1] if mark == OPENING else np.array([closed])
            sides[mark] = [
                {
                    "t": texts(at)[0],
                    "x": about.primary,
                    "p": marked.price.item(place),
                    "s": round(marked.size.item(place)),
                    "c": condition,
                }
                for condition in (("O", "Q") if mark == OPENING else ("6", "M"))
            ]
        if not any(sides.values()):
            return None
        return {"d": session.date.isoformat(), "o": sides[OPENING], "c": sides[CLOSING]}

    def _day(self, instrument: Instrument, place: int) -> Row | None:
        if place < 0:
            return None
        session = self.tape.data.frame.sessions[place]
        until = min(self._now(instrument), to_nanos(session.close))
        trades = counting(self.market, instrument, to_nanos(session.open) - 1, until)
        ends = np.array([until + 1])
        bars = running_bars(trades, ends, midnight(session.date, NEW_YORK))
        return bar_rows(bars, texts(bars.at), {})[0] if len(bars) else None


def _order(count: int, most: int, *, descending: bool) -> slice:
    # The first `most` rows in the order asked for, of rows in order of time.
    if descending:
        return slice(None, None if count <= most else count - most - 1, -1)
    return slice(0, most)


@lru_cache(maxsize=32)
def _buckets(tape: Tape, length: BarLength) -> Buckets:
    return buckets(tape.data.frame, length, tape.data.calendar, NEW_YORK)


@lru_cache(maxsize=4)
def _growths(
    frame: BarFrame, actions: tuple[CorporateAction, ...]
) -> tuple[FloatArray, FloatArray]:
    return growth(frame, actions), split_growth(frame, actions)


@lru_cache(maxsize=4)
def _opens(tape: Tape) -> IntArray:
    return np.array([to_nanos(s.open) for s in tape.data.frame.sessions], dtype=np.int64)


@lru_cache(maxsize=4)
def _inside(tape: Tape) -> BoolArray:
    frame = tape.data.frame
    closes = np.array([to_nanos(s.close) for s in frame.sessions], dtype=np.int64)
    opens = _opens(tape)
    return (frame.start >= opens[frame.session]) & (frame.end <= closes[frame.session])
