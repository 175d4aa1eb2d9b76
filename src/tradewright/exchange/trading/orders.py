"""The account's orders at the exchange: taken or refused, and what may be asked of them after.

A refused request leaves no trace, and the client's id free; a taken one uses it up for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.events import Event, OrderEvent, SessionOpened
from tradewright.core.ids import InstrumentId
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, Side
from tradewright.exchange.account.account import Account
from tradewright.exchange.hub import Hub
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.resting import adjusting, shorts
from tradewright.exchange.trading import closing, groups, replacing, twists
from tradewright.exchange.trading.distances import far_price, keep_away
from tradewright.exchange.trading.floor import ACCEPTED, PENDING_NEW, Floor
from tradewright.exchange.trading.requests import Request, read_request
from tradewright.exchange.trading.tickets import Ticket, position_intent
from tradewright.exchange.trading.updates import Row
from tradewright.exchange.trading.washes import no_surplus, no_wash
from tradewright.exchange.trading.windows import keep_window, runs_out
from tradewright.exchange.words import (
    BROKEN_RULE,
    FORBIDDEN,
    NEW_YORK,
    NOT_ALLOWED,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
    identifier,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_TRAILING: Final = OrderKind.TRAILING_STOP


class Orders:
    """Every order that the account ever gave, and the commands that give and change them."""

    def __init__(self, market: ReplayMarket, hub: Hub, account: Account) -> None:
        """Start without an order."""
        self.floor = Floor(market, hub, account)
        adjusting.watch(self.floor)
        shorts.watch(self.floor)
        self.tickets: Mapping[str, Ticket] = self.floor.book.tickets
        self.executions: Sequence[Row] = self.floor.updates.rows

    def commands(self) -> Mapping[str, Callable[[Mapping[str, Any]], object]]:
        """Return what may be performed on orders, by name; arguments and answers are JSON."""
        floor = self.floor
        return {
            "submit": lambda given: self.submit(given["body"], given.get("twist")),
            "cancel": lambda given: self.cancel(given["order"]),
            "cancel_all": lambda _given: self.cancel_all(),
            "replace": lambda given: self.replace(given["order"], given["body"]),
            "close_position": lambda given: closing.close_position(self, given),
            "close_all": lambda given: closing.close_all(self, given),
            "place_external": lambda given: self.submit(given["body"]),
            **{name: _on(floor, act) for name, act in twists.COMMANDS.items()},
        }

    def live(self, event: Event, happened: Sequence[OrderEvent]) -> None:
        """Take what an event of the market did to the orders."""
        if isinstance(event, SessionOpened):
            self.floor.route_queued(event.at)
        self.floor.happen(happened)
        adjusting.adjust(self.floor, event)
        self._trail()

    def hear(self, happened: Sequence[OrderEvent]) -> None:
        """Take what the tape has done to the orders."""
        self.floor.happen(happened)
        self._trail()

    def submit(
        self, body: Mapping[str, Any], twist: Mapping[str, Any] | None = None
    ) -> Mapping[str, JsonValue]:
        """Take an order and return it as it stood at that moment; `twist` is the fate it meets.

        Raises:
            Refused: The request breaks a rule of the exchange or of the account.
        """
        floor = self.floor
        request = read_request(body, floor.market.instruments)
        self._listed(request.symbol)
        client_id = request.client_id or identifier("client", str(len(floor.book)))
        self.not_used(client_id)
        keep_window(request.time_in_force, floor.now, floor.market.calendar)
        price = floor.brokerage.price(request.instrument)
        request = self._sized(request)
        keep_away(request, price)
        held = floor.held(request.instrument)
        book, name, side = floor.book, request.instrument, request.side
        no_surplus(request, held, book.open_of(name, side), request.quantity)
        no_wash(request, book.open_of(name, _other(side)))
        charge = floor.account.check(request, held)
        ticket = self._ticket(request, client_id, held, price)
        if twist:
            ticket.twists.update(twist)
        groups.add_legs(ticket, request)
        events, reason = floor.send(ticket)
        if reason:
            raise refusal(reason)
        floor.account.reserve(ticket.id, charge)
        for member in ticket.family:
            book.add(member)
        return self._take(ticket, events)

    def cancel(self, identity: str) -> Mapping[str, JsonValue] | None:
        """Ask for a cancel; an order that was canceled before may be canceled again.

        An order that is fated to fill first does so and the answer says why it could not be
        canceled: what happened must be kept, so that this is no refusal.

        Raises:
            Refused: The order has ended otherwise, or is about to be replaced.
        """
        ticket, now = self.ticket(identity), self.floor.now
        if ticket.status in ("canceled", "pending_cancel"):
            return None
        if not ticket.is_open:
            raise _already(ticket)
        if ticket.status == "pending_replace":
            message = "unable to cancel order in pending_replace status"
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)
        if "fill_on_cancel" in ticket.twists and not ticket.is_held:
            return twists.fill_first(self.floor, ticket, now)
        self.floor.cancel(ticket, now)
        return None

    def cancel_all(self) -> list[dict[str, JsonValue]]:
        """Ask for the cancel of every open order; what came of each is listed."""
        rows: list[dict[str, JsonValue]] = []
        for ticket in self.floor.book.open():
            try:
                done = self.cancel(ticket.id)
            except Refused as refused:
                done = {"status": refused.status, "body": dict(refused.body)}
            rows.append({"id": ticket.id, **(done or {"status": 200})})
        return rows

    def replace(self, identity: str, body: Mapping[str, Any]) -> Mapping[str, JsonValue]:
        """Put another order in an order's place and return it.

        Raises:
            Refused: The order is not open or cannot be replaced so.
        """
        return replacing.replace_order(self, self.ticket(identity), body)

    def ticket(self, identity: str) -> Ticket:
        """Return an order by the exchange's id; raise Refused (404) for another."""
        return self.floor.book.ticket(identity)

    def ticket_of_client(self, client_id: str) -> Ticket:
        """Return an order by the client's id; raise Refused (404) for another."""
        return self.floor.book.ticket_of_client(client_id)

    def reserved(self, instrument: InstrumentId, side: Side) -> Decimal:
        """Return what open orders of a side keep of an instrument."""
        own = self.floor.book.open_of(instrument, side)
        return sum((ticket.reserves for ticket in own), ZERO)

    def not_used(self, client_id: str) -> None:
        """Refuse an id that the client has used before, whatever became of its order."""
        first = self.floor.book.by_client.get(client_id)
        if first is not None:
            code = NOT_TRADABLE if first.is_open else BROKEN_RULE
            raise Refused(UNPROCESSABLE, code, "client_order_id must be unique")

    def order_id(self, client_id: str) -> str:
        """Return the exchange's id of the order that a client calls so."""
        return identifier("order", self.floor.account.name, client_id)

    def _ticket(
        self, request: Request, client_id: str, held: Decimal, price: Decimal | None
    ) -> Ticket:
        floor = self.floor
        now, market = floor.now, floor.market
        ticket = Ticket(
            order=request.order(self.order_id(client_id), now),
            symbol=request.symbol,
            client_id=client_id,
            status=PENDING_NEW,
            intent=request.intent or position_intent(request.side, held),
            created_at=now,
            updated_at=now,
            order_class=request.order_class,
            extended_hours=request.extended_hours,
            notional=request.notional,
            expires_at=runs_out(
                request.time_in_force,
                now,
                floor.brokerage.session,
                market.calendar,
                extended=request.extended_hours,
            ),
            watermark=price if request.kind is _TRAILING else None,
        )
        if not floor.is_routed(ticket):
            ticket.status = ACCEPTED
        return ticket

    def _take(self, ticket: Ticket, events: Sequence[OrderEvent]) -> Mapping[str, JsonValue]:
        floor = self.floor
        if "hold" in ticket.twists:
            floor.brokerage.hold(ticket.venue_id)
        answer = floor.admit(ticket)
        if ticket.status == PENDING_NEW:
            floor.route(ticket, floor.now)
        floor.happen(events)
        if ticket.role and ticket.is_open:
            groups.enter_legs(floor, ticket, floor.now)
        return answer

    def _trail(self) -> None:
        for ticket in self.floor.book.trailing.values():
            best = self.floor.brokerage.watermark(ticket.venue_id)
            ticket.watermark = best or ticket.watermark

    def _listed(self, symbol: str) -> None:
        if not self.floor.market.instruments[symbol].is_listed(_day(self.floor.now)):
            raise Refused(UNPROCESSABLE, BROKEN_RULE, f"asset {symbol} is not active")

    def _sized(self, request: Request) -> Request:
        if request.notional is None:
            return request
        price = far_price(self.floor.market, request.instrument, request.side)
        if price is None:
            message = f'no price of "{request.symbol}" to size the notional with'
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)
        return request.sized(request.limit or price)


@lru_cache(maxsize=16)
def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def refusal(reason: str) -> Refused:
    """Return what is said when the brokerage does not take an order."""
    if reason == "insufficient buying power":
        return Refused(FORBIDDEN, NOT_ALLOWED, reason)
    return Refused(UNPROCESSABLE, NOT_TRADABLE, reason)


def _already(ticket: Ticket) -> Refused:
    message = f'order is already in "{ticket.status}" state'
    return Refused(UNPROCESSABLE, NOT_TRADABLE, message)


def _other(side: Side) -> Side:
    return _SELL if side is _BUY else _BUY


def _on(
    floor: Floor, act: Callable[[Floor, Mapping[str, Any]], object]
) -> Callable[[Mapping[str, Any]], object]:
    return lambda given: act(floor, given)
