"""Open orders over splits and dividends: which are put on new terms, stay as they are, or end.

The vendor adjusts limit orders that are good until canceled, and says no more than that; what it
leaves open is done as FINRA's Rule 5330 does it. An order on new terms is another order with an
id of its own, as after a replacement; legs and their entries are neither reduced nor canceled.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from tradewright.core.events import CancelRefused, DividendPaid, Event, SplitApplied
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.money import ZERO, Price
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.exchange.account.account import Charge
from tradewright.exchange.trading.floor import PENDING_NEW
from tradewright.exchange.trading.replacing import hand_over, successor_of, terms_of
from tradewright.exchange.trading.tickets import Ticket, venue_order
from tradewright.exchange.words import identifier

if TYPE_CHECKING:
    from tradewright.exchange.trading.floor import Floor

_PLACES: Final = 9
_WHOLE: Final = Decimal(1)


def watch(floor: Floor) -> None:
    """Have the brokerage leave alone what is not canceled by a split."""

    def spares(order: OrderId) -> bool:
        ticket = floor.book.at_venue.get(order)
        return ticket is not None and (bool(ticket.order_class) or _is_adjusted(ticket))

    floor.brokerage.spare(spares)


def adjust(floor: Floor, event: Event) -> None:
    """Put open orders on the terms that a split or a dividend leaves them."""
    match event:
        case SplitApplied(split=split):
            for ticket in _adjusted(floor, split.instrument):
                if split.ratio > 1:
                    _split(floor, ticket, split.ratio)
                else:
                    # A smaller number of shares is not what was ordered.
                    floor.cancel(ticket, floor.now)
        case DividendPaid(dividend=dividend):
            for ticket in _adjusted(floor, dividend.instrument):
                if ticket.order.side is Side.BUY:
                    limit = (ticket.order.limit or ZERO) - dividend.amount
                    _renew(floor, ticket, limit, ticket.remaining)
        case _:
            pass


def _adjusted(floor: Floor, name: InstrumentId) -> list[Ticket]:
    sides = (floor.book.open_of(name, side) for side in Side)
    return [ticket for own in sides for ticket in own if _is_adjusted(ticket)]


def _is_adjusted(ticket: Ticket) -> bool:
    order = ticket.order
    lasting = order.time_in_force is TimeInForce.GTC and order.kind is OrderKind.LIMIT
    return lasting and not ticket.order_class and ticket.is_open


def _split(floor: Floor, ticket: Ticket, ratio: Fraction) -> None:
    up, down = Decimal(ratio.numerator), Decimal(ratio.denominator)
    shares = (ticket.remaining * up / down).quantize(_WHOLE, ROUND_DOWN)
    _renew(floor, ticket, (ticket.order.limit or ZERO) * down / up, shares)


def _renew(floor: Floor, ticket: Ticket, limit: Decimal, shares: Decimal) -> None:
    order, now = ticket.order, floor.now
    instrument = floor.market.data.instruments[order.instrument]
    rounded = instrument.to_tick(limit, order.side)
    if rounded <= 0 or shares <= 0:
        floor.cancel(ticket, now)
        return
    client_id = identifier("client", str(len(floor.book)))
    identity = identifier("order", floor.account.name, client_id)
    terms = replace(terms_of(ticket), limit=Price(rounded), quantity=shares + ticket.filled)
    successor = successor_of(floor, ticket, terms, client_id, identity)
    successor.expires_at = ticket.expires_at
    events = floor.brokerage.replace(
        ticket.venue_id, venue_order(successor, floor.market.data.instruments), now
    )
    if any(isinstance(event, CancelRefused) for event in events):
        floor.cancel(ticket, now)
        return
    charge = floor.account.charged(ticket.id)
    floor.account.left(ticket.id, ZERO)
    unit = round(charge / shares, _PLACES) if charge else ZERO
    floor.account.reserve(successor.id, Charge(unit, shares if charge else ZERO))
    floor.book.add(successor)
    hand_over(floor, ticket, successor, now)
    floor.admit(successor)
    if successor.status == PENDING_NEW:
        floor.route(successor, now)
