"""Complex orders as they are asked for: the exits of a bracket, an OCO and an OTO order.

An exit is on the other side of its entry; of an OCO order, the request's own side is the exit's,
and its take profit is the order itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tradewright.core.frozen import frozen
from tradewright.core.instrument import Instrument
from tradewright.core.money import CENT, Price
from tradewright.core.orders import OrderKind, Side
from tradewright.exchange.fields import price_of, refuse
from tradewright.exchange.words import NOT_TRADABLE, UNPROCESSABLE, Refused, number

_TAKE_PROFIT: Final = "take_profit"
_STOP_LOSS: Final = "stop_loss"


@frozen
class Exits:
    """The prices at which a position is to be left; `stop_limit` turns the stop into a limit."""

    take_profit: Price | None = None
    stop: Price | None = None
    stop_limit: Price | None = None


def exits_of(body: Mapping[str, Any], order_class: str, instrument: Instrument) -> Exits | None:
    """Read the exits that an order class needs; None for a simple order."""
    profit, loss = _object(body, _TAKE_PROFIT), _object(body, _STOP_LOSS)
    if not order_class:
        if profit or loss:
            refuse("simple orders take no take_profit or stop_loss")
        return None
    exits = Exits(
        price_of(profit, "limit_price", instrument, "take_profit.limit_price"),
        price_of(loss, "stop_price", instrument, "stop_loss.stop_price"),
        price_of(loss, "limit_price", instrument, "stop_loss.limit_price"),
    )
    if order_class == "oto":
        if (exits.take_profit is None) == (exits.stop is None):
            refuse("oto orders require either take_profit or stop_loss")
    elif exits.take_profit is None:
        refuse(f"{order_class} orders require take_profit.limit_price")
    elif exits.stop is None:
        refuse(f"{order_class} orders require stop_loss.stop_price")
    if exits.stop is None and exits.stop_limit is not None:
        refuse("stop_loss.limit_price requires stop_loss.stop_price")
    return exits


def own_limit(kind: OrderKind, exits: Exits) -> Price | None:
    """Return the limit of an OCO order, which is its take profit.

    Clients that must fill in `limit_price` send anything there; the vendor does not look at it.
    """
    if kind is not OrderKind.LIMIT:
        refuse("oco orders must be limit orders")
    return exits.take_profit


def keep_prices(order_class: str, side: Side, exits: Exits) -> None:
    """Refuse a take profit on the wrong side of its stop loss."""
    if exits.take_profit is None or exits.stop is None:
        return
    # The side on which the position was entered: a buy's profit lies above its stop.
    entry = -side.sign if order_class == "oco" else side.sign
    if (exits.take_profit - exits.stop) * entry <= 0:
        relation = ">" if entry > 0 else "<"
        message = f"take_profit.limit_price must be {relation} stop_loss.stop_price"
        refuse(message, NOT_TRADABLE)


def keep_distance(order_class: str, side: Side, exits: Exits, base: Decimal) -> None:
    """Refuse exits that are not a cent beyond the price from which they are measured."""
    entry = -side.sign if order_class == "oco" else side.sign
    rules = [(exits.stop, "stop_loss.stop_price", -entry)]
    if order_class != "oco":
        rules.append((exits.take_profit, "take_profit.limit_price", entry))
    for price, name, sign in rules:
        if price is not None and (price - base) * sign < CENT:
            relation = ">= base_price + 0.01" if sign > 0 else "<= base_price - 0.01"
            message = f"{name} must be {relation}"
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message, base_price=number(base))


def _object(body: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = body.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        refuse(f"{field} must be an object")
    return value
