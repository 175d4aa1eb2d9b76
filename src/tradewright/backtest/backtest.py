"""Backtest(spec, market).run(): the live engine over replayed history.

The loop performs the engine's commands at the simulated venue and nothing else; every decision,
check and booking is the engine's. Only rows in which orders work are shown to the venue, since
the others cannot concern it; and where none works, only rows in which the strategy may change
its mind, if it says which those are, are shown to the engine. Where orders fill on finer bars,
the venue lives through those within the row that it is shown, and nothing else knows of them.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.backtest.detail import venue_of
from tradewright.backtest.financing import Financing
from tradewright.backtest.replay import Replay
from tradewright.core.decisions import Refusal
from tradewright.core.events import (
    Alert,
    BarClosed,
    BarOpened,
    Cancel,
    CashMoved,
    Delisted,
    DividendPaid,
    Filled,
    FinancingCharged,
    SessionClosed,
    SessionOpened,
    SplitApplied,
    Submit,
    Submitted,
    SwitchChanged,
)
from tradewright.core.frozen import maker
from tradewright.core.ids import InstrumentId
from tradewright.core.money import ZERO, Money
from tradewright.data.adjust import split_growth
from tradewright.engine.run import assemble, rows_of
from tradewright.risk.switches import GLOBAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.events import Command, Event
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.ids import OrderId
    from tradewright.core.orders import Fill, OrderState
    from tradewright.data.history import MarketData
    from tradewright.engine.run import Rows, RunSpec
    from tradewright.portfolio.ledger import Book, Ledger
    from tradewright.strategies.strategy import Strategy

_submitted: Final = maker(Submitted)
NOTHING: Final = InstrumentId("")
_COLLECT_AFTER: Final = (500_000, 20, 20)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a run came to.

    `equity` [row] is at each close in float currency, from the row before the first that could
    trade; `times` are the rows' ends in nanoseconds. `book` and `final_equity` are exact.
    """

    spec: RunSpec
    times: IntArray
    equity: FloatArray
    invested: FloatArray
    orders: Mapping[OrderId, OrderState]
    fills: Sequence[Fill]
    refusals: Sequence[Refusal]
    alerts: Sequence[Alert]
    book: Book
    final_equity: Decimal | None
    rows: int


class Tape:
    """What was held when: cash and quantities, noted whenever they may have changed."""

    def __init__(self, first: int) -> None:
        """Begin at a row."""
        # Exact numbers as they come; they become floats all at once.
        self._notes: list[tuple[int, Decimal, InstrumentId, Decimal]] = []
        self._first = first

    def note(self, row: int, ledger: Ledger, instrument: InstrumentId) -> None:
        """Note the book after something was booked on an instrument."""
        held = ledger.quantities.get(instrument, ZERO)
        self._notes.append((row, ledger.cash, instrument, held))

    def curve(self, market: MarketData, stop: int) -> tuple[FloatArray, FloatArray]:
        """Return equity and gross invested value at the close of each row, shape (rows,)."""
        frame, first = market.frame, self._first
        rows = range(first, stop)
        equity = _steps([(row, cash) for row, cash, _, _ in self._notes], rows)
        gross = np.zeros(len(rows))
        splits = split_growth(frame, market.actions)
        for instrument, changes in self._quantities().items():
            column = frame.index(instrument)
            marks = _filled(frame.close[:stop, column] * splits[:stop, column])
            value = _steps(changes, rows) * marks[first:] / splits[first:stop, column]
            value = np.where(np.isnan(value), 0.0, value)
            equity = equity + value
            gross += np.abs(value)
        return equity, gross

    def _quantities(self) -> dict[InstrumentId, list[tuple[int, Decimal]]]:
        found: dict[InstrumentId, list[tuple[int, Decimal]]] = {}
        for row, _, instrument, held in self._notes:
            if instrument:
                found.setdefault(instrument, []).append((row, held))
        return found


def _steps(changes: Sequence[tuple[int, Decimal]], rows: range) -> FloatArray:
    # The last number that was noted at or before each row, 0 before the first.
    noted = np.array([row for row, _ in changes], dtype=np.int64)
    values = np.array([0.0, *(float(value) for _, value in changes)])
    return np.asarray(
        values[np.searchsorted(noted, np.arange(rows.start, rows.stop), side="right")]
    )


def _filled(values: FloatArray) -> FloatArray:
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    return values[np.maximum.accumulate(known)]


@contextmanager
def _rare_collections() -> Iterator[None]:
    # A run makes millions of small objects and no cycles: looking for cycles among them every
    # 700 is a tenth of the time. What is left at the end is the result, which lives on: thawing
    # what was frozen puts it among the old objects without a search.
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*before)


_CONCERNS: Final[Mapping[type, Callable[[Any], InstrumentId]]] = {
    SplitApplied: lambda event: event.split.instrument,
    DividendPaid: lambda event: event.dividend.instrument,
    Delisted: lambda event: event.delisting.instrument,
    CashMoved: lambda _event: NOTHING,
    FinancingCharged: lambda _event: NOTHING,
}


class Backtest:
    """A spec and a market, ready to run."""

    def __init__(
        self, spec: RunSpec, market: MarketData, *, strategy: Strategy | None = None
    ) -> None:
        """Build the engine and the venue."""
        self.spec = spec
        self.market = market
        self.rows: Rows = rows_of(spec, market)
        self.engine = assemble(spec, market, self.rows, strategy=strategy)
        self._venue = venue_of(spec, market, self.rows)
        self._financing = Financing(spec.costs(), market)
        self._tape = Tape(self.rows.first - 1)
        self._refusals: list[Refusal] = []
        self._alerts: list[Alert] = []
        self._row = self.rows.first - 1

    def run(self, progress: Callable[[int, int], None] | None = None) -> Result:
        """Live through the rows; `progress` is told rows done and rows in all, once a session."""
        opening = self.market.frame.started(self._row)
        self._handle(SwitchChanged(GLOBAL, engaged=False, at=opening, reason="backtest"))
        self._handle(CashMoved(Money(self.spec.capital), opening, "opening balance"))
        with _rare_collections():
            self._live(progress or (lambda _done, _total: None))
        return self._result()

    def _live(self, progress: Callable[[int, int], None]) -> None:
        frame, rows, venue = self.market.frame, self.rows, self._venue
        working, handle = venue.working, self.engine.handle
        total = rows.last - rows.first + 1
        last = rows.last + 1
        actions = self.market.actions
        next_row = self.engine.next_row
        for event in Replay(
            frame, actions, first=rows.first, stop=last, working=working, next_row=next_row
        ):
            kind = type(event)
            if kind is BarClosed:
                self._row = event.row  # type: ignore[union-attr]
                if working:
                    self._answers(venue.close_bar(self._row))
                commands = handle(event)
                if commands:
                    self._perform(commands)
            elif kind is BarOpened:
                self._row = event.row  # type: ignore[union-attr]
                self._answers(venue.open_bar(self._row))
            else:
                if kind is SessionOpened:
                    self._row += 1
                    progress(self._row - rows.first + 1, total)
                if working:
                    self._answers(venue.step(event))
                self._handle(event)
                if isinstance(event, SessionClosed):
                    # As what is due is paid, more cash is borrowed: one after the other.
                    self._answers(self._financing.due(event, self.engine))

    def _handle(self, event: Event) -> None:
        commands = self.engine.handle(event)
        if commands:
            self._perform(commands)
        if type(event) is Filled:
            self._tape.note(self._row, self.engine.ledger, event.fill.instrument)
            return
        concerns = _CONCERNS.get(type(event))
        if concerns is not None:
            self._tape.note(self._row, self.engine.ledger, concerns(event))

    def _answers(self, events: Iterable[Event]) -> None:
        for event in events:
            self._handle(event)

    def _perform(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Submit):
                order, at = command.approved.order, command.approved.at
                handle = self.engine.handle
                handle(_submitted(order.id, at))
                handle(self._venue.accept(order, at))
            elif isinstance(command, Alert):
                self._alerts.append(command)
            elif isinstance(command, Cancel):
                self._cancel(command, self.market.frame.known(self._row))
            elif isinstance(command.subject, Refusal):
                self._refusals.append(command.subject)

    def _cancel(self, command: Cancel, at: datetime) -> None:
        answer = self._venue.cancel(command.order, at)
        if answer is not None:
            self._handle(answer)

    def _result(self) -> Result:
        stop = self.rows.last + 1
        equity, invested = self._tape.curve(self.market, stop)
        self.engine.ledger.check()
        return Result(
            spec=self.spec,
            times=self.market.frame.end[self.rows.first - 1 : stop],
            equity=equity,
            invested=invested,
            orders=self.engine.desk.states,
            fills=self.engine.desk.fills,
            refusals=self._refusals,
            alerts=self._alerts,
            book=self.engine.ledger.snapshot(),
            final_equity=self.engine.equity(),
            rows=self.rows.last - self.rows.first + 1,
        )
