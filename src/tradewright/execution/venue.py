"""The simulated venue: orders matched against bars, pure and deterministic.

A bar is lived through in two steps. At its open print, market orders, marketable limits and
stops that the open has jumped fill at the open. Over its range, limits fill at their price when
it is touched, and stops at theirs. Within one bar the path is not known, so a stop-limit whose
limit lies beyond its stop waits for the next bar, and a trailing stop is tested against the
extreme of before the bar first. What a bar's volume share does not cover stays working.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
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
from tradewright.core.ids import FillId, VenueOrderId
from tradewright.core.money import ZERO, Money, Price, Quantity
from tradewright.core.orders import Fill, OrderKind, Side, TimeInForce
from tradewright.portfolio.costs import TradingCosts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tradewright.core.events import Event, OrderEvent
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order

_Ending = TypeVar("_Ending", Canceled, Expired, None)
_NO_DELAY = timedelta(0)
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
_ONE_DAY = (TimeInForce.DAY, TimeInForce.OPG, TimeInForce.CLS, TimeInForce.IOC, TimeInForce.FOK)
_AUCTIONS = (TimeInForce.OPG, TimeInForce.CLS, *_AT_ONCE)


@dataclass(frozen=True, slots=True)
class VenueModel:
    """The venue's assumptions.

    `volume_share` is the fraction of a bar's volume that all our orders in it may take, None
    for any; the delays are between our act and its effect.
    """

    costs: TradingCosts = field(default_factory=TradingCosts)
    volume_share: Decimal | None = None
    submit_delay: timedelta = _NO_DELAY
    cancel_delay: timedelta = _NO_DELAY

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1] and delays into the past."""
        if self.volume_share is not None and not 0 < self.volume_share <= 1:
            raise InvalidInput("volume_share", self.volume_share, "must lie in (0, 1]")
        if self.submit_delay < _NO_DELAY or self.cancel_delay < _NO_DELAY:
            raise InvalidInput("delay", self.submit_delay, "must not be negative")


class _Working:
    __slots__ = (
        "active_at",
        "cancel_at",
        "column",
        "extreme",
        "fills",
        "order",
        "remaining",
        "seen_open",
        "triggered",
    )

    def __init__(self, order: Order, column: int, active_at: datetime) -> None:
        self.order = order
        self.column = column
        self.remaining: Decimal = order.quantity
        self.active_at = active_at
        self.cancel_at: datetime | None = None
        self.triggered = False
        self.extreme: Decimal = ZERO
        self.fills = 0
        self.seen_open = False


class SimulatedVenue:
    """Orders at work and the rules by which bars fill them; it knows no account."""

    def __init__(
        self,
        frame: BarFrame,
        instruments: Mapping[InstrumentId, Instrument],
        model: VenueModel | None = None,
    ) -> None:
        """Open for the instruments of a frame."""
        self._frame = frame
        self._instruments = instruments
        self._model = model or VenueModel()
        self._slip = self._model.costs.slippage.fill_price
        self._fee = self._model.costs.commission.fee
        self._used: dict[int, Decimal] = {}
        self._ended: set[OrderId] = set()
        self._seq = 0
        self.working: dict[OrderId, _Working] = {}

    def accept(self, order: Order, at: datetime) -> Accepted | Rejected:
        """Take an order, or reject what this venue cannot trade.

        Raises:
            DuplicateOrder: The venue has, or had, an order of this id.
        """
        if order.id in self.working or order.id in self._ended:
            raise DuplicateOrder(order.id, "the venue has an order of this id")
        self._seq += 1
        reason = self._objection(order)
        if reason:
            return Rejected(order.id, at, reason, seq=self._seq)
        column = self._frame.index(order.instrument)
        delay = self._model.submit_delay
        self.working[order.id] = _Working(order, column, at + delay if delay else at)
        return Accepted(order.id, at, VenueOrderId(f"sim-{order.id}"), self._seq)

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
        objection = objection or self._objection(successor)
        if working is None or objection:
            return (CancelRefused(old, at, f"cannot replace: {objection}"),)
        accepted = self.accept(successor, at)
        self.working[successor.id].remaining -= filled
        self._end(working, None)
        return (Replaced(old, at, successor.id), accepted)

    def open_bar(self, row: int) -> list[OrderEvent]:
        """Fill at the open print of a row."""
        if not self.working:
            return []
        self._used.clear()
        at = self._frame.started(row)
        first = row == 0 or self._frame.session[row] != self._frame.session[row - 1]
        events: list[OrderEvent] = []
        for working in list(self.working.values()):
            if working.active_at > at or self._canceled(working, at, events):
                continue
            open_ = self._frame.price(row, working.column, "open")
            if open_ is None:
                continue
            working.seen_open = True
            force = working.order.time_in_force
            if force is TimeInForce.CLS or (force is TimeInForce.OPG and not first):
                continue
            price = self._open_price(working, open_)
            if price is not None:
                self._trade(working, price, row, at, events)
            if force in _AUCTIONS and working.remaining and working.order.id in self.working:
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
                return self._cancel_all(event.split.instrument, event.at, "corporate action")
            case Delisted():
                return self._cancel_all(event.delisting.instrument, event.at, "delisted")
            case _:
                return []

    def close_bar(self, row: int) -> list[OrderEvent]:
        """Fill over the range of a row; a session's last row also ends the session's orders."""
        if not self.working:
            return []
        frame = self._frame
        at = frame.known(row)
        last = row + 1 == len(frame) or frame.session[row] != frame.session[row + 1]
        events: list[OrderEvent] = []
        for working in list(self.working.values()):
            if self._canceled(working, at, events):
                continue
            # What became active after the open has seen no part of the range for certain.
            if not working.seen_open or frame.price(row, working.column) is None:
                continue
            order = working.order
            if order.time_in_force is TimeInForce.CLS:
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

    def _cancel_all(self, instrument: InstrumentId, at: datetime, reason: str) -> list[OrderEvent]:
        # A split or a delisting changes what the order meant; its maker decides anew.
        return [
            self._end(working, Canceled(working.order.id, at, reason))
            for working in list(self.working.values())
            if working.order.instrument == instrument
        ]

    def _objection(self, order: Order) -> str:
        instrument = self._instruments.get(order.instrument)
        if instrument is None or order.instrument not in self._frame:
            return f'asset "{order.instrument}" not found'
        if not instrument.tradable:
            return f'asset "{order.instrument}" is not tradable'
        if order.quantity % instrument.lot:
            return f"qty must be a multiple of {instrument.lot}"
        for price in (order.limit, order.stop):
            if price is not None and price % instrument.tick_at(price):
                return f"invalid price {price}. sub-penny increment"
        if order.time_in_force in _AUCTIONS and order.kind not in (
            OrderKind.MARKET,
            OrderKind.LIMIT,
        ):
            return f"{order.time_in_force} orders must be market or limit orders"
        return ""

    def _open_price(self, working: _Working, open_: Price) -> Price | None:
        order = working.order
        if order.kind is OrderKind.MARKET:
            return self._slip(order.side, open_)
        working.extreme = working.extreme or open_
        stop = _stop_level(working)
        if stop is not None:
            sign = order.side.sign
            working.triggered = working.triggered or _reached(sign, open_, stop)
            if not working.triggered:
                # The open is the one print of a bar that surely comes before its range.
                working.extreme = _better(sign, working.extreme, open_)
                return None
            if order.kind is not OrderKind.STOP_LIMIT:
                return self._slip(order.side, open_)
        return open_ if _within(order, open_) else None

    def _range_price(self, working: _Working, row: int) -> Price | None:
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

    def _stop(self, working: _Working, stop: Price, against: Price) -> Price | None:
        order = working.order
        if not _reached(order.side.sign, against, stop):
            return None
        working.triggered = True
        if order.kind is OrderKind.STOP:
            return self._slip(order.side, stop)
        return stop if _within(order, stop) else None

    def _trail(self, working: _Working, row: int, against: Price, favour: Price) -> Price | None:
        order, sign = working.order, working.order.side.sign
        stop = _trailing(working)
        if working.triggered:
            # Triggered and not done: the volume share held it back; it goes on at the next open.
            return None
        if not _reached(sign, against, stop):
            working.extreme = _better(sign, working.extreme, favour)
            stop = _trailing(working)
            close = self._frame.price(row, working.column)
            if close is None or not _reached(sign, close, stop):
                return None
        working.triggered = True
        # The first valid price at which the stop is reached lies on its far side.
        other = Side.SELL if order.side is Side.BUY else Side.BUY
        first = self._instruments[order.instrument].to_tick(stop, other)
        return self._slip(order.side, first)

    def _close_price(self, working: _Working, row: int) -> Price | None:
        close = self._frame.price(row, working.column)
        if close is None or not _within(working.order, close):
            return None
        market = working.order.kind is OrderKind.MARKET
        return self._slip(working.order.side, close) if market else close

    def _trade(
        self, working: _Working, price: Price, row: int, at: datetime, events: list[OrderEvent]
    ) -> None:
        order = working.order
        quantity = self._available(working, row)
        if quantity <= 0 or (
            order.time_in_force is TimeInForce.FOK and quantity < working.remaining
        ):
            return
        self._used[working.column] = self._used.get(working.column, ZERO) + quantity
        before = order.quantity - working.remaining
        working.remaining -= quantity
        working.fills += 1
        self._seq += 1
        fill = Fill(
            FillId(f"{order.id}-{working.fills}"),
            order.id,
            order.instrument,
            order.side,
            Quantity(quantity),
            price,
            Money(self._fee(before, quantity, price)),
            at,
        )
        events.append(Filled(order.id, at, fill, before + quantity, self._seq))
        if not working.remaining:
            self._end(working, None)

    def _available(self, working: _Working, row: int) -> Decimal:
        share = self._model.volume_share
        if share is None:
            return working.remaining
        column = working.column
        lot = self._instruments[working.order.instrument].lot
        used = self._used.get(column, ZERO)
        room = self._frame.shares(row, column) * share - used
        whole = (room / lot).to_integral_value(ROUND_DOWN) * lot
        return max(min(working.remaining, whole), ZERO)

    def _canceled(self, working: _Working, at: datetime, events: list[OrderEvent]) -> bool:
        if working.cancel_at is None or working.cancel_at > at:
            return False
        events.append(self._end(working, Canceled(working.order.id, at, "canceled by request")))
        return True

    def _end(self, working: _Working, event: _Ending) -> _Ending:
        self.working.pop(working.order.id, None)
        self._ended.add(working.order.id)
        return event


def _stop_level(working: _Working) -> Decimal | None:
    trails = working.order.kind is OrderKind.TRAILING_STOP
    return _trailing(working) if trails else working.order.stop


def _trailing(working: _Working) -> Decimal:
    order = working.order
    away = order.trail_price or working.extreme * (order.trail_fraction or ZERO)
    return working.extreme + order.side.sign * away


def _better(sign: int, extreme: Decimal, price: Decimal) -> Decimal:
    # What a trailing stop follows: the lowest price for a buy, the highest for a sell.
    return min(extreme, price) if sign > 0 else max(extreme, price)


def _reached(sign: int, price: Decimal, stop: Decimal) -> bool:
    return (price - stop) * sign >= 0


def _within(order: Order, price: Decimal) -> bool:
    return order.limit is None or (price - order.limit) * order.side.sign <= 0
