"""Fates that a rehearsal gives to orders: what a real venue does rarely, done on command.

Each is a command like any other, so that a restart gives the order the same fate again. Without
an `order` the latest one is meant, without an `execution` the latest one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import FillId
from tradewright.core.money import ZERO, Price, Quantity
from tradewright.exchange.fields import decimal_of, refuse
from tradewright.exchange.trading.floor import PENDING_CANCEL, Floor
from tradewright.exchange.trading.tickets import Ticket
from tradewright.exchange.trading.updates import Execution
from tradewright.exchange.words import NOT_TRADABLE, UNPROCESSABLE, Refused, identifier, number

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

Answer = dict[str, "JsonValue"]
Act = Callable[[Floor, Mapping[str, Any]], Answer]
_MARKS: Final = (
    "new",
    "done_for_day",
    "suspended",
    "stopped",
    "calculated",
    "accepted_for_bidding",
    "pending_cancel",
    "pending_replace",
)


def fill_first(floor: Floor, ticket: Ticket, at: datetime) -> Answer | None:
    """Fill an order that was to be canceled; the answer says so unless the fate is `late`.

    A late fill comes after the cancel was accepted, which is then rejected.
    """
    late = ticket.twists.pop("fill_on_cancel") == "late"
    if late:
        ticket.cancel_requested_at = at
        floor.book.move(ticket, PENDING_CANCEL, at)
        floor.updates.publish(PENDING_CANCEL, ticket, at)
    fill_now(floor, ticket)
    if late:
        floor.updates.publish("order_cancel_rejected", ticket, at, reason="order has filled")
        return None
    message = f'order is already in "{ticket.status}" state'
    refused = Refused(UNPROCESSABLE, NOT_TRADABLE, message)
    return {"status": refused.status, "body": dict(refused.body)}


def fill_now(floor: Floor, ticket: Ticket) -> None:
    """Fill the rest of an order now, at the market's price, or without one at its own."""
    price = floor.brokerage.price(ticket.order.instrument)
    own = price or ticket.order.limit or ticket.order.stop
    if own is None:
        refuse(f'no price of "{ticket.symbol}" to fill the order at', NOT_TRADABLE)
    rest, at = ticket.remaining, floor.now
    floor.happen(floor.brokerage.execute(ticket.venue_id, rest, Price(own), at))


def _hold(floor: Floor, given: Mapping[str, Any]) -> Answer:
    ticket = _open(floor, given)
    floor.brokerage.hold(ticket.venue_id)
    return {"order": ticket.id}


def _release(floor: Floor, given: Mapping[str, Any]) -> Answer:
    ticket = _open(floor, given)
    floor.brokerage.release(ticket.venue_id)
    return {"order": ticket.id}


def _reject(floor: Floor, given: Mapping[str, Any]) -> Answer:
    ticket = _open(floor, given)
    reason = str(given.get("reason") or "rejected by the venue")
    floor.drop(ticket, "rejected", floor.now, reason)
    return {"order": ticket.id}


def _cancel_by_venue(floor: Floor, given: Mapping[str, Any]) -> Answer:
    ticket = _open(floor, given)
    reason = str(given.get("reason") or "canceled by the venue")
    floor.drop(ticket, "canceled", floor.now, reason)
    return {"order": ticket.id}


def _both_legs(floor: Floor, given: Mapping[str, Any]) -> Answer:
    primary = _ticket(floor, given).primary
    if not primary.legs or primary.legs[-1].rival is None:
        refuse(f"order {primary.id} has no two exits", NOT_TRADABLE)
    primary.twists["both_legs"] = True
    return {"order": primary.id}


def _mark(floor: Floor, given: Mapping[str, Any]) -> Answer:
    ticket, status = _open(floor, given), given.get("status")
    if status not in _MARKS:
        refuse(f"invalid status: {status}; allowed: {', '.join(_MARKS)}")
    floor.book.move(ticket, str(status), floor.now)
    floor.updates.publish(str(status), ticket, floor.now)
    return {"order": ticket.id}


def _bust(floor: Floor, given: Mapping[str, Any]) -> Answer:
    done = _execution(floor, given)
    try:
        floor.brokerage.bust(done.fill, floor.now)
    except InvalidInput as error:
        raise Refused(UNPROCESSABLE, NOT_TRADABLE, str(error)) from error
    return _reversed(floor, "trade_bust", done, done.quantity, done.price)


def _correct(floor: Floor, given: Mapping[str, Any]) -> Answer:
    done = _execution(floor, given)
    price = decimal_of(given, "price") or done.price
    quantity = decimal_of(given, "qty") or done.quantity
    try:
        reversal = floor.brokerage.correct(done.fill, Price(price), Quantity(quantity), floor.now)
    except InvalidInput as error:
        raise Refused(UNPROCESSABLE, NOT_TRADABLE, str(error)) from error
    fill = done.fill if reversal.instead is None else reversal.instead.id
    return _reversed(floor, "trade_correct", done, quantity, price, fill)


def _reversed(
    floor: Floor,
    event: str,
    done: Execution,
    quantity: Decimal,
    price: Decimal,
    instead: FillId | None = None,
) -> Answer:
    ticket, at = done.ticket, floor.now
    del floor.updates.executions[done.id]
    name = identifier(event, done.id)
    stands = quantity if instead is not None else ZERO
    if instead is not None:
        floor.updates.executions[name] = Execution(name, ticket, instead, quantity, price)
    ticket.filled += stands - done.quantity
    ticket.paid += stands * price - done.quantity * done.price
    ticket.busted += done.quantity - stands
    ticket.updated_at = at
    floor.updates.publish(
        event,
        ticket,
        at,
        execution_id=name,
        previous_execution_id=done.id,
        price=number(price),
        qty=number(quantity),
        position_qty=number(floor.held(ticket.order.instrument)),
    )
    return {"execution": name, "order": ticket.id}


def _ticket(floor: Floor, given: Mapping[str, Any]) -> Ticket:
    name = given.get("order")
    if name is None:
        ticket = floor.book.latest()
        if ticket is None:
            refuse("there is no order yet", NOT_TRADABLE)
        return ticket.primary
    by_client = floor.book.by_client.get(str(name))
    return by_client or floor.book.ticket(str(name))


def _open(floor: Floor, given: Mapping[str, Any]) -> Ticket:
    ticket = _ticket(floor, given)
    if not ticket.is_open:
        refuse(f'order is already in "{ticket.status}" state', NOT_TRADABLE)
    return ticket


def _execution(floor: Floor, given: Mapping[str, Any]) -> Execution:
    executions = floor.updates.executions
    name = given.get("execution")
    if name is None and executions:
        name = next(reversed(executions))
    found = executions.get(str(name))
    if found is None:
        refuse(f"execution {name} does not stand", NOT_TRADABLE)
    return found


COMMANDS: Final[Mapping[str, Act]] = {
    "hold": _hold,
    "release": _release,
    "reject": _reject,
    "cancel_by_venue": _cancel_by_venue,
    "both_legs": _both_legs,
    "mark": _mark,
    "bust": _bust,
    "correct": _correct,
}
"""What may be done to an order or an execution, by the name of the command."""
