"""What the account's own orders forbid: trades with oneself, and shares promised twice.

Complex and trailing orders may stand against each other; of the rest, any pair that could trade
with each other may not, and only limits can be known to stand apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NoReturn

from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, Side
from tradewright.exchange.fields import refuse
from tradewright.exchange.trading.requests import Request
from tradewright.exchange.trading.tickets import Ticket, position_intent
from tradewright.exchange.words import FORBIDDEN, NOT_ALLOWED, NOT_TRADABLE, Refused, number

_SELL: Final = Side.SELL
_TRAILING: Final = OrderKind.TRAILING_STOP
_COMPARABLE: Final = (
    (OrderKind.LIMIT, OrderKind.LIMIT),
    (OrderKind.LIMIT, OrderKind.STOP_LIMIT),
    (OrderKind.STOP_LIMIT, OrderKind.LIMIT),
)


def no_wash(request: Request, opposite: Iterable[Ticket], *, but: Ticket | None = None) -> None:
    """Refuse what could trade with an open order of the other side; `but` is about to give way."""
    if request.order_class or request.kind is _TRAILING:
        return
    for ticket in opposite:
        if ticket is not but and _meets(request, ticket):
            limited = ticket.order.kind is OrderKind.LIMIT
            raise Refused(
                FORBIDDEN,
                NOT_ALLOWED,
                "potential wash trade detected. use complex orders",
                existing_order_id=ticket.id,
                reject_reason=(
                    "opposite side limit order exists"
                    if limited
                    else "opposite side market/stop order exists"
                ),
            )


def no_surplus(request: Request, held: Decimal, own: Iterable[Ticket], asked: Decimal) -> None:
    """Refuse what needs more of a position than open orders of its side leave of it.

    `asked` is how much of the position the request would take; a request on the position's own
    side takes none.
    """
    exits = held * request.side.sign < 0
    inferred = position_intent(request.side, held)
    if request.intent is not None and request.intent != inferred:
        message = f"position intent mismatch, inferred: {inferred}, specified: {request.intent}"
        refuse(message, NOT_TRADABLE)
    if exits and request.order_class == "bracket":
        refuse("bracket orders must be entry orders", NOT_TRADABLE)
    if not exits and request.order_class == "oco":
        refuse("oco orders must be exit orders", NOT_TRADABLE)
    if exits:
        existing = abs(held)
        reserved = sum((ticket.reserves for ticket in own), ZERO)
        available = max(existing - reserved, ZERO)
        if asked > available:
            _short_of(request.symbol, asked, available, existing, reserved)
    elif request.side is _SELL and request.is_fractional:
        refuse("fractional orders cannot be sold short", NOT_TRADABLE)


def _short_of(
    symbol: str, asked: Decimal, available: Decimal, existing: Decimal, reserved: Decimal
) -> NoReturn:
    wanted = f"requested: {number(asked)}, available: {number(available)}"
    raise Refused(
        FORBIDDEN,
        NOT_ALLOWED,
        f"insufficient qty available for order ({wanted})",
        available=number(available),
        existing_qty=number(existing),
        held_for_orders=number(reserved),
        symbol=symbol,
    )


def _meets(request: Request, ticket: Ticket) -> bool:
    other = ticket.order
    if ticket.order_class or other.kind is OrderKind.TRAILING_STOP:
        return False
    if (other.kind, request.kind) not in _COMPARABLE:
        return True
    if other.limit is None or request.limit is None:
        return True
    bid, ask = (
        (request.limit, other.limit) if request.side is Side.BUY else (other.limit, request.limit)
    )
    return bid >= ask
