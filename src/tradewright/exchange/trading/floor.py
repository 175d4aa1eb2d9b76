"""The floor: where tickets meet the brokerage, and what happens to an order is taken and told.

An order taken while the market is closed is `accepted` and waits for its open; one taken while it
is open is `new` at once. Whatever the brokerage reports comes through `happen`, whoever asked for
it. What falls due by itself (an order's age, the end of extended hours) is left with the market,
which does it when its time has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from tradewright.core.events import (
    Canceled,
    CancelRefused,
    Expired,
    Filled,
    OrderEvent,
    Rejected,
)
from tradewright.core.ids import InstrumentId
from tradewright.core.money import ZERO
from tradewright.core.orders import TimeInForce
from tradewright.exchange.account.account import Account
from tradewright.exchange.hub import Hub
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.resting import shorts
from tradewright.exchange.trading import groups
from tradewright.exchange.trading.book import Book
from tradewright.exchange.trading.tickets import Ticket, venue_order
from tradewright.exchange.trading.updates import Updates
from tradewright.exchange.trading.windows import extended_start, extends
from tradewright.exchange.written import Written

_GTC: Final = TimeInForce.GTC
ACCEPTED: Final = "accepted"
PENDING_NEW: Final = "pending_new"
NEW: Final = "new"
PENDING_CANCEL: Final = "pending_cancel"


class Floor:
    """Orders at work: sent, routed, filled, ended."""

    def __init__(self, market: ReplayMarket, hub: Hub, account: Account) -> None:
        """Start without an order."""
        self.market = market
        self.brokerage = market.brokerage
        self.account = account
        self.book = Book()
        self.updates = Updates(hub, account.name)
        self._queued: list[Ticket] = []

    @property
    def now(self) -> datetime:
        """The market's time."""
        return self.market.now

    def held(self, instrument: InstrumentId) -> Decimal:
        """Return the signed position in an instrument."""
        return self.brokerage.ledger.quantities.get(instrument, ZERO)

    def is_routed(self, ticket: Ticket) -> bool:
        """Say whether an order goes to the venue at once, and is not queued."""
        if self.brokerage.session is not None:
            return True
        return ticket.extended_hours and extends(self.now, self.market.calendar)

    def send(self, ticket: Ticket) -> tuple[Sequence[OrderEvent], str]:
        """Give a ticket's order to the brokerage; return what happened, and why it was rejected."""
        order = venue_order(ticket, self.market.data.instruments)
        events = self.brokerage.submit(order, self.now)
        reason = next((event.reason for event in events if isinstance(event, Rejected)), "")
        if reason:
            # What is refused leaves no trace: the next order of the client may have its id.
            del self.brokerage.orders[order.id]
        return events, reason

    def admit(self, ticket: Ticket) -> Written:
        """Tell of a ticket that the brokerage has taken, and mind when it runs out.

        Returns the order as it stands then, its legs under it.
        """
        told = self.updates.publish(ticket.status, ticket, ticket.updated_at)
        shorts.mark(self, ticket)
        self.mind(ticket)
        return ticket.nested() if ticket.legs else told

    def mind(self, ticket: Ticket) -> None:
        """Remember a ticket that waits for its open, and when it runs out."""
        lasting = ticket.order.time_in_force is _GTC
        if ticket.expires_at is not None and (lasting or ticket.extended_hours):
            self.market.at(ticket.expires_at, partial(self._run_out, ticket))
        if ticket.status != ACCEPTED:
            return
        self._queued.append(ticket)
        early = extended_start(self.now, self.market.calendar) if ticket.extended_hours else None
        if early is not None:
            self.market.at(early, partial(self._route_early, ticket))

    def route(self, ticket: Ticket, at: datetime) -> None:
        """Let an order that waits be new at the venue, or rejected there if that is its fate."""
        reason = ticket.twists.get("reject")
        if reason is not None:
            self.drop(ticket, "rejected", at, str(reason))
            return
        self.book.move(ticket, NEW, at)
        self.updates.publish(NEW, ticket, at)

    def route_queued(self, at: datetime) -> None:
        """Route what waited for the market to open."""
        queued, self._queued = self._queued, []
        for ticket in queued:
            if ticket.status == ACCEPTED:
                self.route(ticket, at)

    def cancel(self, ticket: Ticket, at: datetime) -> None:
        """Ask for the cancel of an open order; its family follows once it is canceled."""
        ticket.cancel_requested_at = at
        if ticket.is_held:
            self.end(ticket, "canceled", at)
            return
        events = self.brokerage.cancel(ticket.venue_id, at)
        if not events:
            self.book.move(ticket, PENDING_CANCEL, at)
            self.updates.publish(PENDING_CANCEL, ticket, at)
        self.happen(events)

    def end(self, ticket: Ticket, status: str, at: datetime, reason: str = "") -> None:
        """End an open order without a fill, tell of it, and settle its family."""
        if not ticket.is_open:
            return
        self.book.move(ticket, status, at)
        self.account.left(ticket.id, ZERO)
        facts = {"reason": reason} if reason else {}
        self.updates.publish(status, ticket, at, **facts)
        groups.after_end(self, ticket, at)

    def drop(self, ticket: Ticket, status: str, at: datetime, reason: str = "") -> None:
        """End an open order here, and take it off the venue without a word."""
        held = ticket.is_held
        self.end(ticket, status, at, reason)
        # Should its cancel take a while, it must not trade meanwhile.
        if not held and not self.brokerage.cancel(ticket.venue_id, at):
            self.brokerage.hold(ticket.venue_id)

    def happen(self, events: Sequence[OrderEvent]) -> None:
        """Take what happened to orders at the brokerage, in order."""
        for event in events:
            ticket = self.book.at_venue.get(event.order)
            if ticket is None:
                continue
            match event:
                case Filled():
                    self._fill(ticket, event)
                case Canceled():
                    self.end(ticket, "canceled", event.at)
                case Expired():
                    self.end(ticket, "expired", event.at)
                case CancelRefused() if ticket.status == PENDING_CANCEL:
                    self.book.move(ticket, "partially_filled" if ticket.filled else NEW, event.at)
                    self.updates.publish(
                        "order_cancel_rejected", ticket, event.at, reason=event.reason
                    )
                case _:
                    # The venue's own acceptance is no news to the client: its answer said so.
                    pass

    def _run_out(self, ticket: Ticket) -> None:
        if not ticket.is_open:
            return
        if ticket.order.time_in_force is _GTC:
            self.cancel(ticket, self.now)
            return
        self.drop(ticket, "expired", self.now)

    def _route_early(self, ticket: Ticket) -> None:
        if ticket.status == ACCEPTED:
            self.route(ticket, self.now)

    def _fill(self, ticket: Ticket, event: Filled) -> None:
        fill = event.fill
        ticket.fill(fill.quantity, fill.price, event.at)
        self.book.settle(ticket)
        self.account.left(ticket.id, ticket.remaining)
        self.updates.execution(ticket, fill, self.held(fill.instrument), event.at)
        groups.after_fill(self, ticket, event.at)
