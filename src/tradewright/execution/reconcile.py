"""Our book against the venue's, to what mends it.

What the venue did and we have not heard of becomes events, with the venue's own execution ids,
or ids derived from the facts where it gives none. What no event explains is a Difference, and
trading does not go on over one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.core.events import Accepted, Canceled, Expired, Filled, Rejected, Reported
from tradewright.core.ids import inferred_fill_id
from tradewright.core.money import ZERO, Money, Price, Quantity
from tradewright.core.orders import Fill, OrderStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.events import OrderEvent
    from tradewright.core.ids import FillId, InstrumentId
    from tradewright.core.orders import OrderState, Side
    from tradewright.core.reports import VenueOrder

Charge: TypeAlias = "Callable[[Decimal, Decimal, Decimal, Side, datetime], Decimal]"
"""What a fill is charged: filled before, quantity, price, side and time."""

_EARLY: Final = (
    OrderStatus.PENDING_NEW,
    OrderStatus.SUBMITTED,
    OrderStatus.SUBMITTED_UNCONFIRMED,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that the two books do not share: `what` is "cash" or an instrument."""

    what: str
    ours: Decimal
    theirs: Decimal


def agrees(state: OrderState, facts: VenueOrder) -> bool:
    """Say whether we know all that the venue says of an order."""
    if state.filled != facts.filled or state.status in _EARLY:
        return False
    ended = facts.status is not None and facts.status.is_terminal
    return ended == state.status.is_terminal


def repairs(
    state: OrderState,
    facts: VenueOrder,
    fills: Sequence[tuple[Fill, Decimal]],
    is_known: Callable[[FillId], bool],
    fee: Charge,
) -> list[OrderEvent]:
    """Return the events that bring our state of an order to the venue's.

    Args:
        state: What we know.
        facts: What the venue says.
        fills: The order's executions as the venue lists them, each with its cumulative.
        is_known: Whether an execution has been booked.
        fee: What a fill that is inferred is charged.
    """
    order = state.order.id
    events: list[OrderEvent] = []
    if state.status in (*_EARLY, OrderStatus.FAILED):
        events.append(
            Accepted(order, facts.updated_at, facts.venue_id, reason="found at the venue")
        )
    filled, notional = state.filled, state.notional
    for fill, cumulative in fills:
        if not is_known(fill.id):
            events.append(Filled(order, fill.at, fill, cumulative, venue_id=facts.venue_id))
            filled += fill.quantity
            notional += fill.quantity * fill.price
    if facts.filled > filled and facts.average_price is not None:
        events.append(_inferred(state, facts, filled, notional, fee))
    ending = _ending(state, facts)
    if ending is not None:
        events.append(ending)
    return events


def differences(
    cash: Decimal,
    held: Mapping[InstrumentId, Decimal],
    their_cash: Decimal,
    their_positions: Mapping[InstrumentId, Decimal],
) -> tuple[Difference, ...]:
    """Return every number in which the two books differ, cash first, then by instrument."""
    found = [] if cash == their_cash else [Difference("cash", cash, their_cash)]
    for name in sorted({*held, *their_positions}):
        ours, theirs = held.get(name, ZERO), their_positions.get(name, ZERO)
        if ours != theirs:
            found.append(Difference(name, ours, theirs))
    return tuple(found)


def _inferred(
    state: OrderState,
    facts: VenueOrder,
    filled: Decimal,
    notional: Decimal,
    fee: Charge,
) -> Filled:
    average = facts.average_price or ZERO
    quantity = facts.filled - filled
    price = Price((average * facts.filled - notional) / quantity)
    order = state.order
    fill = Fill(
        inferred_fill_id(order.id, facts.filled, price),
        order.id,
        order.instrument,
        order.side,
        Quantity(quantity),
        price,
        Money(fee(filled, quantity, price, order.side, facts.updated_at)),
        facts.updated_at,
    )
    return Filled(order.id, facts.updated_at, fill, facts.filled, venue_id=facts.venue_id)


def _ending(state: OrderState, facts: VenueOrder) -> OrderEvent | None:
    order, at, venue_id = state.order.id, facts.updated_at, facts.venue_id
    reason = facts.reason or "found at the venue"
    match facts.status:
        case None | OrderStatus.FILLED:
            return None
        case OrderStatus.CANCELED | OrderStatus.REPLACED:
            return Canceled(order, at, reason, venue_id)
        case OrderStatus.EXPIRED:
            return Expired(order, at, reason, venue_id)
        case OrderStatus.REJECTED:
            return Rejected(order, at, reason, venue_id)
        case status if state.status is not status:
            return Reported(order, at, status, venue_id)
        case _:
            return None
