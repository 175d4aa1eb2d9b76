"""A simulated brokerage: the venue with a book of the account behind it.

It is the other side of every rehearsal: what our ledger says must equal what its ledger says.
It charges, pays dividends and splits shares by itself, from the same events of the market.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tradewright.core.errors import DuplicateOrder
from tradewright.core.events import (
    BarClosed,
    CancelRefused,
    CashMoved,
    Delisted,
    DividendPaid,
    Filled,
    Rejected,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.money import ZERO, Money
from tradewright.core.orders import OrderState, OrderStatus, TimeInForce
from tradewright.execution.venue import SimulatedVenue, VenueModel
from tradewright.portfolio.ledger import Ledger
from tradewright.portfolio.valuation import valuation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.events import Event, OrderEvent
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Fill, Order
    from tradewright.core.session import Session


class SimulatedBrokerage:
    """One account at the simulated venue."""

    def __init__(
        self,
        frame: BarFrame,
        instruments: Mapping[InstrumentId, Instrument],
        *,
        model: VenueModel,
        cash: Decimal,
        leverage: Decimal,
        at: datetime,
        row: int = -1,
    ) -> None:
        """Open the account after `row` with `cash`; it can pay for `leverage` times its equity."""
        self._venue = SimulatedVenue(frame, instruments, model)
        self._instruments = instruments
        self._frame = frame
        self._leverage = leverage
        self.ledger = Ledger(instruments)
        self.ledger.apply(CashMoved(Money(cash), at, "opening balance"))
        self.orders: dict[OrderId, OrderState] = {}
        self.fills: list[Fill] = []
        self.session: Session | None = None
        self._row = row
        self._rescale: dict[InstrumentId, Fraction] = {}

    def submit(self, order: Order, at: datetime) -> Sequence[OrderEvent]:
        """Take or reject an order; raise DuplicateOrder for an id that was ever used."""
        if order.id in self.orders:
            raise DuplicateOrder(order.id, "the account has used this id")
        reason = self._objection(order, order.quantity)
        event = Rejected(order.id, at, reason) if reason else self._venue.accept(order, at)
        self.orders[order.id] = OrderState(order, OrderStatus.PENDING_NEW, at)
        return self._take([event])

    def cancel(self, order: OrderId, at: datetime) -> Sequence[OrderEvent]:
        """Cancel an order that works."""
        event = self._venue.cancel(order, at)
        return self._take([event]) if event is not None else ()

    def replace(self, old: OrderId, successor: Order, at: datetime) -> Sequence[OrderEvent]:
        """Put another order in an order's place, if the account can pay for it."""
        if successor.id in self.orders:
            raise DuplicateOrder(successor.id, "the account has used this id")
        before = self.orders.get(old)
        if before is None or before.status.is_terminal:
            return self._take(self._venue.replace(old, successor, at))
        freed = self._cost(before.order, before.remaining) or ZERO
        reason = self._objection(successor, successor.quantity - before.filled, freed)
        if reason:
            return self._take([CancelRefused(old, at, f"cannot replace: {reason}")])
        events = self._venue.replace(old, successor, at)
        if len(events) > 1:
            self.orders[successor.id] = OrderState(
                successor,
                OrderStatus.PENDING_NEW,
                at,
                filled=before.filled,
                notional=before.notional,
            )
        return self._take(events)

    def step(self, event: Event) -> Sequence[OrderEvent]:
        """Live through one event of the market; what our orders did is returned in order."""
        match event:
            case SessionOpened():
                self.session = event.session
            case SessionClosed():
                self.session = None
            case SplitApplied():
                self.ledger.apply(event)
                ratio = event.split.ratio
                name = event.split.instrument
                before = self._rescale.get(name, Fraction(1))
                self._rescale[name] = before * ratio
            case DividendPaid() | CashMoved() | Delisted():
                self.ledger.apply(event)
            case _:
                pass
        produced = self._take(self._venue.step(event))
        if isinstance(event, BarClosed):
            self._row = event.row
            self._rescale = {
                name: ratio
                for name, ratio in self._rescale.items()
                if self._frame.price(event.row, self._frame.index(name)) is None
            }
        return produced

    def price(self, instrument: InstrumentId) -> Decimal | None:
        """Return the last close, in shares of now; None before the first."""
        if instrument not in self._frame:
            return None
        last = self._frame.last_price(self._row, self._frame.index(instrument))
        if last is None:
            return None
        ratio = self._rescale.get(instrument)
        return last[0] * ratio.denominator / ratio.numerator if ratio else last[0]

    def equity(self) -> Decimal:
        """Cash and positions at the last closes (positions never marked count at cost)."""
        value = valuation(self.ledger.cash, self.ledger.quantities, self._unit_value)
        return self.ledger.cash + value.net

    def buying_power(self) -> Decimal:
        """Return leverage × equity less positions and what working orders would open."""
        gross = ZERO
        for name, quantity in self.ledger.quantities.items():
            gross += abs(quantity) * self._unit_value(name)
        for state in self.orders.values():
            if not state.status.is_terminal:
                gross += self._cost(state.order, state.remaining) or ZERO
        return max(self._leverage * self.equity() - gross, ZERO)

    def _cost(self, order: Order, quantity: Decimal) -> Decimal | None:
        # What closes a position frees money; only what goes beyond it must be paid for.
        held = self.ledger.quantities.get(order.instrument, ZERO)
        opening = quantity - max(-held * order.side.sign, ZERO)
        if opening <= 0:
            return ZERO
        price = order.limit or order.stop or self.price(order.instrument)
        return None if price is None else opening * price * self._multiplier(order.instrument)

    def _unit_value(self, held: InstrumentId) -> Decimal:
        price = self.price(held)
        marked = self.ledger.positions[held].average if price is None else price
        return marked * self._multiplier(held)

    def _multiplier(self, name: InstrumentId) -> Decimal:
        return self._instruments[name].multiplier

    def _objection(self, order: Order, quantity: Decimal, freed: Decimal = ZERO) -> str:
        if self.session is None and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return f"{order.time_in_force} orders need an open market"
        if order.instrument not in self._frame:
            return ""
        cost = self._cost(order, quantity)
        if cost is None:
            return "no price to check buying power with"
        return "insufficient buying power" if cost > self.buying_power() + freed else ""

    def _take(self, events: Sequence[OrderEvent]) -> Sequence[OrderEvent]:
        for event in events:
            state = self.orders.get(event.order)
            if state is None:
                continue
            self.orders[event.order] = state.apply(event)
            if isinstance(event, Filled):
                self.fills.append(event.fill)
                self.ledger.book(event.fill)
        return events
