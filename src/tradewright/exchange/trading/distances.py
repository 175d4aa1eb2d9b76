"""Prices against the market: what an order would meet, and how far its own may lie away.

Without a price of the market yet, nothing can be said and nothing is refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradewright.core.ids import InstrumentId
from tradewright.core.orders import OrderKind, Side
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.trading.classes import keep_distance
from tradewright.exchange.trading.requests import Request
from tradewright.exchange.words import NOT_TRADABLE, UNPROCESSABLE, Refused, number

_STOPPED: Final = (OrderKind.STOP, OrderKind.STOP_LIMIT)
# The vendor does not say how far is too far; a limit that gives half of the price away is.
_MOST_AWAY: Final = Decimal("0.5")


def far_price(market: ReplayMarket, instrument: InstrumentId, side: Side) -> Decimal | None:
    """Return what a market order of `side` would meet: the far side of the quote, if open."""
    quote = None if market.session is None else market.tape.quote(instrument, market.now)
    far = None
    if quote is not None:
        far = quote.ask if side is Side.BUY else quote.bid
    return far or market.brokerage.price(instrument)


def keep_away(request: Request, price: Decimal | None) -> None:
    """Refuse a stop that the price has passed, exits too near, and a limit far beyond it."""
    if price is None:
        return
    if request.exits is not None:
        own = request.limit if request.order_class != "oco" else None
        base = own or request.stop or price
        keep_distance(request.order_class, request.side, request.exits, base)
    if request.kind in _STOPPED:
        stop_beyond(request.side, request.stop, price)
    if request.limit is not None:
        limit_near(request.side, request.limit, request.stop or price)


def stop_beyond(side: Side, stop: Decimal | None, price: Decimal) -> None:
    """Refuse a sell stop that is not below the price, or a buy stop that is not above it."""
    if stop is None or (stop - price) * side.sign > 0:
        return
    relation = "greater" if side is Side.BUY else "less"
    raise Refused(
        UNPROCESSABLE,
        NOT_TRADABLE,
        f"stop price must be {relation} than current price",
        market_price=number(price),
        stop_price=number(stop),
    )


def limit_near(side: Side, limit: Decimal, price: Decimal) -> None:
    """Refuse a limit that would pay half as much again, or sell for half."""
    if (limit - price) * side.sign > price * _MOST_AWAY:
        raise Refused(
            UNPROCESSABLE,
            NOT_TRADABLE,
            "limit price is too far away from the current price",
            market_price=number(price),
            limit_price=number(limit),
        )
