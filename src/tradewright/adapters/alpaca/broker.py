"""Alpaca as a Broker: one request an order, no guessing about lost answers, no gap unmended.

Orders leave once (see `transport`). What happens to them comes by the stream of trade updates,
and whenever that has been down, or silent for long, the venue's lists are compared with what we
were told: what was missed becomes events like any other. A reader would get wrong that `connected`
is not the socket's: it is set once the stream listens *and* the gap before it has been mended.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal

import httpx

from tradewright.adapters.alpaca.access import VENUE, Access, Manners, Timeouts
from tradewright.adapters.alpaca.answers import NOT_FOUND, Outcome
from tradewright.adapters.alpaca.blotter import Blotter
from tradewright.adapters.alpaca.budget import Lane
from tradewright.adapters.alpaca.mapping import (
    FeeRule,
    Symbols,
    blocks_of,
    no_fee,
    order_request,
    replace_request,
)
from tradewright.adapters.alpaca.news import OrderNews
from tradewright.adapters.alpaca.orders import AccountLists
from tradewright.adapters.alpaca.reading import Json, Parking
from tradewright.adapters.alpaca.reference import AlpacaReference
from tradewright.adapters.alpaca.stream import TradeUpdates
from tradewright.adapters.alpaca.transport import Request, Transport, unreadable
from tradewright.core.clock import SystemClock
from tradewright.core.decisions import Approved
from tradewright.core.errors import VenueRejected
from tradewright.core.events import Accepted, OrderEvent, Rejected
from tradewright.core.ids import OrderId
from tradewright.core.orders import Fill, Order, OrderStatus
from tradewright.core.reports import VenueAccount, VenueOrder, VenueStanding
from tradewright.ports import Clock


class AlpacaBroker:
    """The account behind one key, over REST and the stream of trade updates.

    `connected` is set while no event can be missing; until then trading is on old news.
    `parking` keeps what could not be read, and `transport` counts outcomes in its meter.
    """

    def __init__(
        self,
        access: Access,
        symbols: Symbols | None = None,
        *,
        fee: FeeRule = no_fee,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        parking: Parking | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is sent yet. `transport` replaces the network below HTTP."""
        waits, conduct = timeouts or Timeouts(), manners or Manners()
        names = symbols or Symbols()
        self.parking = parking or Parking()
        self.transport = Transport(
            access, timeouts=waits, manners=conduct, clock=clock, network=transport
        )
        self._clock = clock or SystemClock()
        self._symbols = names
        self._blotter = Blotter()
        self._lists = AccountLists(
            self.transport,
            access,
            symbols=names,
            fee=fee,
            blotter=self._blotter,
            parking=self.parking,
        )
        self._updates = TradeUpdates(
            access, timeouts=waits, manners=conduct, clock=clock, parking=self.parking
        )
        self._news = OrderNews(
            self._updates,
            self._lists,
            self._blotter,
            symbols=names,
            fee=fee,
            timeouts=waits,
            manners=conduct,
            clock=self._clock,
        )
        self.connected = self._news.connected
        self.reference = AlpacaReference(self.transport, self._clock, parking=self.parking)
        self._unproven = bool(access.account)

    @property
    def connections(self) -> int:
        """How many times the stream has come to listen."""
        return self._updates.connection.connections

    @property
    def received(self) -> int:
        """How many trade updates have arrived."""
        return self._updates.received

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        """Send an approved order, once; see the port for what is raised.

        Raises:
            ConfigError: The keys are refused, or open another account than was meant.
        """
        order = approved.order
        await self._prove_account(_lane(order))
        body = order_request(order, self._symbols.symbol(order.instrument))
        return await self._place(Request("POST", "/v2/orders", body=body, lane=_lane(order)), order)

    async def replace(self, order: OrderId, successor: Approved) -> Accepted | Rejected:
        """Put another order in an order's place; see the port for what is raised."""
        found = await self._lists.find(order)
        if found is None:
            raise VenueRejected(VENUE, str(NOT_FOUND), f"order not found for {order}")
        known, body = found
        objection = self._objection(known, body, successor.order)
        if objection:
            return Rejected(successor.order.id, self._clock.now(), objection)
        asked = Request(
            "PATCH",
            f"/v2/orders/{known.venue_id}",
            body=replace_request(successor.order),
            lane=_lane(successor.order),
        )
        return await self._place(asked, successor.order)

    async def cancel(self, order: OrderId) -> None:
        """Ask to cancel, again if the connection breaks; the outcome arrives as an event."""
        venue_id = self._blotter.venue_ids.get(order)
        if venue_id is None:
            found = await self._lists.find(order, Lane.EXIT)
            if found is None:
                raise VenueRejected(VENUE, str(NOT_FOUND), f"order not found for {order}")
            if _has_ended(found[0]):
                return
            venue_id = found[0].venue_id
        asked = Request("DELETE", f"/v2/orders/{venue_id}", lane=Lane.EXIT)
        answer = await self.transport.insist(asked)
        if answer.outcome is Outcome.TAKEN:
            return
        found = await self._lists.find(order, Lane.EXIT)
        if found is None or not _has_ended(found[0]):
            raise VenueRejected(VENUE, answer.code, answer.message)

    async def find(self, order: OrderId) -> VenueOrder | None:
        """Ask for an order by our id; None means that the venue says it has none."""
        found = await self._lists.find(order)
        return None if found is None else found[0]

    async def open_orders(self) -> Sequence[VenueOrder]:
        """List every order that is still working, oldest first."""
        return await self._lists.open_orders()

    async def fills(self, since: datetime) -> Sequence[tuple[Fill, Decimal]]:
        """List executions from `since` on, oldest first, each with the order's cumulative."""
        return await self._lists.fills(since)

    async def account(self) -> VenueAccount:
        """Read cash and positions together; a position that cannot be read is not flat."""
        account = await self._lists.account()
        self._unproven = False
        return account

    async def standing(self) -> VenueStanding:
        """Ask whether the account may trade, and for the venue's clock."""
        body = await self._lists.account_body()
        self._unproven = False
        clock = await self.reference.clock()
        return VenueStanding(", ".join(blocks_of(body)), clock.skew_seconds)

    async def events(self) -> AsyncIterator[OrderEvent]:
        """Yield what happens to our orders, over reconnections, until `close`."""
        async with contextlib.aclosing(self._news.events()) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """Let go of the stream and of the connections."""
        await self._updates.close()
        await self.transport.close()

    async def _place(self, asked: Request, order: Order) -> Accepted | Rejected:
        answer = await self.transport.send(asked)
        if answer.outcome is Outcome.TAKEN:
            known = self._lists.taken_order(asked, answer)
            if known.id != order.id:
                unreadable(asked, answer, f"it is about order {known.id}, asked {order.id}")
            return self._taken(known, order)
        if answer.is_duplicate:
            earlier = await self._lists.find(order.id, asked.lane)
            if earlier is None:
                unreadable(asked, answer, "the id is used, but its order is not found")
            return self._taken(earlier[0], order)
        return Rejected(order.id, self._clock.now(), f"{answer.code}: {answer.message}")

    def _taken(self, known: VenueOrder, order: Order) -> Accepted | Rejected:
        self._blotter.submitted(known, order.quantity)
        if known.status is OrderStatus.REJECTED:
            reason = known.reason or "rejected by the venue"
            return Rejected(known.id, known.updated_at, reason, known.venue_id)
        return Accepted(known.id, known.updated_at, known.venue_id)

    def _objection(self, known: VenueOrder, body: Json, successor: Order) -> str:
        if _has_ended(known):
            return f"cannot replace: order is {known.raw_status}"
        if known.filled:
            # Whether their `qty` is then a total or a remainder is not told anywhere.
            return f"cannot replace: {known.filled} are filled already; cancel it instead"
        theirs = (body.get("symbol"), body.get("side"), body.get("type"))
        ours = (self._symbols.symbol(successor.instrument), successor.side, successor.kind)
        if theirs != ours:
            return f"cannot replace: instrument, side and kind stay {theirs}"
        return ""

    async def _prove_account(self, lane: Lane) -> None:
        if self._unproven:
            await self._lists.account_body(lane)
            self._unproven = False


def _lane(order: Order) -> Lane:
    return Lane.EXIT if order.reduce_only else Lane.ORDER


def _has_ended(known: VenueOrder) -> bool:
    return known.status is not None and known.status.is_terminal
