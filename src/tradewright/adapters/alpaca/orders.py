"""The venue's REST lists of our account, read tolerantly: orders, executions, cash, positions.

A row that cannot be read is parked and the rest of the list is served, except for positions:
leaving one out would be calling it flat, so then the whole answer is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

from tradewright.adapters.alpaca.access import VENUE, Access
from tradewright.adapters.alpaca.answers import Answer, Outcome
from tradewright.adapters.alpaca.blotter import Blotter
from tradewright.adapters.alpaca.budget import Lane
from tradewright.adapters.alpaca.mapping import (
    ORDER_FIELDS,
    FeeRule,
    Symbols,
    execution,
    venue_account,
    venue_order,
)
from tradewright.adapters.alpaca.reading import Json, Parking, as_list, as_object
from tradewright.adapters.alpaca.transport import ATTEMPTS, Request, Transport, unreadable
from tradewright.core.errors import InvalidInput, VenueUnavailable
from tradewright.core.ids import OrderId, VenueOrderId
from tradewright.core.orders import Fill
from tradewright.core.reports import VenueAccount, VenueOrder

_Read = TypeVar("_Read")

_PAGE_OF_ORDERS: Final = 500
_PAGE_OF_FILLS: Final = 100
# Their `after` leaves its own instant out, and ours takes it in.
_INCLUDED: Final = timedelta(milliseconds=1)


class AccountLists:
    """What can be read of one account."""

    def __init__(
        self,
        transport: Transport,
        access: Access,
        *,
        symbols: Symbols,
        fee: FeeRule,
        blotter: Blotter,
        parking: Parking,
    ) -> None:
        """Read by `transport`; ids go to `blotter` and nonsense to `parking`."""
        self._transport = transport
        self._access = access
        self._symbols = symbols
        self._fee = fee
        self._blotter = blotter
        self._parking = parking

    async def find(self, order: OrderId, lane: Lane = Lane.ORDER) -> tuple[VenueOrder, Json] | None:
        """Ask for an order by our id; None means that the venue says it has none."""
        path = "/v2/orders:by_client_order_id"
        return await self._find(Request("GET", path, {"client_order_id": order}, lane=lane))

    async def open_orders(self) -> Sequence[VenueOrder]:
        """List every order that is still working, oldest first."""
        query = {"status": "open", "direction": "asc", "limit": str(_PAGE_OF_ORDERS)}
        found: dict[VenueOrderId, VenueOrder] = {}
        while True:
            rows = await self._rows(Request("GET", "/v2/orders", query))
            for known in self._parking.each("order", rows, self.order):
                found[known.venue_id] = known
            if len(rows) < _PAGE_OF_ORDERS:
                return tuple(found.values())
            query = {**query, "after_order_id": self._next(rows, query.get("after_order_id"))}

    async def fills(self, since: datetime) -> Sequence[tuple[Fill, Decimal]]:
        """List executions from `since` on, oldest first, each with the order's cumulative."""
        after = (since.astimezone(UTC) - _INCLUDED).isoformat()
        query = {"after": after, "direction": "asc", "page_size": str(_PAGE_OF_FILLS)}
        found: list[tuple[Fill, Decimal]] = []
        while True:
            rows = await self._rows(Request("GET", "/v2/account/activities/FILL", query))
            for row in rows:
                order = await self.order_id(VenueOrderId(str(row.get("order_id"))))
                read = partial(self._fill, order)
                found.extend(
                    each for each in self._parking.each("fill", [row], read) if each[0].at >= since
                )
            if len(rows) < _PAGE_OF_FILLS:
                return found
            query = {**query, "page_token": self._next(rows, query.get("page_token"))}

    async def account(self) -> VenueAccount:
        """Read cash and positions together: again, if cash moved while they were read."""
        before = await self.account_body()
        request = Request("GET", "/v2/positions")
        for _ in range(ATTEMPTS):
            answer = self._good(request, await self._transport.insist(request))
            positions = self._mapped(request, answer, partial(as_list, answer.body, "body"))
            after = await self.account_body()
            if after.get("cash") == before.get("cash"):
                read = partial(venue_account, after, positions, self._symbols)
                return self._mapped(request, answer, read)
            before = after
        raise VenueUnavailable(VENUE, "the account kept moving while it was read")

    async def account_body(self, lane: Lane = Lane.POLL) -> Json:
        """Read the account as the venue writes it.

        Raises:
            ConfigError: The keys open another account than the one that was meant.
        """
        request = Request("GET", "/v2/account", lane=lane)
        answer = self._good(request, await self._transport.insist(request))
        body = self._mapped(request, answer, lambda: as_object(answer.body, "body"))
        self._access.require_account(body.get("account_number"))
        return body

    async def order_id(self, venue_id: VenueOrderId) -> OrderId:
        """Return our id of an order of theirs: their own, if they cannot show it."""
        known = self._blotter.order_ids.get(venue_id)
        if known is not None:
            return known
        found = await self._find(Request("GET", f"/v2/orders/{venue_id}", lane=Lane.ORDER))
        # An execution of an order that they cannot show is still an execution.
        return OrderId(venue_id) if found is None else found[0].id

    def order(self, body: Json) -> VenueOrder:
        """Read one order; what is strange about it is told."""
        known = venue_order(body)
        self._parking.strangers("order", body, ORDER_FIELDS)
        if known.status is None:
            self._parking.word("order", known.raw_status, body)
        self._blotter.remember(known.id, known.venue_id)
        return known

    def taken_order(self, request: Request, answer: Answer) -> VenueOrder:
        """Read the order that answers a request about one."""
        return self._mapped(request, answer, lambda: self.order(as_object(answer.body, "body")))

    async def _find(self, request: Request) -> tuple[VenueOrder, Json] | None:
        answer = await self._transport.insist(request)
        if answer.is_missing:
            return None
        return self.taken_order(request, self._good(request, answer)), answer.body

    async def _rows(self, request: Request) -> list[Json]:
        answer = self._good(request, await self._transport.insist(request))
        rows = self._mapped(request, answer, lambda: as_list(answer.body, "body"))
        return self._parking.each("row", rows, lambda row: as_object(row, "row"))

    def _next(self, rows: Sequence[Json], before: str | None) -> str:
        token = str(rows[-1].get("id") or "")
        if not token or token == before:
            raise VenueUnavailable(VENUE, f"a full page ends with the row {token!r}: no way on")
        return token

    def _fill(self, order: OrderId, row: Json) -> tuple[Fill, Decimal]:
        return execution(row, order, self._symbols, self._fee)

    def _good(self, request: Request, answer: Answer) -> Answer:
        if answer.outcome is not Outcome.TAKEN:
            unreadable(request, answer, f"{answer.code}: {answer.message}")
        return answer

    def _mapped(self, request: Request, answer: Answer, read: Callable[[], _Read]) -> _Read:
        try:
            return read()
        except InvalidInput as error:
            self._transport.meter.counts["unreadable"] += 1
            said = f"{request.method} {request.path} answered {answer.status} and cannot be read"
            raise VenueUnavailable(VENUE, f"{said}: {error}", answer.raw) from error
