"""Matching on the tape: orders meet the quote in force when they come, then each print.

An order that meets the market for the first time (since it came, since the session opened, since
a pause) gets the far side of the quote; a limit that has been resting gets its own price. Stops
are elected by trades and then meet the quote. Auction orders are not matched here. Where Rule 201
is in force, a short sale's limit must have stood above the bid before it trades.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from tradewright.core.events import Canceled, Filled
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, TimeInForce
from tradewright.execution.working import better, reached, stop_level, within
from tradewright.portfolio.costs import BasisPoints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from tradewright.core.events import OrderEvent
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import Quote, Trade
    from tradewright.core.money import Price
    from tradewright.core.orders import Side
    from tradewright.execution.pauses import Pauses
    from tradewright.execution.venue import VenueModel
    from tradewright.execution.working import Working

Execute: TypeAlias = "Callable[[Working, Decimal, Price, datetime], Filled]"
_TRAILING: Final = OrderKind.TRAILING_STOP
_FILL_OR_KILL: Final = TimeInForce.FOK
_AUCTIONS: Final = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_ONE: Final = Decimal(1)
_DRAWS: Final = Decimal(2**32)


class End(Protocol):
    """How the venue ends an order."""

    def __call__(self, working: Working, event: Canceled) -> Canceled:
        """Take the order off the venue; the event is returned."""
        ...


class TapeMatching:
    """The orders at work by instrument, and which of them have yet to meet the market."""

    def __init__(
        self,
        model: VenueModel,
        instruments: Mapping[InstrumentId, Instrument],
        pauses: Pauses,
        execute: Execute,
        end: End,
    ) -> None:
        """Start without orders; `execute` books a fill at the venue and `end` ends an order."""
        self._model = model
        self._instruments = instruments
        self._pauses = pauses
        self._execute = execute
        self._end = end
        self._slip = (model.costs.fixed or BasisPoints(ZERO)).fill_price
        self._taken: dict[tuple[InstrumentId, Side], tuple[Quote, Decimal]] = {}
        self.working: dict[InstrumentId, dict[OrderId, Working]] = defaultdict(dict)
        self.fresh: dict[OrderId, Working] = {}

    def add(self, working: Working) -> None:
        """Take an order, which has yet to meet the market."""
        order = working.order
        self.working[order.instrument][order.id] = working
        if order.time_in_force not in _AUCTIONS:
            self.fresh[order.id] = working

    def drop(self, working: Working) -> None:
        """Forget an order that has ended."""
        order = working.order
        own = self.working[order.instrument]
        own.pop(order.id, None)
        if not own:
            del self.working[order.instrument]
        self.fresh.pop(order.id, None)

    def begin_session(self) -> None:
        """Let every order meet the market anew."""
        for own in self.working.values():
            for working in own.values():
                self._refresh(working)

    def next_due(self, at: datetime) -> datetime | None:
        """Return when the next of the fresh orders becomes active, None where none will."""
        due = [w.active_at for w in self.fresh.values() if w.active_at > at]
        return min(due, default=None)

    def waiting(self, tried: Collection[InstrumentId]) -> InstrumentId | None:
        """Return the instrument of the first fresh order that is of none of those `tried`."""
        for working in self.fresh.values():
            name = working.order.instrument
            if name not in tried:
                return name
        return None

    def trails(self, instrument: InstrumentId) -> bool:
        """Say whether a fresh order of an instrument is a trailing stop, which follows trades."""
        for working in self.fresh.values():
            order = working.order
            if order.kind is _TRAILING and order.instrument == instrument:
                return True
        return False

    def meet(
        self, instrument: InstrumentId, quote: Quote | None, trade: Trade | None, at: datetime
    ) -> Sequence[OrderEvent]:
        """Let the fresh orders of an instrument meet the quote in force, if there is one."""
        events: list[OrderEvent] = []
        for working in list(self.fresh.values()):
            order = working.order
            if order.instrument != instrument or working.active_at > at:
                continue
            if self._pauses and self._pauses.cover(working):
                continue
            del self.fresh[order.id]
            if trade is not None and order.kind is _TRAILING:
                working.extreme = working.extreme or trade.price
            self._try(working, quote, at, events)
        return events

    def quoted(self, quote: Quote, at: datetime) -> Sequence[OrderEvent]:
        """Let the orders of an instrument meet a quote."""
        events: list[OrderEvent] = []
        for working in list(self.working.get(quote.instrument, {}).values()):
            if self._may_trade(working, at):
                self._try(working, quote, at, events)
        return events

    def traded(self, trade: Trade, at: datetime) -> None:
        """Let a trade elect stops, which are fresh then, and pull trailing ones behind it."""
        for working in self.working.get(trade.instrument, {}).values():
            order = working.order
            if working.triggered or order.kind in (OrderKind.MARKET, OrderKind.LIMIT):
                continue
            if not self._may_trade(working, at):
                continue
            sign = order.side.sign
            if order.kind is _TRAILING:
                working.extreme = working.extreme or trade.price
            stop = stop_level(working)
            if stop is not None and reached(sign, trade.price, stop):
                working.triggered = True
                self._refresh(working)
            elif order.kind is _TRAILING:
                working.extreme = better(sign, working.extreme, trade.price)

    def _may_trade(self, working: Working, at: datetime) -> bool:
        if working.active_at > at or working.order.time_in_force in _AUCTIONS:
            return False
        if self._pauses and self._pauses.cover(working):
            # What it missed, it makes up for when the pause ends.
            self._refresh(working)
            return False
        return True

    def _refresh(self, working: Working) -> None:
        working.seen_open = False
        if working.order.time_in_force not in _AUCTIONS:
            self.fresh[working.order.id] = working

    def _try(
        self, working: Working, quote: Quote | None, at: datetime, events: list[OrderEvent]
    ) -> None:
        order = working.order
        if working.cancel_at is not None and working.cancel_at <= at:
            events.append(self._end(working, Canceled(order.id, at, "canceled by request")))
            return
        if quote is not None:
            price = self._price(working, quote)
            if price is not None:
                self._take(working, price, quote, at, events)
        if order.time_in_force in _AT_ONCE and working.remaining:
            rest = Canceled(order.id, at, f"{order.time_in_force} rest")
            events.append(self._end(working, rest))

    def _price(self, working: Working, quote: Quote) -> Price | None:
        order = working.order
        if order.id in self._pauses.short and not working.seen_open and within(order, quote.bid):
            # It has not been shown above the bid yet, so it may not be shown at all.
            return None
        first, working.seen_open = not working.seen_open, True
        if not working.triggered and stop_level(working) is not None:
            return None
        far = quote.ask if order.side.sign > 0 else quote.bid
        if far <= 0:
            return None
        if order.limit is None:
            return self._slip(order.side, far)
        if not within(order, far):
            return None
        return far if first else order.limit

    def _take(
        self,
        working: Working,
        price: Price,
        quote: Quote,
        at: datetime,
        events: list[OrderEvent],
    ) -> None:
        order = working.order
        room = self._room(working, quote)
        if room <= 0 or (order.time_in_force is _FILL_OR_KILL and room < working.remaining):
            return
        if self._model.sized:
            key = order.instrument, order.side
            self._taken[key] = quote, self._taken_of(key, quote) + room
        events.append(self._execute(working, room, price, at))

    def _room(self, working: Working, quote: Quote) -> Decimal:
        order, model = working.order, self._model
        if model.sized:
            shown = quote.ask_size if order.side.sign > 0 else quote.bid_size
            share = _ONE if model.volume_share is None else model.volume_share
            left = shown * share - self._taken_of((order.instrument, order.side), quote)
            return min(working.remaining, self._whole(left, order.quantity, order.instrument))
        chance = model.partial_chance
        if not chance or working.fills or order.time_in_force is _FILL_OR_KILL:
            return working.remaining
        drawn = hashlib.sha256(order.id.encode()).digest()
        if int.from_bytes(drawn[:4]) >= chance * _DRAWS:
            return working.remaining
        part = working.remaining * int.from_bytes(drawn[4:8]) / _DRAWS
        return self._whole(part, order.quantity, order.instrument) or working.remaining

    def _taken_of(self, key: tuple[InstrumentId, Side], quote: Quote) -> Decimal:
        before = self._taken.get(key)
        return before[1] if before is not None and before[0] == quote else ZERO

    def _whole(self, shares: Decimal, quantity: Decimal, instrument: InstrumentId) -> Decimal:
        lot = fill_lot(self._instruments[instrument].lot, quantity)
        return max((shares / lot).to_integral_value(ROUND_DOWN) * lot, ZERO)


def fill_lot(lot: Decimal, quantity: Decimal) -> Decimal:
    """Return in what steps an order fills: an order of whole shares fills in whole shares.

    >>> fill_lot(Decimal("1e-9"), Decimal(10))
    Decimal('1')
    """
    return _ONE if lot < _ONE and not quantity % _ONE else lot
