"""Replacing an order: another order, with an id of its own, takes the place of an open one.

`qty` is the new total of the order that is replaced, what it has filled included; what it has
filled stays with it, and its successor is for the rest. An answer of 200 says that the venue was
asked, not that it replaced: should the old order fill first, its successor is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.events import CancelRefused
from tradewright.core.frozen import frozen
from tradewright.core.money import ZERO, Price, Quantity
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.exchange.fields import (
    client_id_of,
    decimal_of,
    go_together,
    percent_of,
    price_of,
    refuse,
    word,
)
from tradewright.exchange.trading import groups
from tradewright.exchange.trading.classes import Exits, keep_prices
from tradewright.exchange.trading.distances import limit_near, stop_beyond
from tradewright.exchange.trading.floor import ACCEPTED, NEW, PENDING_NEW, Floor
from tradewright.exchange.trading.requests import FORCES, Request, fits
from tradewright.exchange.trading.tickets import ENDED, HELD, STOP_LOSS, Ticket, venue_order
from tradewright.exchange.trading.twists import fill_now
from tradewright.exchange.trading.washes import no_surplus, no_wash
from tradewright.exchange.trading.windows import keep_window, runs_out
from tradewright.exchange.words import FORBIDDEN, NOT_ALLOWED, NOT_TRADABLE, identifier

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue
    from tradewright.exchange.trading.orders import Orders

PENDING: Final = "pending_replace"
_REPLACEABLE: Final = frozenset({NEW, "partially_filled", HELD})
_KNOWN: Final = frozenset(
    {"qty", "time_in_force", "limit_price", "stop_price", "trail", "client_order_id"}
)
_NEVER: Final = ("notional", "advanced_instructions")
_LASTING: Final = (TimeInForce.DAY, TimeInForce.GTC)
_HUNDRED: Final = Decimal(100)
_CANNOT: Final = "cannot replace: "


@frozen
class Terms:
    """What of an order can be replaced; the quantity is a total, fills included."""

    quantity: Decimal
    time_in_force: TimeInForce
    limit: Price | None
    stop: Price | None
    trail_price: Price | None
    trail_fraction: Decimal | None


def replace_order(
    orders: Orders, ticket: Ticket, body: Mapping[str, Any]
) -> Mapping[str, JsonValue]:
    """Put another order in a ticket's place and return it.

    Raises:
        Refused: The order is not open, or may not be changed like this; nothing is changed then.
    """
    floor = orders.floor
    _must_be_open(ticket)
    before = terms_of(ticket)
    after = _asked(floor, ticket, body, before)
    client_id = client_id_of(body) or identifier("client", str(len(floor.book)))
    orders.not_used(client_id)
    if after == before:
        refuse("order parameters are not changed", NOT_TRADABLE)
    _keep_rules(floor, ticket, before, after)
    successor = successor_of(floor, ticket, after, client_id, orders.order_id(client_id))
    if ticket.is_held:
        return _swap(floor, ticket, successor)
    charge = floor.account.check(
        _request(ticket, after),
        floor.held(ticket.order.instrument),
        floor.account.charged(ticket.id),
    )
    if "replace_race" in ticket.twists:
        return _lose_the_race(floor, ticket, successor)
    order = venue_order(successor, floor.market.data.instruments)
    events = floor.brokerage.replace(ticket.venue_id, order, floor.now)
    for event in events:
        if isinstance(event, CancelRefused):
            reason = event.reason.removeprefix(_CANNOT)
            if reason == "insufficient buying power":
                refuse(reason, NOT_ALLOWED, FORBIDDEN)
            refuse(f"unable to replace order, {reason}", NOT_TRADABLE)
    floor.account.left(ticket.id, ZERO)
    floor.account.reserve(successor.id, charge)
    return _give_way(floor, ticket, successor)


def _must_be_open(ticket: Ticket) -> None:
    if ticket.status in ENDED:
        refuse("unable to replace order, order is not open", NOT_TRADABLE)
    if ticket.status not in _REPLACEABLE:
        refuse(f"cannot replace order in {ticket.status} status", NOT_TRADABLE)
    if ticket.notional is not None:
        refuse("notional orders cannot be replaced", NOT_TRADABLE)


def terms_of(ticket: Ticket) -> Terms:
    """Return the terms that an order has."""
    order = ticket.order
    return Terms(
        ticket.quantity,
        order.time_in_force,
        order.limit,
        order.stop,
        order.trail_price,
        order.trail_fraction,
    )


def _asked(floor: Floor, ticket: Ticket, body: Mapping[str, Any], before: Terms) -> Terms:
    for field in body:
        if field in _NEVER and body[field] is not None:
            refuse(f"{field} cannot be replaced", NOT_TRADABLE)
        if field not in _KNOWN and field not in _NEVER:
            refuse(f"{field} is not supported by this exchange")
    instrument = floor.market.data.instruments[ticket.order.instrument]
    quantity = decimal_of(body, "qty")
    if quantity is not None:
        _keep_quantity(ticket, quantity)
    force = before.time_in_force
    if body.get("time_in_force") is not None:
        force = word(body, "time_in_force", FORCES)
    trail_price, fraction = before.trail_price, before.trail_fraction
    if body.get("trail") not in (None, ""):
        if ticket.order.kind is not OrderKind.TRAILING_STOP:
            refuse(f"{ticket.order.kind} orders take no trail")
        if fraction is None:
            trail_price = price_of(body, "trail", instrument)
        else:
            percent = percent_of(body, "trail")
            fraction = None if percent is None else percent / _HUNDRED
    return Terms(
        before.quantity if quantity is None else quantity,
        force,
        price_of(body, "limit_price", instrument) or before.limit,
        price_of(body, "stop_price", instrument) or before.stop,
        trail_price,
        fraction,
    )


def _keep_quantity(ticket: Ticket, quantity: Decimal) -> None:
    if quantity <= 0:
        refuse("qty must be > 0")
    if quantity == ticket.quantity:
        return
    if quantity % 1 or ticket.quantity % 1:
        refuse("qty of fractional orders cannot be changed, and only whole shares", NOT_TRADABLE)
    if ticket.order_class:
        refuse(f"qty of {ticket.order_class} orders cannot be changed", NOT_TRADABLE)
    if quantity <= ticket.filled:
        refuse("qty must be > filled_qty", NOT_TRADABLE)


def _keep_rules(floor: Floor, ticket: Ticket, before: Terms, after: Terms) -> None:
    order = ticket.order
    go_together(order.kind, after.limit, after.stop, (after.trail_price, after.trail_fraction))
    if after.time_in_force is not before.time_in_force:
        fits(order.kind, after.time_in_force)
        keep_window(after.time_in_force, floor.now, floor.market.calendar)
        lasting = after.time_in_force in _LASTING
        if ticket.order_class or (ticket.extended_hours and not lasting):
            refuse("time_in_force of this order cannot be changed", NOT_TRADABLE)
        if ticket.quantity % 1:
            refuse("fractional orders must be DAY orders", NOT_TRADABLE)
    price = floor.brokerage.price(order.instrument)
    if price is not None and not ticket.is_held:
        if after.stop != before.stop:
            stop_beyond(order.side, after.stop, price)
        if after.limit is not None and after.limit != before.limit:
            limit_near(order.side, after.limit, after.stop or price)
    if ticket.role:
        _keep_exits(ticket, after)
        return
    request = _request(ticket, after)
    own = floor.book.open_of(order.instrument, order.side)
    held = floor.held(order.instrument)
    no_surplus(request, held, (other for other in own if other is not ticket), request.quantity)
    other_side = Side.SELL if order.side is Side.BUY else Side.BUY
    no_wash(request, floor.book.open_of(order.instrument, other_side))


def _keep_exits(ticket: Ticket, after: Terms) -> None:
    rival = ticket.rival
    if rival is None:
        return
    if ticket.role == STOP_LOSS:
        exits = Exits(rival.order.limit, after.stop)
    else:
        exits = Exits(after.limit, rival.order.stop)
    # Measured on the side that leaves the position, as an OCO order is.
    keep_prices("oco", ticket.order.side, exits)


def _request(ticket: Ticket, after: Terms) -> Request:
    order = ticket.order
    return Request(
        symbol=ticket.symbol,
        instrument=order.instrument,
        side=order.side,
        quantity=Quantity(after.quantity - ticket.filled),
        kind=order.kind,
        time_in_force=after.time_in_force,
        limit=after.limit,
        stop=after.stop,
        trail_price=after.trail_price,
        trail_fraction=after.trail_fraction,
        client_id=None,
        intent=None,
        extended_hours=ticket.extended_hours,
    )


def successor_of(
    floor: Floor, ticket: Ticket, after: Terms, client_id: str, identity: str
) -> Ticket:
    """Return the order that takes an order's place on other terms; it is not in the book yet."""
    now, session = floor.now, floor.brokerage.session
    request = _request(ticket, after)
    order = request.order(identity, now)
    carried = ticket.carried + ticket.filled
    successor = Ticket(
        order=replace(order, quantity=Quantity(order.quantity + carried)),
        symbol=ticket.symbol,
        client_id=client_id,
        status=PENDING_NEW,
        intent=ticket.intent,
        created_at=now,
        updated_at=now,
        order_class=ticket.order_class,
        extended_hours=ticket.extended_hours,
        expires_at=runs_out(
            after.time_in_force,
            now,
            session,
            floor.market.calendar,
            extended=ticket.extended_hours,
        ),
        role=ticket.role,
        parent=ticket.parent,
        carried=carried,
        watermark=ticket.watermark,
        replaces=ticket.id,
    )
    if ticket.is_held:
        successor.status = HELD
    elif not floor.is_routed(successor):
        successor.status = ACCEPTED
    successor.whole = ticket.whole
    return successor


def _swap(floor: Floor, ticket: Ticket, successor: Ticket) -> Mapping[str, JsonValue]:
    answer = successor.body()
    floor.book.add(successor)
    hand_over(floor, ticket, successor, floor.now)
    return answer


def _give_way(floor: Floor, ticket: Ticket, successor: Ticket) -> Mapping[str, JsonValue]:
    now = floor.now
    floor.book.add(successor)
    answer = successor.body()
    floor.book.move(ticket, PENDING, now)
    floor.updates.publish(PENDING, ticket, now)
    hand_over(floor, ticket, successor, now)
    floor.admit(successor)
    if successor.status == PENDING_NEW:
        floor.route(successor, now)
    if successor.rival is not None:
        groups.bind(floor, successor.primary)
    return answer


def hand_over(floor: Floor, ticket: Ticket, successor: Ticket, at: datetime) -> None:
    """Let an order be replaced, and give its fate and its family to its successor."""
    ticket.replaced_by = successor.id
    successor.twists.update(ticket.twists)
    if ticket.parent is not None:
        legs = ticket.parent.legs
        legs[legs.index(ticket)] = successor
    successor.legs, ticket.legs = ticket.legs, []
    for leg in successor.legs:
        leg.parent = successor
    successor.rival, ticket.rival = ticket.rival, None
    if successor.rival is not None:
        successor.rival.rival = successor
    floor.book.move(ticket, "replaced", at)
    floor.updates.publish("replaced", ticket, at)


def _lose_the_race(floor: Floor, ticket: Ticket, successor: Ticket) -> Mapping[str, JsonValue]:
    now = floor.now
    del ticket.twists["replace_race"]
    floor.book.add(successor)
    answer = successor.body()
    floor.book.move(ticket, PENDING, now)
    floor.updates.publish(PENDING, ticket, now)
    fill_now(floor, ticket)
    reason = "order has filled"
    floor.updates.publish("order_replace_rejected", ticket, now, reason=reason)
    floor.end(successor, "rejected", now, reason)
    return answer
