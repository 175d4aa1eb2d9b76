"""Open short sales when the rules for them change: restricted by Rule 201, or not to be borrowed.

A restricted short sale stays open and does not take the bid. One whose shares have become hard to
borrow is canceled in the night, before the next session's early hours; the position stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from tradewright.core.ids import InstrumentId
from tradewright.core.orders import Side
from tradewright.exchange.account.shorting import EASY
from tradewright.exchange.trading.tickets import Ticket
from tradewright.exchange.trading.windows import extended_start

if TYPE_CHECKING:
    from tradewright.exchange.trading.floor import Floor

_SHORT: Final = "sell_to_open"
_REASON: Final = "hard to borrow"


def watch(floor: Floor) -> None:
    """Do to open short sales what a change of their rules asks for, from now on."""
    shorting = floor.account.permissions.shorting
    shorting.follow(partial(_restricted, floor), partial(_borrowed, floor))


def mark(floor: Floor, ticket: Ticket) -> None:
    """Restrict an order that has just been taken, if it is a short sale of what is restricted."""
    if ticket.intent == _SHORT:
        name = ticket.order.instrument
        if floor.account.permissions.shorting.is_restricted(name):
            floor.brokerage.restrict(ticket.venue_id)


def _restricted(floor: Floor, name: InstrumentId) -> None:
    on = floor.account.permissions.shorting.is_restricted(name)
    change = floor.brokerage.restrict if on else floor.brokerage.free
    for ticket in _open(floor, name):
        change(ticket.venue_id)


def _borrowed(floor: Floor, name: InstrumentId) -> None:
    morning = extended_start(floor.now, floor.market.calendar)
    if morning is not None:
        floor.market.at(morning, partial(_call_back, floor, name))


def _call_back(floor: Floor, name: InstrumentId) -> None:
    instrument = floor.market.data.instruments[name]
    if floor.account.permissions.shorting.status(instrument) != EASY:
        for ticket in list(_open(floor, name)):
            floor.drop(ticket, "canceled", floor.now, _REASON)


def _open(floor: Floor, name: InstrumentId) -> Iterator[Ticket]:
    every = floor.book.open_of(name, Side.SELL)
    return (ticket for ticket in every if ticket.intent == _SHORT)
