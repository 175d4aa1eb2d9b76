"""The engine: decide, construct, check and apply composed; event in, commands out.

No clock, no file, no socket: the same object runs in a backtest, in a rehearsal and live. It is
told everything by events and answers with commands; shells perform them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, get_args

import numpy as np

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.errors import MissingData
from tradewright.core.events import (
    Alert,
    BarClosed,
    CashMoved,
    Delisted,
    DividendPaid,
    FinancingCharged,
    OrderEvent,
    Record,
    SplitApplied,
    Submit,
    SwitchChanged,
    TradabilityChanged,
    VenueChanged,
)
from tradewright.core.frozen import maker
from tradewright.core.money import ZERO
from tradewright.engine.view import InstantView
from tradewright.execution.corrections import entries, folded
from tradewright.execution.desk import QUIET
from tradewright.portfolio.construct import Construction, Holdings, construct
from tradewright.risk.checks import RiskContext
from tradewright.risk.reservation import Exposure
from tradewright.risk.switches import Switches
from tradewright.strategies.strategy import Selective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from tradewright.core.events import Command, Event
    from tradewright.core.frames import IntArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order, Side
    from tradewright.core.session import Session
    from tradewright.core.signals import Target
    from tradewright.data.history import History
    from tradewright.engine.view import Served
    from tradewright.execution.corrections import Break, Reversal
    from tradewright.execution.desk import Applied, Desk
    from tradewright.portfolio.costs import Commission
    from tradewright.portfolio.ledger import Ledger
    from tradewright.risk.limits import Limits
    from tradewright.strategies.strategy import Strategy

_holdings: Final = maker(Holdings)
_risk_context: Final = maker(RiskContext)
_submit: Final = maker(Submit)
_QUIET: Final[tuple[Command, ...]] = ()
_ORDER_EVENTS: Final = frozenset(get_args(OrderEvent))
_BOOK_EVENTS: Final = (SplitApplied, DividendPaid, Delisted, CashMoved, FinancingCharged)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the engine holds itself to: limits, how orders are made, and what trading costs."""

    limits: Limits
    construction: Construction
    commission: Commission


class _Market(NamedTuple):
    is_open: bool | None
    trades_on: date | None


_NOTHING: Final[Mapping[InstrumentId, Decimal]] = {}
_UNKNOWN_MARKET: Final = _Market(is_open=None, trades_on=None)


_Mark: TypeAlias = "tuple[Decimal | None, int, Decimal | None]"
_UNMARKED: Final[_Mark] = (None, 0, None)


class _Marks(dict["InstrumentId", "_Mark"]):
    # Last price, its age in rows and what a unit counts in the book: looked up once an
    # instrument and row. `now` comes before any reading, and forgets those of another row.
    __slots__ = ("_history", "_instruments", "_ledger", "_row")

    def __init__(
        self, history: History, instruments: Mapping[InstrumentId, Instrument], ledger: Ledger
    ) -> None:
        super().__init__()
        self._history = history
        self._instruments = instruments
        self._ledger = ledger
        self._row = history.row

    def now(self) -> _Marks:
        """Return the marks of the row that is known now."""
        row = self._history.row
        if row != self._row:
            self.clear()
            self._row = row
        return self

    def __missing__(self, instrument: InstrumentId) -> _Mark:
        """Look an instrument up."""
        column = self._history.frame.find(instrument)
        found = None if column is None else self._history.price(column)
        mark = _UNMARKED
        if found is not None:
            price, age = found
            mark = (price, age, price * self._instruments[instrument].multiplier)
        self[instrument] = mark
        return mark

    def value(self, instrument: InstrumentId) -> Decimal | None:
        """Return what one unit counts in the book."""
        return self[instrument][2]

    def exposure(self, working: Iterable[tuple[InstrumentId, Side, Decimal]] = ()) -> Exposure:
        """Return the account's exposure at the marks, with what is working."""
        return Exposure(self._ledger.cash, self._ledger.quantities, working, self.value)

    def equity(self) -> Decimal | None:
        """Return cash and positions at the last prices."""
        return self.now().exposure().equity


def _netted(
    working: Iterable[tuple[InstrumentId, Side, Decimal]],
) -> Mapping[InstrumentId, Decimal]:
    pending: dict[InstrumentId, Decimal] = {}
    for name, side, quantity in working:
        pending[name] = pending.get(name, ZERO) + side.sign * quantity
    return pending


def _next_wakes(strategy: Selective, served: Served) -> IntArray:
    # The first row from each on in which the strategy wakes; the number of rows if none follows.
    wakes = strategy.wakes(served.features)
    rows = np.arange(len(wakes) + 1)
    rows[:-1][~wakes] = len(wakes)
    return np.minimum.accumulate(rows[::-1])[::-1]


class Engine:
    """One strategy trading one account."""

    def __init__(
        self,
        strategy: Strategy,
        served: Served,
        instruments: Mapping[InstrumentId, Instrument],
        rules: Rules,
        *,
        desk: Desk,
        ledger: Ledger,
        decides: range,
    ) -> None:
        """Compose the parts; `decides` are the rows at whose close the strategy is asked."""
        self.desk = desk
        self.ledger = ledger
        self.switches = Switches()
        self._decide = strategy.decide
        self._wakes = _next_wakes(strategy, served) if isinstance(strategy, Selective) else None
        self._silent = False
        self._apply = desk.apply
        self._open = desk.open
        self._known = served.frame.known
        self._book = ledger.book
        self._served = served
        self._history = served.history
        self._calendar = served.calendar
        self._advance = served.history.advance
        self._instruments = instruments
        self._rules = rules
        self._first, self._stop = decides.start, decides.stop
        self._halted: set[InstrumentId] = set()
        self._breaks: list[tuple[int, Break]] = []
        self._marks = _Marks(served.history, instruments, ledger)
        self._view = InstantView(
            served, -1, ledger.quantities, self._marks.equity, ledger.positions
        )
        self._session: Session | None = None
        self._open_market = _UNKNOWN_MARKET
        self._sizing_feature = f"volatility_{rules.construction.sizing.volatility_window}"

    def handle(self, event: Event) -> tuple[Command, ...]:
        """Take one event in and return what is to be done about it."""
        if type(event) is BarClosed:
            row = event.row
            self._advance(row)
            if not self._first <= row < self._stop:
                return _QUIET
            self._view.row = row
            targets = self._decide(self._view)
            self._silent = not targets
            return self._place(targets, self._known(row)) if targets else _QUIET
        if type(event) in _ORDER_EVENTS:
            applied = self._apply(event)  # type: ignore[arg-type]
            if applied is QUIET:
                return _QUIET
            if applied is not None:
                if applied.booked is not None:
                    self._silent = False
                    self._book(applied.booked)
                elif applied.reversal is not None:
                    self._silent = False
                    self._restate(applied.reversal)
                if not applied.oddity:
                    return _QUIET
            return self._odd(event, applied)  # type: ignore[arg-type]
        self._take_note(event)
        return _QUIET

    @property
    def next_row(self) -> Callable[[int], int] | None:
        """A function from a row to the next at whose close something may be decided.

        None where the strategy has to be asked at every row. What lies between may be left out
        by a shell for which no order works and nothing is booked in the meantime.
        """
        return None if self._wakes is None else self._next_wake

    def _next_wake(self, row: int) -> int:
        return self._wakes.item(row + 1) if self._silent else row + 1  # type: ignore[union-attr]

    def know(self, at: datetime) -> None:
        """Let what closed until `at` be known without deciding: that was done before."""
        row = self._served.frame.row_at(at)
        if row > self._history.row:
            self._history.advance(row)

    def review(self, order: Order, at: datetime) -> Approved | Refusal:
        """Check again an order that was approved and not sent, as if it were new now."""
        others = (
            (state.order.instrument, state.order.side, state.remaining)
            for state in self.desk.open.values()
            if state.order.id != order.id
        )
        exposure = self._marks.now().exposure(others)
        return self.desk.review(order, self._context(order, exposure, at, self._market(at)))

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,
        at: datetime | None = None,
    ) -> Decimal:
        """Return what a fill is charged, by the same model as everywhere."""
        return self._rules.commission.fee(before, quantity, price, side, at)

    def equity(self) -> Decimal | None:
        """Cash and positions at the last prices; None while a price is missing."""
        return self._marks.equity()

    def price(self, instrument: InstrumentId) -> Decimal | None:
        """Return the last known price, None before the first."""
        return self._marks.now()[instrument][0]

    def _place(self, targets: Sequence[Target], at: datetime) -> tuple[Command, ...]:
        desk, marks = self.desk, self._marks.now()
        working = tuple(desk.working()) if self._open else ()
        exposure = marks.exposure(working)
        holdings = _holdings(
            exposure.equity,
            self.ledger.quantities,
            _netted(working) if working else _NOTHING,
            marks.value,
            self._volatility,
        )
        plan = construct(targets, holdings, self._instruments, self._rules.construction)
        commands: list[Command] = []
        market = self._market(at)
        orders = plan.orders
        for order in orders:
            answer = desk.place(order, self._context(order, exposure, at, market))
            if type(answer) is Approved:
                commands.append(_submit(answer))
                if len(orders) > 1:
                    # What is approved counts against what is decided with it.
                    exposure.add(order.instrument, order.side, order.quantity)
            elif isinstance(answer, Refusal):
                commands.append(Record(answer))
            else:
                commands.append(Alert("order_repeated", f"{order.id} was asked before", at))
        for target in plan.unsized:
            what = f"{target.instrument}: no price, equity or volatility to size with"
            commands.append(Alert("target_unsized", what, at))
        return tuple(commands)

    def _context(
        self, order: Order, exposure: Exposure, at: datetime, market: _Market
    ) -> RiskContext:
        name = order.instrument
        is_open, trades_on = market
        price, age, _ = self._marks[name]
        return _risk_context(
            at,
            self._rules.limits,
            self.switches.state(order.strategy),
            is_open,
            trades_on,
            self._instruments.get(name),
            name in self._halted,
            price,
            age,
            exposure,
            self._rules.commission,
            order.quantity <= exposure.reducible(name, order.side),
            self.switches.venue_fit,
        )

    def _market(self, at: datetime) -> _Market:
        session = self._session
        if session is not None and session.open <= at < session.close:
            return self._open_market
        calendar = self._calendar
        try:
            session = self._session = calendar.session_at(at)
            if session is None:
                return _Market(is_open=False, trades_on=calendar.next_session(at).date)
        except MissingData:
            return _UNKNOWN_MARKET
        self._open_market = _Market(is_open=True, trades_on=session.date)
        return self._open_market

    def _volatility(self, instrument: InstrumentId) -> Decimal | None:
        column = self._served.frame.index(instrument)
        value = self._served.features[self._sizing_feature].item(self._history.row, column)
        return Decimal(repr(value)) if value == value else None  # noqa: PLR0124 - not NaN

    def _take_note(self, event: Event) -> None:
        if isinstance(event, _BOOK_EVENTS):
            self._silent = False
            if isinstance(event, SplitApplied | Delisted):
                self._breaks.append((len(self.desk.fills), event))
            self.ledger.apply(event)
        elif isinstance(event, SwitchChanged):
            self.switches.apply(event)
        elif isinstance(event, VenueChanged):
            self.switches.turn(event)
        elif isinstance(event, TradabilityChanged):
            (self._halted.discard if event.tradable else self._halted.add)(event.instrument)

    def _restate(self, reversal: Reversal) -> None:
        name, fills = reversal.fill.instrument, self.desk.fills
        before, after = (
            folded(self._instruments, entries(name, fills, self._breaks, known))
            for known in (self.desk.reversals[:-1], self.desk.reversals)
        )
        self.ledger.restate(name, before, after)

    def _odd(self, event: OrderEvent, applied: Applied | None) -> tuple[Command, ...]:
        if applied is None:
            what = f"{event.kind} for order {event.order}, which is not ours"
            return (Alert("order_unknown", what, event.at), Record(event))
        return (Alert("order_oddity", f"{event.order}: {applied.oddity}", event.at),)
