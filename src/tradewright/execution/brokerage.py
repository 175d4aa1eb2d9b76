"""A simulated brokerage: the venue with a book of the account behind it.

It is the other side of every rehearsal: what our ledger says must equal what its ledger says.
It charges, pays dividends and splits shares by itself, from the same events of the market.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import DuplicateOrder, InvalidInput
from tradewright.core.events import (
    BarClosed,
    CancelRefused,
    CashMoved,
    Delisted,
    DividendPaid,
    Filled,
    FinancingCharged,
    Rejected,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.frozen import maker
from tradewright.core.ids import FillId
from tradewright.core.money import ZERO, Money
from tradewright.core.orders import OrderEventKind, OrderState, OrderStatus, TimeInForce
from tradewright.execution.account import SimulatedAccount
from tradewright.execution.corrections import Break, Reversal, entries, folded, standing
from tradewright.execution.venue import SimulatedVenue, VenueModel
from tradewright.portfolio.costs import Backdrop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.events import Event, OrderEvent
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.money import Price, Quantity
    from tradewright.core.orders import Fill, Order
    from tradewright.core.session import Session


_state: Final = maker(OrderState)
_PENDING: Final = OrderStatus.PENDING_NEW
_ACCEPTED: Final = OrderEventKind.ACCEPTED


class SimulatedBrokerage(SimulatedAccount):
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
        actions: Sequence[CorporateAction] = (),
    ) -> None:
        """Open the account after `row` with `cash`; it can pay for `leverage` times its equity.

        `actions` say through which splits volumes are counted, where costs depend on them.
        """
        super().__init__(frame, instruments, leverage=leverage, row=row)
        self._venue = SimulatedVenue(frame, instruments, model, Backdrop(frame, actions))
        self.ledger.apply(CashMoved(Money(cash), at, "opening balance"))
        self.orders: dict[OrderId, OrderState] = {}
        self.reversals: list[Reversal] = []
        self._breaks: list[tuple[int, Break]] = []
        self.session: Session | None = None
        self.tape = self._venue.tape
        pauses = self._venue.pauses
        self.hold, self.release = pauses.hold, pauses.release
        self.halt, self.resume = pauses.halt, pauses.resume
        self.restrict, self.free = pauses.restrict, pauses.free
        self.bind, self.watermark = self._venue.bind, self._venue.watermark

    def submit(self, order: Order, at: datetime) -> Sequence[OrderEvent]:
        """Take or reject an order; raise DuplicateOrder for an id that was ever used."""
        if order.id in self.orders:
            raise DuplicateOrder(order.id, "the account has used this id")
        reason = self._objection(order, order.quantity)
        event = Rejected(order.id, at, reason) if reason else self._venue.accept(order, at)
        state = _state(order, _PENDING, at)
        self.orders[order.id] = state
        if event.kind is _ACCEPTED:
            self._opened(state)
        return self.book([event])

    def objection(self, order: Order) -> str:
        """Return why an order would be rejected now, empty if it would not; nothing is kept."""
        return self._objection(order, order.quantity) or self._venue.objection(order)

    def cancel(self, order: OrderId, at: datetime) -> Sequence[OrderEvent]:
        """Cancel an order that works."""
        event = self._venue.cancel(order, at)
        return self.book([event]) if event is not None else ()

    def replace(self, old: OrderId, successor: Order, at: datetime) -> Sequence[OrderEvent]:
        """Put another order in an order's place, if the account can pay for it."""
        if successor.id in self.orders:
            raise DuplicateOrder(successor.id, "the account has used this id")
        before = self.orders.get(old)
        if before is None or before.status.is_terminal:
            return self.book(self._venue.replace(old, successor, at))
        freed = self._cost(before.order, before.remaining) or ZERO
        reason = self._objection(successor, successor.quantity - before.filled, freed)
        if reason:
            return self.book([CancelRefused(old, at, f"cannot replace: {reason}")])
        events = self._venue.replace(old, successor, at)
        if len(events) > 1:
            state = OrderState(
                successor,
                OrderStatus.PENDING_NEW,
                at,
                filled=before.filled,
                notional=before.notional,
            )
            self.orders[successor.id] = state
            self._opened(state)
        return self.book(events)

    def step(self, event: Event) -> Sequence[OrderEvent]:
        """Live through one event of the market; what our orders did is returned in order."""
        match event:
            case SessionOpened():
                self.session = event.session
                if self.tape is not None:
                    self.tape.begin_session()
            case SessionClosed():
                self.session = None
            case SplitApplied():
                self.ledger.apply(event)
                self._breaks.append((len(self.fills), event))
                self._grow(event)
            case Delisted():
                self.ledger.apply(event)
                self._breaks.append((len(self.fills), event))
            case DividendPaid() | CashMoved() | FinancingCharged():
                self.ledger.apply(event)
            case _:
                pass
        produced = self.book(self._venue.step(event))
        if isinstance(event, BarClosed):
            self._mark(event)
        self._changes += 1
        return produced

    def execute(
        self, order: OrderId, quantity: Decimal, price: Price, at: datetime
    ) -> Sequence[OrderEvent]:
        """Fill an order whatever the market says; one that has ended fills all the same.

        Raises:
            InvalidInput: There is no such order, or less of it is left.
        """
        state = self.orders.get(order)
        if state is None:
            raise InvalidInput("order", order, "is not an order of this account")
        fills = sum(fill.order == order for fill in self.fills)
        return self.book([self._venue.execute(state, quantity, price, at, fills)])

    def withdraw(self, instrument: InstrumentId, at: datetime, reason: str) -> Sequence[OrderEvent]:
        """Cancel the orders of an instrument, as a corporate action does."""
        return self.book(self._venue.withdraw(instrument, at, reason))

    def spare(self, spares: Callable[[OrderId], bool]) -> None:
        """Leave the orders that `spares` names as they are when their instrument splits."""
        self._venue.spares = spares

    def bust(self, fill: FillId, at: datetime) -> Reversal:
        """Take an execution back, its fee included.

        Raises:
            InvalidInput: No such fill stands.
        """
        return self._reverse(self._standing(fill), None, at)

    def correct(self, fill: FillId, price: Price, quantity: Quantity, at: datetime) -> Reversal:
        """Change the price and quantity of an execution; its fee stays.

        Raises:
            InvalidInput: No such fill stands, or the order is not that large.
        """
        stands = self._standing(fill)
        state = self.orders[stands.order]
        most = state.order.quantity - state.filled + stands.quantity
        if not ZERO < quantity <= most:
            raise InvalidInput("quantity", quantity, f"is not between 0 and {most}")
        name = FillId(f"{stands.id}-c{len(self.reversals) + 1}")
        return self._reverse(stands, replace(stands, id=name, price=price, quantity=quantity), at)

    def rebase(self, frame: BarFrame) -> None:
        """Go on with other bars of the same rows and instruments."""
        self._frame = frame
        self._changes += 1
        self._venue.rebase(frame)

    def book(self, events: Sequence[OrderEvent]) -> Sequence[OrderEvent]:
        """Take what happened to orders at the venue into their states and the ledger."""
        for event in events:
            state = self.orders.get(event.order)
            if state is None:
                continue
            after = self.orders[event.order] = state.apply(event)
            if isinstance(event, Filled):
                self.fills.append(event.fill)
                self.ledger.book(event.fill)
            self._changed(state, after)
        return events

    def _standing(self, name: FillId) -> Fill:
        for fill in standing(self.fills, self.reversals):
            if fill.id == name:
                return fill
        raise InvalidInput("fill", name, "is not an execution that stands")

    def _reverse(self, fill: Fill, instead: Fill | None, at: datetime) -> Reversal:
        name = fill.instrument
        before = folded(self._instruments, self._entries(name))
        reversal = Reversal(fill, at, instead)
        self.reversals.append(reversal)
        self._changes += 1
        self.ledger.restate(name, before, folded(self._instruments, self._entries(name)))
        state = self.orders[fill.order]
        filled, notional = state.filled - fill.quantity, state.notional - fill.quantity * fill.price
        if instead is not None:
            filled += instead.quantity
            notional += instead.quantity * instead.price
        after = replace(
            state, filled=filled, notional=notional, version=state.version + 1, at=max(state.at, at)
        )
        self.orders[fill.order] = after
        self._changed(state, after)
        return reversal

    def _entries(self, name: InstrumentId) -> Sequence[Fill | Break]:
        return entries(name, self.fills, self._breaks, self.reversals)

    def _objection(self, order: Order, quantity: Decimal, freed: Decimal = ZERO) -> str:
        if self.session is None and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return f"{order.time_in_force} orders need an open market"
        if order.instrument not in self._frame:
            return ""
        cost = self._cost(order, quantity)
        if cost is None:
            return "no price to check buying power with"
        # Buying power is never below zero: what costs nothing need not be measured by it.
        short = bool(cost) and cost > self.buying_power() + freed
        return "insufficient buying power" if short else ""
