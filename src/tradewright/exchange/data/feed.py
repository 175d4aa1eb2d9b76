"""What the market data stream says of a stretch of time: messages of the tape, in order of time.

A stretch may be a minute or a year: it is cut into parts of some thousand messages, which are
made when they are asked for. Bars are of minutes and are told when the minute has closed; with
each of them goes what the day has come to. The tape prints on through a halt, and so does this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from msgpack import ExtType

from tradewright.core.frames import NANOSECONDS, from_nanos, to_nanos
from tradewright.core.instrument import Instrument
from tradewright.data.resample import midnight
from tradewright.exchange.data.bodies import (
    LATE,
    Row,
    bar_rows,
    listed,
    quote_rows,
    texts,
    trade_rows,
)
from tradewright.exchange.market.aggregates import MINUTE, Bars, minute_bars, running_bars
from tradewright.exchange.market.amendments import Kind
from tradewright.exchange.market.halts import LIMIT_PAUSE
from tradewright.exchange.market.prints import POINTS
from tradewright.exchange.market.spoiling import spoiled_quotes, spoiled_trades
from tradewright.exchange.market.tape import Tape
from tradewright.exchange.words import NEW_YORK

if TYPE_CHECKING:
    from tradewright.core.frames import IntArray
    from tradewright.core.ids import InstrumentId
    from tradewright.exchange.data.bodies import Listed
    from tradewright.exchange.market.amendments import Amendment
    from tradewright.exchange.market.halts import HaltChange
    from tradewright.exchange.market.market import ReplayMarket
    from tradewright.exchange.market.prints import Trades

CHANNELS: Final = (
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "lulds",
)
EVERY: Final = "*"
Writer: TypeAlias = Callable[["IntArray"], Sequence[object]]
"""Writes times, nanoseconds since 1970, as the client wants them."""
BAND: Final = 0.05
"""How far from the last price a band about it lies, for what the vendor calls limit up and down."""
_PART: Final = 1500
_TIMESTAMP: Final = -1
_SECONDS_BITS: Final = 34


@dataclass(slots=True)
class Subscriptions:
    """The symbols that a client listens to, by channel."""

    symbols: dict[str, set[str]] = field(
        default_factory=lambda: {channel: set() for channel in CHANNELS}
    )

    def has(self, channel: str, symbol: str) -> bool:
        """Say whether messages of a channel about a symbol are wanted."""
        wanted = self.symbols[channel]
        return symbol in wanted or EVERY in wanted

    def of(self, channel: str, known: Mapping[str, Instrument]) -> list[str]:
        """Return which of the known symbols are wanted on a channel."""
        wanted = self.symbols[channel]
        return list(known) if EVERY in wanted else [s for s in sorted(wanted) if s in known]

    def with_change(self, asked: Mapping[str, Sequence[str]], *, add: bool) -> Subscriptions:
        """Return the subscriptions with some more, or some fewer."""
        changed = {channel: set(symbols) for channel, symbols in self.symbols.items()}
        for channel, symbols in asked.items():
            if add:
                changed[channel].update(symbols)
            else:
                changed[channel].difference_update(symbols)
        return Subscriptions(changed)

    def message(self) -> Row:
        """Return the whole list, as it is told after every change."""
        lists = {channel: sorted(symbols) for channel, symbols in self.symbols.items()}
        trades = lists["trades"]
        return {"T": "subscription", **lists, "corrections": trades, "cancelErrors": trades}


def json_times(at: IntArray) -> Sequence[object]:
    """Write times as text."""
    return texts(at)


def msgpack_times(at: IntArray) -> Sequence[object]:
    """Write times as msgpack's own timestamps, which the vendor's clients need."""
    seconds, rest = np.divmod(at, NANOSECONDS)
    raw = ((rest << _SECONDS_BITS) | seconds).astype(">u8").tobytes()
    # Eight bytes are a timestamp as the format has it; the library's own class takes ten times
    # as long, and its extension type lets only applications' codes through the front door.
    parts = [raw[place : place + 8] for place in range(0, len(raw), 8)]
    return list(map(ExtType._make, zip(repeat(_TIMESTAMP), parts)))


class _Prints(NamedTuple):
    word: str
    columns: Callable[[Tape, InstrumentId, int, int], Any]
    spoiled: Callable[[Any, str | None], Any]
    rows: Callable[[Any, Listed, Sequence[object], Row], list[Row]]


_PRINTS: Final[Mapping[str, _Prints]] = {
    "quotes": _Prints("q", Tape.quote_columns, spoiled_quotes, quote_rows),
    "trades": _Prints("t", Tape.trade_columns, spoiled_trades, trade_rows),
}


@dataclass(frozen=True, slots=True)
class DataFeed:
    """Messages about a market, which may be frozen or corrupted by a rehearsal."""

    market: ReplayMarket

    def parts(self, wanted: Subscriptions, after: int, to: int) -> Iterator[tuple[int, int]]:
        """Cut (after, to] into parts of some thousand messages, none of which a name changes in."""
        starts = self.market.data.frame.start
        first, stop = np.searchsorted(starts, (after, to), side="right").tolist()
        rows = max(_PART // (2 * POINTS * max(self.count(wanted, after, to), 1)), 1)
        edges = {
            *starts[first + rows : stop : rows].tolist(),
            *self.market.names.changes(after, to),
        }
        begin = after
        for edge in sorted(edges):
            if begin < edge - 1:
                yield begin, edge - 1
                begin = edge - 1
        if begin < to:
            yield begin, to

    def count(self, wanted: Subscriptions, after: int, to: int) -> int:
        """Return about how many symbols are listened to in (after, to], 0 if none."""
        names = self.market.names
        known = [names.at(at) for at in (to, *(at - 1 for at in names.changes(after, to)))]
        return max(len(wanted.of(channel, each)) for channel in CHANNELS for each in known)

    def messages(
        self,
        wanted: Subscriptions,
        span: tuple[int, int],
        write: Writer,
        halts: Sequence[HaltChange] = (),
    ) -> list[Row]:
        """Return the messages of after < at <= to, and those of `halts`, in order of time."""
        times: list[IntArray] = []
        rows: list[Row] = []
        for at, found in self._found(wanted, span, write, halts):
            times.append(at)
            rows += found
        if len(times) < 2:  # noqa: PLR2004 - nothing to merge
            return rows
        order = np.argsort(np.concatenate(times), kind="stable")
        return [rows[place] for place in order.tolist()]

    def _found(
        self,
        wanted: Subscriptions,
        span: tuple[int, int],
        write: Writer,
        halts: Sequence[HaltChange],
    ) -> Iterator[tuple[IntArray, list[Row]]]:
        # Of what has the same time, what is over comes first: statuses, bars, quotes, trades.
        after, to = span
        known = self.market.names.at(to)
        yield from self._halts(wanted, halts, write)
        # Whole minutes that closed in this stretch.
        minutes = (after // MINUTE * MINUTE, to // MINUTE * MINUTE)
        if minutes[0] < minutes[1]:
            barred, daily = wanted.of("bars", known), wanted.of("dailyBars", known)
            for symbol in dict.fromkeys([*barred, *daily]):
                yield from self._bars(known[symbol], wanted, minutes, write)
        for channel in _PRINTS:
            for symbol in wanted.of(channel, known):
                yield self._prints(channel, known[symbol], span, write)

    def _prints(
        self, channel: str, instrument: Instrument, span: tuple[int, int], write: Writer
    ) -> tuple[IntArray, list[Row]]:
        prints = _PRINTS[channel]
        to = self._until(instrument, span[1])
        columns = prints.columns(self.market.tape, instrument.id, span[0], to)
        shown = prints.spoiled(columns, self.market.corrupted.get(instrument.id))
        head = {"T": prints.word, "S": instrument.symbol}
        return columns.at, prints.rows(shown, listed(instrument), write(columns.at), head)

    def _bars(
        self,
        instrument: Instrument,
        wanted: Subscriptions,
        minutes: tuple[int, int],
        write: Writer,
    ) -> Iterator[tuple[IntArray, list[Row]]]:
        begin, end = minutes[0], self._until(instrument, minutes[1]) // MINUTE * MINUTE
        symbol = instrument.symbol
        bars = minute_bars(counting(self.market, instrument, begin - 1, end - 1))
        if len(bars) and wanted.has("bars", symbol):
            yield bars.at + MINUTE, bar_rows(bars, write(bars.at), {"T": "b", "S": symbol})
        if len(bars) and wanted.has("dailyBars", symbol):
            for ends, days in self._days(instrument, bars.at + MINUTE):
                yield ends, bar_rows(days, write(days.at), {"T": "d", "S": symbol})

    def _days(self, instrument: Instrument, ends: IntArray) -> Iterator[tuple[IntArray, Bars]]:
        sessions = self.market.data.frame.sessions
        opens = np.array([to_nanos(session.open) for session in sessions], dtype=np.int64)
        places = np.searchsorted(opens, ends) - 1
        for place in np.unique(places[places >= 0]).tolist():
            session = sessions[place]
            own = ends[(places == place) & (ends <= _minute_after(to_nanos(session.close)))]
            if not len(own):
                continue
            last = min(int(own[-1]), to_nanos(session.close))
            opened = to_nanos(session.open)
            trades = counting(self.market, instrument, opened - 1, last)
            days = running_bars(trades, own, midnight(session.date, NEW_YORK))
            if len(days) == len(own):
                yield own, days

    def _halts(
        self, wanted: Subscriptions, halts: Sequence[HaltChange], write: Writer
    ) -> Iterator[tuple[IntArray, list[Row]]]:
        for change in halts:
            at = np.array([to_nanos(change.at)], dtype=np.int64)
            instrument = self.market.names.at(at.item()).get(change.symbol)
            if instrument is None:
                continue
            about = listed(instrument)
            if wanted.has("statuses", change.symbol):
                yield at, [status_row(change, about, write(at)[0])]
            if change.code == LIMIT_PAUSE and wanted.has("lulds", change.symbol):
                trade = self.market.tape.trade(instrument.id, change.at)
                if trade is not None:
                    yield at, [_band(float(trade.price), about, write(at)[0])]

    def _until(self, instrument: Instrument, to: int) -> int:
        since = self.market.frozen.get(instrument.id)
        return to if since is None else min(to, to_nanos(since))


def counting(market: ReplayMarket, instrument: Instrument, after: int, to: int) -> Trades:
    """Return the trades of after < at <= to that count, as they were amended."""
    trades = market.tape.trade_columns(instrument.id, after, to)
    return market.amendments.counting(instrument.id, trades, after, to)


def amended_rows(market: ReplayMarket, amendment: Amendment) -> list[Row]:
    """Write what is told of an amendment, and the bar of its minute anew if that has closed."""
    instrument = market.data.instruments[amendment.instrument]
    about, now = listed(instrument), market.now
    number, (price, size) = amendment.at // 1000, amendment.was
    head: Row = {"S": about.symbol, "x": about.primary, "t": now, "z": about.tape}
    row: Row
    match amendment.kind:
        case Kind.LATE:
            at = from_nanos(amendment.at)
            late = {"i": number, "p": price, "s": round(size), "c": [*about.regular, LATE]}
            row = {"T": "t", **head, **late, "t": at}
        case Kind.CANCELED:
            row = {"T": "x", **head, "i": number, "p": price, "s": round(size), "a": "C"}
        case Kind.CORRECTED:
            before = {"oi": number, "op": price, "os": round(size), "oc": about.regular}
            after = {
                "ci": number,
                "cp": amendment.price,
                "cs": round(amendment.size),
                "cc": about.regular,
            }
            row = {"T": "c", **head, **before, **after}
    minute = amendment.at // MINUTE * MINUTE
    if to_nanos(now) < minute + MINUTE:
        return [row]
    bars = minute_bars(counting(market, instrument, minute - 1, minute + MINUTE - 1))
    head = {"T": "u", "S": about.symbol}
    return [row, *bar_rows(bars, [from_nanos(minute)] * len(bars), head)]


def status_row(change: HaltChange, about: Listed, at: object) -> Row:
    """Write a halt or a resumption."""
    words = ("T", "Trading Resumption") if change.resumed else ("H", "Trading Halt")
    return {
        "T": "s",
        "S": about.symbol,
        "sc": words[0],
        "sm": words[1],
        "rc": change.code,
        "rm": change.reason,
        "t": at,
        "z": about.tape,
    }


def _band(price: float, about: Listed, at: object) -> Row:
    # The prices that trading may not leave, about the last one.
    bounds = {"u": round(price * (1 + BAND), 2), "d": round(price * (1 - BAND), 2)}
    return {"T": "l", "S": about.symbol, **bounds, "i": "B", "t": at, "z": about.tape}


def _minute_after(at: int) -> int:
    return -(-at // MINUTE) * MINUTE


def pretended(at: int, number: int, wanted: Subscriptions, write: Writer) -> list[Row]:
    """Return the messages of a second of FAKEPACA, the symbol that the test feed has at any time.

    Its price climbs by a cent a second for a minute, and falls back.
    """
    step = number % 120
    price = round(133.0 + (min(step, 120 - step)) / 100, 2)
    stamp = write(np.array([at], dtype=np.int64))[0]
    about: dict[str, Any] = {"S": FAKE, "z": "C", "t": stamp}
    rows: list[Row] = []
    if wanted.has("quotes", FAKE):
        bid = {"bx": "V", "bp": round(price - 0.01, 2), "bs": 200}
        ask = {"ax": "V", "ap": round(price + 0.01, 2), "as": 300}
        rows.append({"T": "q", **about, **bid, **ask, "c": ["R"]})
    if wanted.has("trades", FAKE):
        trade = {"i": number + 1, "x": "V", "p": price, "s": 100, "c": ["@"]}
        rows.append({"T": "t", **about, **trade})
    if number and number % 60 == 0:
        values = {"o": price, "h": price, "l": price, "c": price, "v": 6000, "n": 60, "vw": price}
        rows += [
            {"T": kind, "S": FAKE, "t": stamp, **values}
            for kind, channel in (("b", "bars"), ("d", "dailyBars"))
            if wanted.has(channel, FAKE)
        ]
    return rows


FAKE: Final = "FAKEPACA"
