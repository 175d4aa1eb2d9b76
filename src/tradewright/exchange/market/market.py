"""The replayed market: where the replay stands, and what has happened up to there.

Time here is the replay's: it moves when `advance` is told to, never by itself, and never back.
Everything that happens up to that time happens in the brokerage; followers are told of it. How
often it is moved makes no difference: an hour is the same as an hour of seconds. What clients
are shown may be spoiled by a rehearsal (`skew`, `frozen`, `corrupted`); the market itself is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from tradewright.backtest.replay import Replay
from tradewright.core.clock import require_utc
from tradewright.core.errors import MissingData
from tradewright.core.events import (
    Delisted,
    Event,
    OrderEvent,
    SessionOpened,
)
from tradewright.core.frames import from_nanos, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import Quote, Trade
from tradewright.core.session import Calendar, Session, Span
from tradewright.data.history import MarketData
from tradewright.data.quotes import QuoteBars
from tradewright.exchange.market.amendments import Amendments
from tradewright.exchange.market.halts import LIMIT_PAUSE, REASONS, HaltChange, Halts, limit_pauses
from tradewright.exchange.market.marks import Marks
from tradewright.exchange.market.names import Names, beginning
from tradewright.exchange.market.prints import SpreadModel
from tradewright.exchange.market.tape import Tape
from tradewright.exchange.market.timers import Timers
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.execution.venue import VenueModel

Follower: TypeAlias = Callable[[Event, Sequence[OrderEvent]], None]
Hearer: TypeAlias = Callable[[Sequence[OrderEvent]], None]
_Print: TypeAlias = tuple[datetime, int, int, Quote | Trade]
_A_SECOND: Final = timedelta(seconds=1)
_INSTANT: Final = timedelta(microseconds=1)
_NO_SKEW: Final = timedelta(0)


class ReplayMarket:
    """One market and one account in it, lived through event by event."""

    def __init__(
        self,
        data: MarketData,
        brokerage: SimulatedBrokerage,
        events: Iterable[Event],
        *,
        start: datetime,
        quotes: Mapping[InstrumentId, QuoteBars] | None = None,
        spread: SpreadModel | None = None,
        luld: bool = False,
    ) -> None:
        """Stand at `start`, before the first event; nothing has happened yet."""
        self.data = data
        self.quotes = dict(quotes or {})
        self.spread = spread or SpreadModel()
        self.tape = Tape(data, self.quotes, spread=self.spread)
        self.brokerage = brokerage
        self.calendar: Calendar = data.calendar
        self.now = require_utc(start, "start")
        self.opened_at = start
        self.halts = Halts()
        self.amendments = Amendments()
        self.skew = _NO_SKEW
        self.closed_by_fault = False
        self.frozen: dict[InstrumentId, datetime] = {}
        self.corrupted: dict[InstrumentId, str] = {}
        self.fresh: Callable[[], ReplayMarket] | None = None
        assert isinstance(data.instruments, dict)  # noqa: S101 - its own, made by `over`
        self.names = Names(data.instruments, data.frame.instruments, start)
        self.instruments: Mapping[str, Instrument] = self.names.now
        self.position = 0
        self._rank = {name: place for place, name in enumerate(data.frame.instruments)}
        self._luld = luld
        self._end = data.calendar.sessions[-1].close
        self._marks = Marks(self)
        self._timers = Timers()
        self.at = self._timers.at
        for day in sorted(self.names.coming):
            self.at(beginning(day), partial(self._rename, day))
        self._printed = self.now
        self._followers: list[Follower] = []
        self._hearers: list[Hearer] = []
        self._listeners: list[Callable[[HaltChange], None]] = []
        self._events = iter(events)
        self._next = next(self._events, None)
        if brokerage.tape is not None:
            brokerage.marks = self._marks

    @classmethod
    def over(
        cls,
        data: MarketData,
        span: Span,
        *,
        model: VenueModel,
        cash: Decimal,
        leverage: Decimal,
        quotes: Mapping[InstrumentId, QuoteBars] | None = None,
        spread: SpreadModel | None = None,
        luld: bool = False,
    ) -> ReplayMarket:
        """Stand before the first session of `span`, with `cash` and what was known by then.

        Raises:
            MissingData: There are no bars in the span.
        """
        frame = data.frame
        sessions = frame.session.tolist()
        rows = [row for row, at in enumerate(sessions) if frame.sessions[at].date in span]
        if not rows:
            what = f"no bars between {span.start} and {span.end}"
            raise MissingData(data.label, what, "choose --from and --to within what is there")
        first = rows[0]
        start = frame.known(first - 1) if first else frame.session_of(0).open - _A_SECOND
        # What a rehearsal lists anew, it lists for itself alone.
        own = replace(data, instruments=dict(data.instruments))
        brokerage = SimulatedBrokerage(
            frame,
            own.instruments,
            model=model,
            cash=cash,
            leverage=leverage,
            at=start,
            row=first - 1,
            actions=data.actions,
        )
        replay = Replay(frame, data.actions, first=first, stop=rows[-1] + 1)
        market = cls(own, brokerage, replay, start=start, quotes=quotes, spread=spread, luld=luld)
        market.fresh = partial(
            cls.over,
            data,
            span,
            model=model,
            cash=cash,
            leverage=leverage,
            quotes=quotes,
            spread=spread,
            luld=luld,
        )
        return market

    def follow(
        self,
        follower: Follower,
        *,
        happened: Hearer | None = None,
        halts: Callable[[HaltChange], None] | None = None,
    ) -> None:
        """Tell `follower` of every event once the brokerage has lived through it.

        What the tape prints is no such event: `happened` is told what it did to orders. `halts` is
        told of every halt and resumption.
        """
        self._followers.append(follower)
        if happened is not None:
            self._hearers.append(happened)
        if halts is not None:
            self._listeners.append(halts)

    @property
    def session(self) -> Session | None:
        """The session that is open, if one is."""
        return self.brokerage.session

    @property
    def done(self) -> bool:
        """Say whether the replay has ended."""
        return self._next is None

    @property
    def next_at(self) -> datetime | None:
        """When the next thing happens; None at the end of the replay."""
        return None if self._next is None else self._next.at

    def advance(self, to: datetime, position: int | None = None) -> None:
        """Live through everything up to and including `to`, in order.

        With a `position`, stop when that many events have been lived through: several may share
        one time, and who follows the same replay goes event by event. A time before the present
        changes nothing: what has happened has happened. The clock stops at the calendar's end.
        """
        to = min(to, self._end)
        while self._next is not None and self._next.at <= to:
            if position is not None and self.position >= position:
                return
            event = self._next
            self._print(event.at - _INSTANT)
            self._next = next(self._events, None)
            self.position += 1
            self.now = max(self.now, event.at)
            self._live(event)
        self._print(to)
        self.now = max(self.now, to)

    def settle(self) -> None:
        """Let orders that have just come meet the market, if what happens now has all happened."""
        tape, session = self.brokerage.tape, self.session
        if tape is None or session is None or not tape.fresh:
            return
        if self._next is not None and self._next.at <= self.now:
            return
        tried: set[InstrumentId] = set()
        while (name := tape.waiting(tried)) is not None:
            quote = self.tape.quote(name, self.now)
            trade = self.tape.trade(name, self.now) if tape.trails(name) else None
            # What was quoted before the open stands for nothing that could be traded at.
            current = quote if quote is not None and quote.at >= session.open else None
            last = trade if trade is not None and trade.at >= session.open else None
            happened = self.brokerage.book(tape.meet(name, current, last, self.now))
            if happened:
                self._tell(happened)
            elif any(working.order.instrument == name for working in tape.fresh.values()):
                # Those that are held, halted or under way stay fresh.
                tried.add(name)

    def happen(self, event: Event) -> None:
        """Live through an event that is not in the data, now."""
        self._live(event)

    def halt(
        self,
        instrument: InstrumentId,
        code: str,
        reason: str = "",
        until: datetime | None = None,
    ) -> None:
        """Stop the trading of an instrument now; one that is halted stays so."""
        if instrument in self.halts.since:
            return
        symbol = self.data.instruments[instrument].symbol
        change = HaltChange(
            symbol, self.now, code, reason or REASONS.get(code, code), resumed=False
        )
        self.brokerage.halt(instrument)
        self.halts.begin(instrument, change)
        self._announce(change)
        if until is not None:
            self.at(until, partial(self._end_halt, instrument, change))

    def resume(self, instrument: InstrumentId) -> None:
        """Let an instrument trade again now; one that trades is left alone."""
        if instrument not in self.halts.since:
            return
        self.brokerage.resume(instrument)
        symbol = self.data.instruments[instrument].symbol
        self._announce(self.halts.end(instrument, symbol, self.now))

    def rebase(
        self,
        data: MarketData,
        quotes: Mapping[InstrumentId, QuoteBars],
        instrument: InstrumentId,
    ) -> None:
        """Go on with other data of the same rows, after an action on an instrument."""
        self.data, self.quotes = data, dict(quotes)
        self.tape = Tape(data, self.quotes, spread=self.spread)
        self.brokerage.rebase(data.frame)
        # The bar that is under way counts as after the action.
        row = int(np.searchsorted(data.frame.end, to_nanos(self.now), side="right"))
        under_way = row < len(data.frame) and data.frame.started(row) < self.now
        self._marks.rescale(instrument, data.frame.started(row) if under_way else self.now)

    def relist(self, *listed: Instrument) -> None:
        """Put instruments in the place of those of their ids, all at once.

        Of one that gets another symbol no order stays.
        """
        for each in listed:
            if self.data.instruments[each.id].symbol != each.symbol:
                happened = self.brokerage.withdraw(each.id, self.now, "symbol change")
                self._tell(happened)
        self.names.relist(listed, self.now)

    def _live(self, event: Event) -> None:
        happened = self.brokerage.step(event)
        self._marks.forget()
        if isinstance(event, Delisted):
            gone = self.data.instruments[event.delisting.instrument]
            self.relist(replace(gone, tradable=False))
        for follow in self._followers:
            follow(event, happened)
        if self._luld and isinstance(event, SessionOpened):
            self._expect_pauses(event.session)

    def _print(self, bound: datetime) -> None:
        # Prints and timers after the last ones up to `bound`, once the events of now are over.
        if bound < self.now:
            return
        self.settle()
        after, self._printed = self._printed, max(self._printed, bound)
        if bound <= after:
            return
        tape = self.brokerage.tape
        if not self._timers and (tape is None or self.session is None or not tape.working):
            return
        fed = self._names()
        rest = self._prints(fed, after, bound)
        while True:
            upcoming = rest[-1][0] if rest else None
            if not self._act_before(upcoming, bound):
                if not rest:
                    return
                self._see(rest.pop()[3])
            self.settle()
            added = self._names() - fed
            if added:
                fed |= added
                rest = _latest_first([*rest, *self._prints(added, self.now, bound)])

    def _act_before(self, upcoming: datetime | None, bound: datetime) -> bool:
        limit = bound if upcoming is None else upcoming
        timer = self._timers.take(limit)
        if timer is not None:
            when, act = timer
            self.now = max(self.now, when)
            act()
            return True
        tape = self.brokerage.tape
        due = None if tape is None or self.session is None else tape.next_due(self.now)
        if due is None or due > limit:
            return False
        self.now = due
        return True

    def _names(self) -> set[InstrumentId]:
        tape = self.brokerage.tape
        return set() if tape is None or self.session is None else set(tape.working)

    def _prints(self, names: set[InstrumentId], after: datetime, to: datetime) -> list[_Print]:
        # The last comes first, to be popped; at one time by instrument, quotes before trades.
        found: list[_Print] = []
        for name in names:
            rank = self._rank[name]
            found.extend((q.at, rank, 0, q) for q in self.tape.quotes(name, after, to))
            found.extend((t.at, rank, 1, t) for t in self.tape.trades(name, after, to))
        return _latest_first(found)

    def _see(self, seen: Quote | Trade) -> None:
        self.now = max(self.now, seen.at)
        tape = self.brokerage.tape
        if tape is None:
            return
        if isinstance(seen, Trade):
            tape.traded(seen, seen.at)
            return
        happened = self.brokerage.book(tape.quoted(seen, seen.at))
        if happened:
            self._tell(happened)

    def _tell(self, happened: Sequence[OrderEvent]) -> None:
        for hear in self._hearers:
            hear(happened)

    def _announce(self, change: HaltChange) -> None:
        for hear in self._listeners:
            hear(change)

    def _expect_pauses(self, session: Session) -> None:
        for name in self._rank:
            prints = self.tape.trade_columns(
                name, to_nanos(session.open) - 1, to_nanos(session.close)
            )
            for begin, end in limit_pauses(prints.at, prints.price):
                since, until = from_nanos(begin), from_nanos(end)
                if since < session.close:
                    self.at(since, partial(self.halt, name, LIMIT_PAUSE, until=until))

    def _rename(self, day: date) -> None:
        self.relist(*self.names.due(day))

    def _end_halt(self, instrument: InstrumentId, change: HaltChange) -> None:
        if self.halts.since.get(instrument) == change:
            self.resume(instrument)


def _latest_first(prints: list[_Print]) -> list[_Print]:
    return sorted(prints, key=lambda each: each[:3], reverse=True)
