"""Leaving positions: one or part of one, or all of them, by market orders of the exchange's making.

The client cannot name such an order beforehand. Shares that open orders keep are not there to be
sold: unless those are canceled first, the position stays and the answer says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.instrument import Instrument
from tradewright.exchange.fields import MOST_PLACES, decimal_of, decimal_places, refuse
from tradewright.exchange.words import MISSING, NOT_FOUND, Refused, asset_id, number

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue
    from tradewright.exchange.trading.orders import Orders

_HUNDRED: Final = Decimal(100)
_QUANTUM: Final = Decimal(10) ** -MOST_PLACES
_SHARE: Final = Decimal(1)


def close_position(orders: Orders, given: Mapping[str, Any]) -> Mapping[str, JsonValue]:
    """Close the position of `symbol`, or `qty` or `percentage` of it; return the order.

    Raises:
        Refused: There is no such position, or what is asked of it cannot be sold.
    """
    instrument, held = _position(orders, str(given["symbol"]))
    quantity, percentage = decimal_of(given, "qty"), decimal_of(given, "percentage")
    if quantity is not None and percentage is not None:
        refuse("only one of qty or percentage is accepted")
    if percentage is not None:
        quantity = _part(held, percentage)
    elif quantity is None:
        quantity = abs(held)
    elif quantity <= 0:
        refuse("qty must be > 0")
    elif decimal_places(quantity) > MOST_PLACES:
        refuse("qty must be limited to 9 decimal places")
    return _close(orders, instrument, held, quantity)


def close_all(orders: Orders, given: Mapping[str, Any]) -> list[dict[str, JsonValue]]:
    """Close every position, once open orders are canceled if `cancel_orders`; list what came."""
    if given.get("cancel_orders"):
        orders.cancel_all()
    rows: list[dict[str, JsonValue]] = []
    for instrument, held in _positions(orders):
        body: Mapping[str, JsonValue]
        try:
            status, body = 200, _close(orders, instrument, held, abs(held))
        except Refused as refused:
            status, body = refused.status, refused.body
        rows.append({"symbol": instrument.symbol, "status": status, "body": dict(body)})
    return rows


def _positions(orders: Orders) -> list[tuple[Instrument, Decimal]]:
    floor = orders.floor
    symbols = sorted(floor.market.instruments.items())
    return [(item, held) for _, item in symbols if (held := floor.held(item.id))]


def _position(orders: Orders, name: str) -> tuple[Instrument, Decimal]:
    for instrument, held in _positions(orders):
        if name in (instrument.symbol, asset_id(instrument.id)):
            return instrument, held
    raise Refused(MISSING, NOT_FOUND, "position does not exist")


def _part(held: Decimal, percentage: Decimal) -> Decimal:
    if not 0 < percentage <= _HUNDRED:
        refuse("percentage must be > 0 and <= 100")
    if decimal_places(percentage) > MOST_PLACES:
        refuse("percentage must be limited to 9 decimal places")
    # Only a position that has a fraction is sold in fractions.
    step = _QUANTUM if held % _SHARE else _SHARE
    part = (abs(held) * percentage / _HUNDRED).quantize(step, ROUND_DOWN)
    if not part:
        refuse("qty must be > 0")
    return part


def _close(
    orders: Orders, instrument: Instrument, held: Decimal, quantity: Decimal
) -> Mapping[str, JsonValue]:
    return orders.submit(
        {
            "symbol": instrument.symbol,
            "qty": number(quantity),
            "side": "sell" if held > 0 else "buy",
            "type": "market",
            "time_in_force": "day",
        }
    )
