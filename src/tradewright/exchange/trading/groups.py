"""Orders that hang together: brackets, OCO and OTO, from their legs to their last fill.

The legs of an entry are held until all of it is filled; an entry that ends before leaves what it
has filled without protection, as at the vendor. Of two rivals that leave one position, one's fill
shrinks the other, and the last one's cancels it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.events import CancelRefused
from tradewright.core.ids import OrderId
from tradewright.core.money import Price, Quantity
from tradewright.core.orders import Order, OrderKind, Side
from tradewright.exchange.trading.requests import STRATEGY, Request
from tradewright.exchange.trading.tickets import HELD, STOP_LOSS, TAKE_PROFIT, Ticket, venue_order
from tradewright.exchange.words import identifier

if TYPE_CHECKING:
    from tradewright.exchange.trading.floor import Floor

_OTHER: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def add_legs(primary: Ticket, request: Request) -> None:
    """Give a ticket the held legs that its request asks for; an OCO's take profit is the ticket."""
    exits = request.exits
    if exits is None:
        return
    alone = request.order_class == "oco"
    if alone:
        primary.role = TAKE_PROFIT
    elif exits.take_profit is not None:
        _add_leg(primary, TAKE_PROFIT, limit=exits.take_profit)
    if exits.stop is not None:
        _add_leg(primary, STOP_LOSS, limit=exits.stop_limit, stop=exits.stop)
    leaving = [ticket for ticket in primary.family if ticket.role]
    if len(leaving) > 1:
        leaving[0].rival, leaving[1].rival = leaving[1], leaving[0]


def after_fill(floor: Floor, ticket: Ticket, at: datetime) -> None:
    """Do what the fill of an order means for the orders that hang on it."""
    if ticket.legs and not ticket.role:
        if ticket.status == "filled":
            enter_legs(floor, ticket, at)
    elif ticket.rival is not None and ticket.rival.is_open:
        _leave_to_rival(floor, ticket, ticket.rival, at)


def after_end(floor: Floor, ticket: Ticket, at: datetime) -> None:
    """Do what the end of an order, by other than its fill, means for its family."""
    if not ticket.role:
        status = "expired" if ticket.status == "expired" else "canceled"
        for leg in ticket.legs:
            if leg.is_held:
                floor.end(leg, status, at)
        return
    if ticket.status == "expired":
        # The rival runs out at the same time, by itself.
        return
    for member in ticket.family:
        if member is not ticket and member.is_open and member.status != "pending_cancel":
            floor.cancel(member, at)


def enter_legs(floor: Floor, primary: Ticket, at: datetime) -> None:
    """Send the held legs to the venue; where one bar reaches both, the stop comes first."""
    for leg in reversed(primary.legs):
        if leg.is_held:
            _enter(floor, leg, at)
    bind(floor, primary)


def bind(floor: Floor, primary: Ticket) -> None:
    """Let no two rivals trade within one event of the market, unless that is what is rehearsed."""
    leg = primary.legs[-1]
    if leg.rival is not None and "both_legs" not in primary.twists:
        floor.brokerage.bind(leg.venue_id, leg.rival.venue_id)


def _enter(floor: Floor, leg: Ticket, at: datetime) -> None:
    if leg.expires_at is not None and at >= leg.expires_at:
        floor.end(leg, "expired", at)
        return
    events, reason = floor.send(leg)
    if reason:
        floor.end(leg, "rejected", at, reason)
        return
    if floor.is_routed(leg):
        floor.route(leg, at)
    else:
        floor.book.move(leg, "accepted", at)
        floor.updates.publish("accepted", leg, at)
    floor.mind(leg)
    floor.happen(events)


def _shrink(floor: Floor, ticket: Ticket, quantity: Decimal, at: datetime) -> None:
    # The ticket keeps its id: only the brokerage knows the order by another one from now on.
    name = OrderId(identifier("shrunk", ticket.venue_id))
    before = ticket.order
    ticket.order = replace(before, quantity=Quantity(quantity + ticket.carried))
    successor = replace(venue_order(ticket, floor.market.data.instruments), id=name)
    events = floor.brokerage.replace(ticket.venue_id, successor, at)
    if any(isinstance(event, CancelRefused) for event in events):
        # It has ended within the same event of the market, which is yet to be told.
        ticket.order = before
        return
    ticket.venue_id = name
    floor.book.at_venue[name] = ticket


def _add_leg(primary: Ticket, role: str, *, limit: Price | None, stop: Price | None = None) -> None:
    entry = primary.order
    kind = OrderKind.LIMIT
    if stop is not None:
        kind = OrderKind.STOP if limit is None else OrderKind.STOP_LIMIT
    side = entry.side if primary.role else _OTHER[entry.side]
    order = Order(
        id=OrderId(identifier("leg", entry.id, role)),
        strategy=STRATEGY,
        instrument=entry.instrument,
        side=side,
        quantity=entry.quantity,
        kind=kind,
        time_in_force=entry.time_in_force,
        decided_at=entry.decided_at,
        limit=limit,
        stop=stop,
    )
    leg = Ticket(
        order=order,
        symbol=primary.symbol,
        client_id=identifier("client", entry.id, role),
        status=HELD,
        intent=f"{side.value}_to_close",
        created_at=primary.created_at,
        updated_at=primary.created_at,
        order_class=primary.order_class,
        expires_at=primary.expires_at,
        role=role,
        parent=primary,
    )
    primary.legs.append(leg)


def _leave_to_rival(floor: Floor, ticket: Ticket, rival: Ticket, at: datetime) -> None:
    if "both_legs" in ticket.primary.twists:
        price = rival.order.limit or rival.order.stop
        if ticket.status == "filled" and price is not None:
            floor.happen(floor.brokerage.execute(rival.venue_id, rival.remaining, price, at))
        return
    left = ticket.whole - ticket.filled - rival.filled
    if left <= 0:
        floor.cancel(rival, at)
    elif left < rival.remaining:
        _shrink(floor, rival, rival.filled + left, at)
        bind(floor, ticket.primary)
