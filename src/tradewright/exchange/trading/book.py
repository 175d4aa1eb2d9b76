"""The book of the account's orders: every one ever taken, found by any of its names.

Nothing here is looked for by going through all of them: what is open is kept apart, by
instrument and side, and the rest lies in the order of submission.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.orders import OrderKind, Side
from tradewright.exchange.trading.tickets import Ticket
from tradewright.exchange.words import MISSING, NOT_FOUND, Refused

_TRAILING: Final = OrderKind.TRAILING_STOP
_NONE: Final[Mapping[str, Ticket]] = {}


class Book:
    """Tickets by the exchange's id, the client's, the brokerage's, and by place."""

    def __init__(self) -> None:
        """Start without an order."""
        self.tickets: dict[str, Ticket] = {}
        self.by_client: dict[str, Ticket] = {}
        self.at_venue: dict[OrderId, Ticket] = {}
        self.trailing: dict[str, Ticket] = {}
        self._places: list[Ticket] = []
        self._open: dict[str, Ticket] = {}
        self._sides: dict[tuple[InstrumentId, Side], dict[str, Ticket]] = defaultdict(dict)

    def __len__(self) -> int:
        """Count the orders ever taken."""
        return len(self._places)

    def add(self, ticket: Ticket) -> None:
        """Keep a new ticket, as the last."""
        ticket.place = len(self._places)
        self._places.append(ticket)
        self.tickets[ticket.id] = self.by_client[ticket.client_id] = ticket
        self.at_venue[ticket.venue_id] = ticket
        if ticket.is_open:
            self._open[ticket.id] = ticket
            self._sides[ticket.order.instrument, ticket.order.side][ticket.id] = ticket
            if ticket.order.kind is _TRAILING:
                self.trailing[ticket.id] = ticket

    def move(self, ticket: Ticket, status: str, at: datetime) -> None:
        """Give a ticket a status."""
        ticket.move(status, at)
        self.settle(ticket)

    def settle(self, ticket: Ticket) -> None:
        """Take a ticket that has ended out of the open ones."""
        if not ticket.is_open and self._open.pop(ticket.id, None) is not None:
            del self._sides[ticket.order.instrument, ticket.order.side][ticket.id]
            self.trailing.pop(ticket.id, None)

    def open(self) -> Iterator[Ticket]:
        """Yield the orders that may still fill, oldest first."""
        return iter(tuple(self._open.values()))

    def open_of(self, instrument: InstrumentId, side: Side) -> Iterator[Ticket]:
        """Yield the open orders of one side of an instrument, oldest first."""
        return iter(self._sides.get((instrument, side), _NONE).values())

    def ticket(self, identity: str) -> Ticket:
        """Return an order by the exchange's id; raise Refused (404) for another."""
        return _known(self.tickets.get(identity), identity)

    def ticket_of_client(self, client_id: str) -> Ticket:
        """Return an order by the client's id; raise Refused (404) for another."""
        return _known(self.by_client.get(client_id), client_id)

    def latest(self) -> Ticket | None:
        """Return the order that was taken last."""
        return self._places[-1] if self._places else None

    def between(
        self,
        *,
        first: int = 0,
        stop: int | None = None,
        after: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[int, int]:
        """Return the range of places of what was submitted after `after` and before `until`."""
        end = len(self._places) if stop is None else stop
        if after is not None:
            first = max(first, bisect_right(self._places, after, key=_submitted))
        if until is not None:
            end = min(end, bisect_left(self._places, until, key=_submitted))
        return first, max(first, end)

    def placed(self, first: int, stop: int, *, backwards: bool) -> Iterator[Ticket]:
        """Yield the tickets of a range of places, one by one."""
        places = range(first, stop)
        return (self._places[place] for place in (reversed(places) if backwards else places))

    def open_between(self, first: int, stop: int, *, backwards: bool) -> Iterator[Ticket]:
        """Yield the open tickets of a range of places, one by one."""
        tickets = self._open.values()
        ordered = reversed(tickets) if backwards else iter(tickets)
        return (ticket for ticket in ordered if first <= ticket.place < stop)


def _submitted(ticket: Ticket) -> datetime:
    return ticket.created_at


def _known(ticket: Ticket | None, identity: str) -> Ticket:
    if ticket is None:
        raise Refused(MISSING, NOT_FOUND, f"order not found for {identity}")
    return ticket
