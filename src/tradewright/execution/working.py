"""An order at work at the simulated venue, and where its stop and its limit stand.

`sign` is that of the order's side throughout: a buy is hurt by a rise, a sale by a fall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, TimeInForce

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order

_AUCTIONS: Final = frozenset((TimeInForce.OPG, TimeInForce.CLS, TimeInForce.IOC, TimeInForce.FOK))


class Working:
    """What the venue keeps of an order while it may fill."""

    __slots__ = (
        "active_at",
        "cancel_at",
        "column",
        "extreme",
        "fills",
        "held",
        "order",
        "remaining",
        "seen_open",
        "triggered",
    )

    def __init__(self, order: Order, column: int, active_at: datetime) -> None:
        """Start with nothing filled; it may trade from `active_at` on."""
        self.order = order
        self.column = column
        self.remaining: Decimal = order.quantity
        self.active_at = active_at
        self.cancel_at: datetime | None = None
        self.triggered = False
        self.extreme: Decimal = ZERO
        self.fills = 0
        self.seen_open = False
        self.held = False


def stop_level(working: Working) -> Decimal | None:
    """Return the price at which the order's stop is reached, None where it has none."""
    trails = working.order.kind is OrderKind.TRAILING_STOP
    return trailing(working) if trails else working.order.stop


def trailing(working: Working) -> Decimal:
    """Return where a trailing stop stands behind the best price so far."""
    order = working.order
    away = order.trail_price or working.extreme * (order.trail_fraction or ZERO)
    return working.extreme + order.side.sign * away


def better(sign: int, extreme: Decimal, price: Decimal) -> Decimal:
    """Return what a trailing stop follows: the lowest price for a buy, the highest for a sale."""
    return min(extreme, price) if sign > 0 else max(extreme, price)


def reached(sign: int, price: Decimal, stop: Decimal) -> bool:
    """Say whether a price has come to a stop."""
    return (price - stop) * sign >= 0


def within(order: Order, price: Decimal) -> bool:
    """Say whether an order's limit, if it has one, allows a price."""
    return order.limit is None or (price - order.limit) * order.side.sign <= 0


def price_objection(order: Order, instrument: Instrument) -> str:
    """Return why a venue cannot trade an order at its prices, empty if it can."""
    for price in (order.limit, order.stop):
        if price is not None and price % instrument.tick_at(price):
            return f"invalid price {price}. sub-penny increment"
    if order.time_in_force in _AUCTIONS and order.kind not in (
        OrderKind.MARKET,
        OrderKind.LIMIT,
    ):
        return f"{order.time_in_force} orders must be market or limit orders"
    return ""
