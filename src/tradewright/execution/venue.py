"""The simulated venue: orders matched against bars, pure and deterministic.

A bar is lived through in two steps. At its open print, market orders, marketable limits and
stops that the open has jumped fill at the open. Over its range, limits fill at their price when
it is touched, and stops at theirs. Within one bar the path is not known, so a stop-limit whose
limit lies beyond its stop waits for the next bar, and a trailing stop is tested against the
extreme of before the bar first. What a bar's volume share does not cover stays working.

A venue that fills on quotes leaves all but the auctions to `execution.quotes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from tradewright.core.errors import DuplicateOrder, InvalidInput
from tradewright.core.events import (
    Accepted,
    BarClosed,
    BarOpened,
    Canceled,
    CancelRefused,
    Delisted,
    Expired,
    Filled,
    Rejected,
    Replaced,
    SplitApplied,
)
from tradewright.core.frozen import maker
from tradewright.core.ids import FillId, VenueOrderId
from tradewright.core.money import ZERO, Money, Price, Quantity
from tradewright.core.orders import Fill, OrderKind, Side, TimeInForce
from tradewright.execution.charging import Charging
from tradewright.execution.pauses import Pauses
from tradewright.execution.quotes import TapeMatching, fill_lot
from tradewright.execution.working import (
    Working,
    better,
    price_objection,
    reached,
    stop_level,
    trailing,
    within,
)
from tradewright.portfolio.costs import Backdrop, BasisPoints, TradingCosts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tradewright.core.events import Event, OrderEvent
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order, OrderState

_Ending = TypeVar("_Ending", Canceled, Expired, None)
_NO_DELAY = timedelta(0)
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
_ONE_DAY = (TimeInForce.DAY, TimeInForce.OPG, TimeInForce.CLS, TimeInForce.IOC, TimeInForce.FOK)
_AUCTIONS = frozenset((TimeInForce.OPG, TimeInForce.CLS, *_AT_ONCE))
_MARKET = OrderKind.MARKET
_accepted = maker(Accepted)
_filled = maker(Filled)
_execution = maker(Fill)
_money = maker(Money)
_FILL_OR_KILL = TimeInForce.FOK


class FillOn(StrEnum):
    """What orders are matched against: bars as they close, or each quote and trade."""

    BARS = "bars"
    QUOTES = "quotes"


@dataclass(frozen=True, slots=True)
class VenueModel:
    """The venue's assumptions.

    `volume_share` is the fraction of a bar's volume that all our orders in it may take, None
    for any; the delays are between our act and its effect. Where orders fill on quotes, their
    size counts if `sized` is set (of it `volume_share`), and else one order in
    1 / `partial_chance`, chosen by its id, fills in two parts.
    """

    costs: TradingCosts = field(default_factory=TradingCosts)
    volume_share: Decimal | None = None
    submit_delay: timedelta = _NO_DELAY
    cancel_delay: timedelta = _NO_DELAY
    fill_on: FillOn = FillOn.BARS
    sized: bool = False
    partial_chance: Decimal = ZERO

    def __post_init__(self) -> None:
        """Refuse shares outside (0, 1], delays into the past and costs that quotes hold already."""
        if self.volume_share is not None and not 0 < self.volume_share <= 1:
            raise InvalidInput("volume_share", self.volume_share, "must lie in (0, 1]")
        if self.submit_delay < _NO_DELAY or self.cancel_delay < _NO_DELAY:
            raise InvalidInput("delay", self.submit_delay, "must not be negative")
        if not 0 <= self.partial_chance <= 1:
            raise InvalidInput("partial_chance", self.partial_chance, "must lie in [0, 1]")
        if self.fill_on is FillOn.QUOTES and self.costs.fixed is None:
            moved = self.costs.impact or self.costs.slippage
            rule = "does not go with quotes, whose spread is paid already: only fixed slippage does"
            raise InvalidInput("costs", type(moved).__name__, rule)


class SimulatedVenue:
    """Orders at work and the rules by which bars fill them; it knows no account."""

    def __init__(
        self,
        frame: BarFrame,
        instruments: Mapping[InstrumentId, Instrument],
        model: VenueModel | None = None,
        backdrop: Backdrop | None = None,
    ) -> None:
        """Open for the instruments of a frame; costs depend on the `backdrop`, by default its."""
        self._frame = frame
        self._instruments = instruments
        self._model = model or VenueModel()
        costs = self._model.costs
        # Most models need nothing but the fill: those are asked without a detour.
        charging = Charging(costs, backdrop or Backdrop(frame))
        self._slip = (costs.fixed or BasisPoints(ZERO)).fill_price
        self._price = charging.price if costs.fixed is None else None
        self._fee = costs.commission.fee
        self._charge = charging.fee if costs.metered or costs.levies else None
        self._used: dict[int, Decimal] = {}
        self._ended: set[OrderId] = set()
        self._seq = 0
        self.working: dict[OrderId, Working] = {}
        self.pauses = Pauses()
        self._rivals: dict[OrderId, OrderId] = {}
        self._traded: set[OrderId] = set()
        self.spares: Callable[[OrderId], bool] | None = None
        self.tape: TapeMatching | None = None
        if self._model.fill_on is FillOn.QUOTES:
            parts = self._model, instruments, self.pauses, self._fill, self._end
            self.tape = TapeMatching(*parts)

    def accept(self, order: Order, at: datetime) -> Accepted | Rejected:
        """Take an order, or reject what this venue cannot trade.

        Raises:
            DuplicateOrder: The venue has, or had, an order of this id.
        """
        name = order.id
        if name in self.working or name in self._ended:
            raise DuplicateOrder(name, "the venue has an order of this id")
        self._seq += 1
        reason = self.objection(order)
        if reason:
            return Rejected(name, at, reason, seq=self._seq)
        column = self._frame.index(order.instrument)
        delay = self._model.submit_delay
        working = Working(order, column, at + delay if delay else at)
        self.working[name] = working
        if self.tape is not None:
            self.tape.add(working)
        return _accepted(name, at, VenueOrderId(f"sim-{name}"), self._seq)

    def cancel(self, order: OrderId, at: datetime) -> Canceled | CancelRefused | None:
        """Cancel what still works; None while the cancel is under way (see `cancel_delay`)."""
        working = self.working.get(order)
        if working is None:
            known = order in self._ended
            return CancelRefused(order, at, "order has ended" if known else "order is not known")
        if self._model.cancel_delay:
            working.cancel_at = at + self._model.cancel_delay
            return None
        return self._end(working, Canceled(order, at, "canceled by request"))

    def replace(
        self, old: OrderId, successor: Order, at: datetime
    ) -> tuple[Replaced | CancelRefused | Accepted | Rejected, ...]:
        """Put `successor` in the place of `old`; its quantity is the new total, fills included.

        Refused, with nothing changed, if `old` has ended, trades something else, the new total
        does not exceed what is filled, or the successor could not be accepted.
        """
        working = self.working.get(old)
        filled = working.order.quantity - working.remaining if working else ZERO
        objection = ""
        if working is None:
            objection = "order has ended"
        elif (successor.instrument, successor.side) != (
            working.order.instrument,
            working.order.side,
        ):
            objection = "instrument and side stay"
        elif successor.quantity <= filled:
            objection = f"{filled} are filled already"
        objection = objection or self.objection(successor)
        if working is None or objection:
            return (CancelRefused(old, at, f"cannot replace: {objection}"),)
        accepted = self.accept(successor, at)
        self.working[successor.id].remaining -= filled
        self.working[successor.id].extreme = working.extreme
        self._end(working, None)
        return (Replaced(old, at, successor.id), accepted)

    def bind(self, first: OrderId, second: OrderId) -> None:
        """Let at most one of two orders trade in one step over a bar: they leave one position.

        The earlier order has the first chance; what the fill of one means for the other is for the
        caller to do before the next event.
        """
        self._rivals.update({first: second, second: first})

    def watermark(self, order: OrderId) -> Decimal | None:
        """Return the best price that a working trailing stop has seen; None before the first."""
        working = self.working.get(order)
        return working.extreme or None if working is not None else None

    def open_bar(self, row: int) -> list[OrderEvent]:
        """Fill at the open print of a row."""
        if not self.working:
            return []
        self._used.clear()
        self._traded.clear()
        at = self._frame.started(row)
        elsewhere = self.tape is not None or bool(self.pauses)
        events: list[OrderEvent] = []
        for working in list(self.working.values()):
            if working.active_at > at:
                continue
            if working.cancel_at is not None and self._canceled(working, at, events):
                continue
            if elsewhere and not self._meets_bars(working):
                continue
            open_ = self._frame.price(row, working.column, "open")
            if open_ is None:
                continue
            working.seen_open = True
            force = working.order.time_in_force
            special = force in _AUCTIONS
            if special and not self._trades_at_open(force, row):
                continue
            price = self._open_price(working, open_)
            if price is not None:
                self._trade(working, price, row, at, events)
            if special and working.remaining and working.order.id in self.working:
                events.append(self._end(working, Canceled(working.order.id, at, f"{force} rest")))
        return events

    def step(self, event: Event) -> list[OrderEvent]:
        """Live through one event of the market; what the orders did is returned in order."""
        match event:
            case BarOpened():
                return self.open_bar(event.row)
            case BarClosed():
                return self.close_bar(event.row)
            case SplitApplied():
                name = event.split.instrument
                return self.withdraw(name, event.at, "corporate action", self.spares)
            case Delisted():
                return self.withdraw(event.delisting.instrument, event.at, "delisted")
            case _:
                return []

    def close_bar(self, row: int) -> list[OrderEvent]:
        """Fill over the range of a row; a session's last row also ends the session's orders."""
        if not self.working:
            return []
        frame = self._frame
        at = frame.known(row)
        last = row + 1 == len(frame) or frame.session[row] != frame.session[row + 1]
        self._traded.clear()
        elsewhere = self.tape is not None or bool(self.pauses)
        events: list[OrderEvent] = []
        for working in list(self.working.values()):
            if self._canceled(working, at, events):
                continue
            if elsewhere and not self._meets_bars(working):
                continue
            order = working.order
            auction = order.time_in_force is TimeInForce.CLS
            # What became active after the open has seen no part of the range for certain, but the
            # closing auction it has.
            seen = working.seen_open or (auction and working.active_at < at)
            if not seen or frame.price(row, working.column) is None:
                continue
            if auction:
                price = self._close_price(working, row) if last else None
            else:
                price = self._range_price(working, row)
            if price is not None:
                self._trade(working, price, row, at, events)
        if last:
            events.extend(
                self._end(working, Expired(working.order.id, at, "time in force ran out"))
                for working in list(self.working.values())
                if working.order.time_in_force in _ONE_DAY and working.active_at < at
            )
        return events

    def withdraw(
        self,
        instrument: InstrumentId,
        at: datetime,
        reason: str,
        spares: Callable[[OrderId], bool] | None = None,
    ) -> list[OrderEvent]:
        """Cancel the orders of an instrument but those spared: what they meant has changed."""
        return [
            self._end(working, Canceled(working.order.id, at, reason))
            for working in list(self.working.values())
            if working.order.instrument == instrument
            and not (spares is not None and spares(working.order.id))
        ]

    def execute(
        self, done: OrderState, quantity: Decimal, price: Price, at: datetime, fills: int
    ) -> Filled:
        """Fill an order whatever the market says; one that has ended too, after `fills` of it."""
        order = done.order
        working = self.working.get(order.id)
        if working is None:
            working = Working(order, self._frame.index(order.instrument), at)
            working.remaining, working.fills = order.quantity - done.filled, fills
        if not ZERO < quantity <= working.remaining:
            rule = f"is not between 0 and what is left, {working.remaining}"
            raise InvalidInput("quantity", quantity, rule)
        return self._fill(working, quantity, price, at)

    def rebase(self, frame: BarFrame) -> None:
        """Go on with other bars of the same rows and instruments."""
        self._frame = frame

    def _meets_bars(self, working: Working) -> bool:
        auction = working.order.time_in_force in (TimeInForce.OPG, TimeInForce.CLS)
        if self.tape is not None and not auction:
            return False
        paused = self.pauses.cover(working)
        if paused:
            working.seen_open = False
        return not paused

    def _trades_at_open(self, force: TimeInForce, row: int) -> bool:
        if force is TimeInForce.OPG:
            return row == 0 or bool(self._frame.session[row] != self._frame.session[row - 1])
        return force is not TimeInForce.CLS

    def objection(self, order: Order) -> str:
        """Return why this venue cannot trade an order, empty if it can."""
        instrument = self._instruments.get(order.instrument)
        if instrument is None or self._frame.find(order.instrument) is None:
            return f'asset "{order.instrument}" not found'
        if not instrument.tradable:
            return f'asset "{order.instrument}" is not tradable'
        if order.quantity % instrument.lot:
            return f"qty must be a multiple of {instrument.lot}"
        return "" if order.kind is _MARKET else price_objection(order, instrument)

    def _open_price(self, working: Working, open_: Price) -> Price | None:
        order = working.order
        if order.kind is _MARKET:
            return self._slip(order.side, open_)
        working.extreme = working.extreme or open_
        stop = stop_level(working)
        if stop is not None:
            sign = order.side.sign
            working.triggered = working.triggered or reached(sign, open_, stop)
            if not working.triggered:
                # The open is the one print of a bar that surely comes before its range.
                working.extreme = better(sign, working.extreme, open_)
                return None
            if order.kind is not OrderKind.STOP_LIMIT:
                return self._slip(order.side, open_)
        return open_ if within(order, open_) else None

    def _range_price(self, working: Working, row: int) -> Price | None:
        order = working.order
        sign = order.side.sign
        high, low = (self._frame.price(row, working.column, name) for name in ("high", "low"))
        if high is None or low is None:
            return None
        against, favour = (high, low) if sign > 0 else (low, high)
        if order.kind is OrderKind.TRAILING_STOP:
            return self._trail(working, row, against, favour)
        if order.stop is not None and not working.triggered:
            return self._stop(working, order.stop, against)
        # A market order, or a stop that has become one, was held back at the open by the volume
        # share and goes on at the next.
        limit = order.limit
        touched = limit is not None and (favour - limit) * sign <= 0
        return limit if touched else None

    def _stop(self, working: Working, stop: Price, against: Price) -> Price | None:
        order = working.order
        if not reached(order.side.sign, against, stop):
            return None
        working.triggered = True
        if order.kind is OrderKind.STOP:
            return self._slip(order.side, stop)
        return stop if within(order, stop) else None

    def _trail(self, working: Working, row: int, against: Price, favour: Price) -> Price | None:
        order, sign = working.order, working.order.side.sign
        stop = trailing(working)
        if working.triggered:
            # Triggered and not done: the volume share held it back; it goes on at the next open.
            return None
        if not reached(sign, against, stop):
            working.extreme = better(sign, working.extreme, favour)
            stop = trailing(working)
            close = self._frame.price(row, working.column)
            if close is None or not reached(sign, close, stop):
                return None
        working.triggered = True
        # The first valid price at which the stop is reached lies on its far side.
        other = Side.SELL if order.side is Side.BUY else Side.BUY
        first = self._instruments[order.instrument].to_tick(stop, other)
        return self._slip(order.side, first)

    def _close_price(self, working: Working, row: int) -> Price | None:
        close = self._frame.price(row, working.column)
        if close is None or not within(working.order, close):
            return None
        market = working.order.kind is OrderKind.MARKET
        return self._slip(working.order.side, close) if market else close

    def _trade(
        self, working: Working, price: Price, row: int, at: datetime, events: list[OrderEvent]
    ) -> None:
        order = working.order
        if self._rivals and self._rivals.get(order.id) in self._traded:
            return
        share, remaining = self._model.volume_share, working.remaining
        quantity = remaining if share is None else self._available(working, row, share)
        if quantity <= ZERO or (order.time_in_force is _FILL_OR_KILL and quantity < remaining):
            return
        if share is not None:
            column = working.column
            self._used[column] = self._used.get(column, ZERO) + quantity
        if self._price is not None:
            price = self._price(order, quantity, price, at)
        events.append(self._fill(working, quantity, price, at))
        if self._rivals:
            self._traded.add(order.id)

    def _fill(self, working: Working, quantity: Decimal, price: Price, at: datetime) -> Filled:
        order = working.order
        before = order.quantity - working.remaining
        working.remaining -= quantity
        working.fills += 1
        self._seq += 1
        name = order.id
        charge = self._charge
        fill = _execution(
            FillId(f"{name}-{working.fills}"),
            name,
            order.instrument,
            order.side,
            Quantity(quantity),
            price,
            _money(
                self._fee(before, quantity, price)
                if charge is None
                else charge(order, before, quantity, price, at)
            ),
            at,
        )
        if not working.remaining:
            self._end(working, None)
        return _filled(name, at, fill, before + quantity, self._seq)

    def _available(self, working: Working, row: int, share: Decimal) -> Decimal:
        column = working.column
        order = working.order
        lot = fill_lot(self._instruments[order.instrument].lot, order.quantity)
        used = self._used.get(column, ZERO)
        room = self._frame.shares(row, column) * share - used
        whole = (room / lot).to_integral_value(ROUND_DOWN) * lot
        return max(min(working.remaining, whole), ZERO)

    def _canceled(self, working: Working, at: datetime, events: list[OrderEvent]) -> bool:
        if working.cancel_at is None or working.cancel_at > at:
            return False
        events.append(self._end(working, Canceled(working.order.id, at, "canceled by request")))
        return True

    def _end(self, working: Working, event: _Ending) -> _Ending:
        self.working.pop(working.order.id, None)
        self._ended.add(working.order.id)
        if self.tape is not None:
            self.tape.drop(working)
        return event
