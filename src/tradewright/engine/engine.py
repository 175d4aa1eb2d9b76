"""The engine: decide, construct, check and apply composed; event in, commands out.

No clock, no file, no socket: the same object runs in a backtest, in a rehearsal and live. It is
told everything by events and answers with commands; shells perform them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.errors import MissingData
from tradewright.core.events import (
    Alert,
    BarClosed,
    CashMoved,
    Delisted,
    DividendPaid,
    Record,
    SplitApplied,
    Submit,
    SwitchChanged,
    TradabilityChanged,
)
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderState
from tradewright.engine.view import InstantView
from tradewright.portfolio.construct import Construction, Holdings, construct
from tradewright.risk.checks import RiskContext
from tradewright.risk.reservation import Exposure
from tradewright.risk.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from tradewright.core.events import Command, Event, OrderEvent
    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order
    from tradewright.core.signals import Target
    from tradewright.engine.view import Served
    from tradewright.execution.desk import Desk
    from tradewright.portfolio.costs import Commission
    from tradewright.portfolio.ledger import Ledger
    from tradewright.risk.limits import Limits
    from tradewright.strategies.strategy import Strategy

_QUIET: Final[tuple[Command, ...]] = ()
_BOOK_EVENTS: Final = (SplitApplied, DividendPaid, Delisted, CashMoved)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the engine holds itself to: limits, how orders are made, and what trading costs."""

    limits: Limits
    construction: Construction
    commission: Commission


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
        self._strategy = strategy
        self._served = served
        self._history = served.history
        self._instruments = instruments
        self._rules = rules
        self._first, self._stop = decides.start, decides.stop
        self._halted: set[InstrumentId] = set()
        self._sizing_feature = f"volatility_{rules.construction.sizing.volatility_window}"

    def handle(self, event: Event) -> tuple[Command, ...]:
        """Take one event in and return what is to be done about it."""
        if type(event) is BarClosed:
            return self._bar(event.row)
        if hasattr(event, "kind"):
            return self._order_event(event)  # type: ignore[arg-type]
        if isinstance(event, _BOOK_EVENTS):
            self.ledger.apply(event)
        elif isinstance(event, SwitchChanged):
            self.switches.apply(event)
        elif isinstance(event, TradabilityChanged):
            (self._halted.discard if event.tradable else self._halted.add)(event.instrument)
        return _QUIET

    def equity(self) -> Decimal | None:
        """Cash and positions at the last prices; None while a price is missing."""
        return Exposure(self.ledger.cash, self.ledger.quantities, (), self.price).equity

    def price(self, instrument: InstrumentId) -> Decimal | None:
        """Return the last known price of one unit, multiplier included."""
        if instrument not in self._served.frame:
            return None
        found = self._history.price(self._served.frame.index(instrument))
        return found[0] * self._instruments[instrument].multiplier if found else None

    def _bar(self, row: int) -> tuple[Command, ...]:
        self._history.advance(row)
        if not self._first <= row < self._stop:
            return _QUIET
        view = InstantView(self._served, row, self.ledger.quantities, self.equity)
        targets = self._strategy.decide(view)
        return self._place(targets, view.at) if targets else _QUIET

    def _place(self, targets: Sequence[Target], at: datetime) -> tuple[Command, ...]:
        working: dict[InstrumentId, Decimal] = {}
        for name, side, quantity in self.desk.working():
            working[name] = working.get(name, ZERO) + side.sign * quantity
        exposure = Exposure(
            self.ledger.cash, self.ledger.quantities, self.desk.working(), self.price
        )
        holdings = Holdings(
            exposure.equity, self.ledger.quantities, working, self.price, self._volatility
        )
        plan = construct(targets, holdings, self._instruments, self._rules.construction)
        commands: list[Command] = []
        market_open, trades_on = self._market(at)
        for order in plan.orders:
            context = self._context(order, exposure, at, market_open, trades_on)
            answer = self.desk.place(order, context)
            if isinstance(answer, Approved):
                exposure.add(order.instrument, order.side, order.quantity)
                commands.append(Submit(answer))
            elif isinstance(answer, Refusal):
                commands.append(Record(answer))
            elif isinstance(answer, OrderState):
                commands.append(Alert("order_repeated", f"{order.id} was asked before", at))
        for target in plan.unsized:
            what = f"{target.instrument}: no price, equity or volatility to size with"
            commands.append(Alert("target_unsized", what, at))
        return tuple(commands)

    def _context(
        self,
        order: Order,
        exposure: Exposure,
        at: datetime,
        market_open: bool | None,  # noqa: FBT001
        trades_on: date | None,
    ) -> RiskContext:
        name = order.instrument
        frame = self._served.frame
        found = self._history.price(frame.index(name)) if name in frame else None
        price, age = found or (None, 0)
        return RiskContext(
            at,
            self._rules.limits,
            self.switches.state(order.strategy),
            market_open,
            trades_on,
            self._instruments.get(name),
            name in self._halted,
            price,
            age,
            exposure,
            self._rules.commission,
        )

    def _market(self, at: datetime) -> tuple[bool | None, date | None]:
        calendar = self._served.calendar
        try:
            session = calendar.session_at(at)
            if session is not None:
                return True, session.date
            return False, calendar.next_session(at).date
        except MissingData:
            return None, None

    def _volatility(self, instrument: InstrumentId) -> Decimal | None:
        column = self._served.frame.index(instrument)
        value = self._served.features[self._sizing_feature].item(self._history.row, column)
        return Decimal(repr(value)) if value == value else None  # noqa: PLR0124 - not NaN

    def _order_event(self, event: OrderEvent) -> tuple[Command, ...]:
        applied = self.desk.apply(event)
        if applied is None:
            what = f"{event.kind} for order {event.order}, which is not ours"
            return (Alert("order_unknown", what, event.at), Record(event))
        if applied.booked is not None:
            self.ledger.book(applied.booked)
        if not applied.oddity:
            return _QUIET
        return (Alert("order_oddity", f"{event.order}: {applied.oddity}", event.at),)
