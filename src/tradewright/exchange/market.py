"""The replayed market: where the replay stands, the orders in it, and what it publishes.

Time here is the replay's: it moves when `advance` is told to, never by itself, and never back.
Everything that happens up to that time happens in the brokerage, and each thing that happens
to an order is published once, in order, to whoever listens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tradewright.backtest.replay import Replay
from tradewright.core.clock import require_utc
from tradewright.core.errors import MissingData
from tradewright.core.events import (
    Canceled,
    Event,
    Expired,
    Filled,
    OrderEvent,
    Rejected,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.core.session import Calendar, Span
from tradewright.data.history import MarketData
from tradewright.exchange.tickets import Ticket, position_intent
from tradewright.exchange.trading import Request, read_request
from tradewright.exchange.words import (
    BROKEN_RULE,
    FORBIDDEN,
    MISSING,
    NEW_YORK,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
    identifier,
    moment,
    number,
)
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.execution.venue import VenueModel

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

Update = dict[str, "JsonValue"]
_ONE = Decimal(1)
_A_SECOND = timedelta(seconds=1)
_LIMITED = frozenset({OrderKind.LIMIT, OrderKind.STOP_LIMIT})


class ReplayMarket:
    """One market and one account in it, lived through event by event."""

    def __init__(
        self,
        brokerage: SimulatedBrokerage,
        events: Iterable[Event],
        instruments: Sequence[Instrument],
        calendar: Calendar,
        *,
        start: datetime,
        leverage: Decimal = _ONE,
        account: str = "rehearsal",
    ) -> None:
        """Stand at `start`, before the first event; nothing has happened yet."""
        self.brokerage = brokerage
        self.leverage = leverage
        self.calendar = calendar
        self.account = account
        self.now = require_utc(start, "start")
        self.opened_at = start
        self.instruments: Mapping[str, Instrument] = {item.symbol: item for item in instruments}
        self.tickets: dict[str, Ticket] = {}
        self.executions: list[Update] = []
        self.last_equity = brokerage.equity()
        self.day_began = start
        self.last_prices: dict[InstrumentId, Decimal] = {}
        self.published = 0
        self.position = 0
        self._symbols = {item.id: item.symbol for item in instruments}
        self._by_client: dict[str, Ticket] = {}
        self._listeners: list[asyncio.Queue[Update]] = []
        self._events = iter(events)
        self._next = next(self._events, None)

    @classmethod
    def over(
        cls, data: MarketData, span: Span, *, model: VenueModel, cash: Decimal, leverage: Decimal
    ) -> ReplayMarket:
        """Stand before the first session of `span`, with `cash` and what was known by then.

        Raises:
            MissingData: There are no bars in the span.
        """
        frame = data.frame
        sessions = frame.session.tolist()
        rows = [row for row, at in enumerate(sessions) if frame.sessions[at].date in span]
        if not rows:
            what = f"no bars between {span.start} and {span.end}"
            raise MissingData(data.label, what, "choose --from and --to within what is there")
        first = rows[0]
        start = frame.known(first - 1) if first else frame.session_of(0).open - _A_SECOND
        brokerage = SimulatedBrokerage(
            frame,
            data.instruments,
            model=model,
            cash=cash,
            leverage=leverage,
            at=start,
            row=first - 1,
        )
        replay = Replay(frame, data.actions, first=first, stop=rows[-1] + 1)
        traded = [data.instruments[name] for name in frame.instruments]
        return cls(brokerage, replay, traded, data.calendar, start=start, leverage=leverage)

    @property
    def done(self) -> bool:
        """Say whether the replay has ended."""
        return self._next is None

    @property
    def next_at(self) -> datetime | None:
        """When the next thing happens; None at the end of the replay."""
        return None if self._next is None else self._next.at

    def advance(self, to: datetime, position: int | None = None) -> None:
        """Live through everything up to and including `to`, in order.

        With a `position`, stop when that many events have been lived through: several may share
        one time, and who follows the same replay goes event by event. A time before the present
        changes nothing: what has happened has happened.
        """
        while self._next is not None and self._next.at <= to:
            if position is not None and self.position >= position:
                return
            event, self._next = self._next, next(self._events, None)
            self.position += 1
            self.now = max(self.now, event.at)
            self._live(event)
        self.now = max(self.now, to)

    def submit(self, body: Mapping[str, Any]) -> Mapping[str, JsonValue]:
        """Take an order and return it as it stood at that moment; refused orders leave no trace."""
        request = read_request(body, self.instruments)
        client_id = request.client_id or identifier("client", str(len(self.tickets)))
        self._not_used(client_id)
        held = self._held(request.instrument)
        self._keeps_to_holdings(request, held)
        self._no_wash(request)
        order = request.order(self._order_id(client_id), self.now)
        for event in self.brokerage.submit(order, self.now):
            if isinstance(event, Rejected):
                raise self._refusal(event.reason, request)
        is_open = self.brokerage.session is not None
        ticket = Ticket(
            order=order,
            symbol=request.symbol,
            client_id=client_id,
            status="pending_new" if is_open else "accepted",
            intent=request.intent or position_intent(request.side, held),
            created_at=self.now,
            updated_at=self.now,
            expires_at=self._expiry(request),
        )
        self.tickets[ticket.id] = self._by_client[client_id] = ticket
        self._publish(ticket.status, ticket)
        answer = ticket.body()
        if is_open:
            self._route(ticket)
        return answer

    def cancel(self, ticket: Ticket) -> None:
        """Ask for a cancel; an order that was canceled before may be canceled again."""
        if ticket.status == "canceled":
            return
        if not ticket.is_open:
            message = f'order is already in "{ticket.status}" state'
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)
        ticket.cancel_requested_at = self.now
        before = self.published
        for event in self.brokerage.cancel(ticket.order.id, self.now):
            self._happen(event)
        if self.published == before:
            ticket.move("pending_cancel", self.now)
            self._publish("pending_cancel", ticket)

    def ticket(self, identity: str) -> Ticket:
        """Return an order by the exchange's id."""
        return self._known(self.tickets.get(identity), identity)

    def ticket_of_client(self, client_id: str) -> Ticket:
        """Return an order by the client's id."""
        return self._known(self._by_client.get(client_id), client_id)

    @contextlib.contextmanager
    def listen(self) -> Iterator[asyncio.Queue[Update]]:
        """Receive every update from now on."""
        queue: asyncio.Queue[Update] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield queue
        finally:
            self._listeners.remove(queue)

    def reserved(self, instrument: InstrumentId, side: Side) -> Decimal:
        """Return what open orders of a side may still trade of an instrument."""
        return sum(
            (
                ticket.remaining
                for ticket in self.open_tickets()
                if ticket.order.instrument == instrument and ticket.order.side is side
            ),
            ZERO,
        )

    def open_tickets(self) -> Iterator[Ticket]:
        """Yield the orders that may still fill, oldest first."""
        return (ticket for ticket in self.tickets.values() if ticket.is_open)

    def _live(self, event: Event) -> None:
        brokerage = self.brokerage
        if isinstance(event, SessionOpened):
            self.day_began = event.at
            marks = {name: brokerage.price(name) for name in self._symbols}
            self.last_prices = {n: mark for n, mark in marks.items() if mark is not None}
        happened = brokerage.step(event)
        if isinstance(event, SplitApplied) and event.split.instrument in self.last_prices:
            ratio = event.split.ratio
            self.last_prices[event.split.instrument] *= Decimal(ratio.denominator)
            self.last_prices[event.split.instrument] /= Decimal(ratio.numerator)
        if isinstance(event, SessionOpened):
            for ticket in list(self.open_tickets()):
                if ticket.status == "accepted":
                    self._route(ticket)
        for order_event in happened:
            self._happen(order_event)
        if isinstance(event, SessionClosed):
            self.last_equity = brokerage.equity()

    def _happen(self, event: OrderEvent) -> None:
        ticket = self.tickets[event.order]
        match event:
            case Filled():
                self._fill(ticket, event)
            case Canceled():
                ticket.move("canceled", event.at)
                self._publish("canceled", ticket)
            case Expired():
                ticket.move("expired", event.at)
                self._publish("expired", ticket)
            case _:
                # The venue's own acceptance is no news to the client: its answer said so.
                ticket.updated_at = event.at

    def _fill(self, ticket: Ticket, event: Filled) -> None:
        fill = event.fill
        ticket.fill(fill.quantity, fill.price, event.at)
        kind = "fill" if ticket.status == "filled" else "partial_fill"
        execution = identifier("execution", self.account, fill.id)
        local = event.at.astimezone(NEW_YORK)
        self.executions.append(
            {
                "activity_type": "FILL",
                "id": f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{execution}",
                "order_id": ticket.id,
                "symbol": ticket.symbol,
                "side": fill.side.value,
                "qty": number(fill.quantity),
                "price": number(fill.price),
                "cum_qty": number(ticket.filled),
                "leaves_qty": number(ticket.order.quantity - ticket.filled),
                "order_status": ticket.status,
                "transaction_time": moment(event.at),
                "type": kind,
            }
        )
        self._publish(
            kind,
            ticket,
            execution_id=execution,
            price=number(fill.price),
            qty=number(fill.quantity),
            position_qty=number(self._held(fill.instrument)),
        )

    def _route(self, ticket: Ticket) -> None:
        ticket.move("new", self.now)
        self._publish("new", ticket)

    def _publish(self, event: str, ticket: Ticket, **facts: str) -> None:
        self.published += 1
        at = moment(ticket.updated_at)
        data: Update = {"event": event, "timestamp": at, "at": at, **facts}
        data["order"] = ticket.streamed()
        for queue in self._listeners:
            queue.put_nowait({"stream": "trade_updates", "data": data})

    def _held(self, instrument: InstrumentId) -> Decimal:
        return self.brokerage.ledger.quantities.get(instrument, ZERO)

    def _order_id(self, client_id: str) -> str:
        # A refused attempt leaves its id behind in the brokerage; the next one gets another.
        attempt = 0
        while True:
            order = identifier("order", self.account, client_id, str(attempt))
            if OrderId(order) not in self.brokerage.orders:
                return order
            attempt += 1

    def _not_used(self, client_id: str) -> None:
        first = self._by_client.get(client_id)
        if first is not None:
            code = NOT_TRADABLE if first.is_open else BROKEN_RULE
            raise Refused(UNPROCESSABLE, code, "client_order_id must be unique")

    def _keeps_to_holdings(self, request: Request, held: Decimal) -> None:
        if held * request.side.sign < 0:
            existing = abs(held)
            reserved = self.reserved(request.instrument, request.side)
            available = max(existing - reserved, ZERO)
            if request.quantity > available:
                asked = f"requested: {number(request.quantity)}, available: {number(available)}"
                raise Refused(
                    FORBIDDEN,
                    NOT_ALLOWED,
                    f"insufficient qty available for order ({asked})",
                    available=number(available),
                    existing_qty=number(existing),
                    held_for_orders=number(reserved),
                    symbol=request.symbol,
                )
        elif request.side is Side.SELL and not self.instruments[request.symbol].shortable:
            message = f'asset "{request.symbol}" cannot be sold short'
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)

    def _no_wash(self, request: Request) -> None:
        for ticket in self.open_tickets():
            other = ticket.order
            if other.instrument != request.instrument or other.side is request.side:
                continue
            kinds = {other.kind, request.kind}
            if OrderKind.TRAILING_STOP in kinds:
                continue
            if kinds <= _LIMITED and other.limit is not None and request.limit is not None:
                buy, sell = (
                    (request.limit, other.limit)
                    if request.side is Side.BUY
                    else (other.limit, request.limit)
                )
                if buy < sell:
                    continue
            raise Refused(
                FORBIDDEN,
                NOT_ALLOWED,
                "potential wash trade detected. use complex orders",
                existing_order_id=ticket.id,
                reject_reason="opposite side order exists",
            )

    def _refusal(self, reason: str, request: Request) -> Refused:
        if reason == "insufficient buying power":
            mark = self.brokerage.price(request.instrument) or ZERO
            worth = request.quantity * (request.limit or request.stop or mark)
            power = number(self.brokerage.buying_power())
            facts = {"buying_power": power, "cost_basis": number(worth)}
            return Refused(FORBIDDEN, NOT_ALLOWED, reason, **facts)
        return Refused(UNPROCESSABLE, NOT_TRADABLE, reason)

    def _expiry(self, request: Request) -> datetime | None:
        if request.time_in_force is TimeInForce.GTC:
            return None
        session = self.brokerage.session
        if session is None or session.close <= self.now:
            try:
                session = self.calendar.next_session(self.now)
            except MissingData:
                return None
        return session.close

    def _known(self, ticket: Ticket | None, identity: str) -> Ticket:
        if ticket is None:
            raise Refused(MISSING, NOT_FOUND, f"order not found for {identity}")
        return ticket
