"""Alpaca as a Broker: one request a call, and no guessing about lost answers.

A POST is sent once and never again: without a readable answer the venue may or may not have
the order, and that is what VenueUnavailable says. Their SDK sends it again after a 504; that is
why it is not used here. GETs change nothing and are tried three times when a connection breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

import httpx

from tradewright.adapters.alpaca.mapping import (
    FeeRule,
    Json,
    Parked,
    Symbols,
    as_list,
    as_object,
    execution,
    loads,
    no_fee,
    order_request,
    trade_update,
    venue_account,
    venue_order,
)
from tradewright.adapters.alpaca.stream import VENUE, Access, Backoff, Timeouts, TradeUpdates
from tradewright.core.clock import SystemClock
from tradewright.core.decisions import Approved
from tradewright.core.errors import InvalidInput, RateLimited, VenueRejected, VenueUnavailable
from tradewright.core.events import Accepted, OrderEvent, Rejected, Replaced
from tradewright.core.ids import OrderId, VenueOrderId
from tradewright.core.orders import Fill, OrderStatus
from tradewright.core.reports import VenueAccount, VenueOrder
from tradewright.ports import Clock

_Read = TypeVar("_Read")

OK: Final = 200
NO_CONTENT: Final = 204
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
UNPROCESSABLE: Final = 422
TOO_MANY: Final = 429
MUST_BE_UNIQUE: Final = "client_order_id must be unique"

_REFUSALS: Final = frozenset({400, FORBIDDEN, NOT_FOUND, UNPROCESSABLE})
_PAGE_OF_ORDERS: Final = 500
_PAGE_OF_FILLS: Final = 100
_ATTEMPTS: Final = 3
_RETRY: Final = Backoff(first=0.1, longest=1.0)
# The vendor's limit is by the minute; without word from it, a few seconds are a fair guess.
_WAIT_SECONDS: Final = 3.0
_LONGEST_WAIT_SECONDS: Final = 120.0
_BROKEN: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class AlpacaBroker:
    """The account behind one key, over REST and the stream of trade updates.

    `connected` is set while the stream listens and `connections` counts how often it came to:
    each time, what happened before must be asked for with `find` and `fills`.
    """

    def __init__(
        self,
        access: Access,
        symbols: Symbols | None = None,
        *,
        fee: FeeRule = no_fee,
        timeouts: Timeouts | None = None,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is sent yet. `transport` replaces the network below HTTP."""
        waits = timeouts or Timeouts()
        self._symbols = symbols or Symbols()
        self._fee = fee
        self._access = access
        self._clock = clock or SystemClock()
        self._client = httpx.AsyncClient(
            base_url=access.base_url,
            headers={"APCA-API-KEY-ID": access.key, "APCA-API-SECRET-KEY": access.secret},
            timeout=httpx.Timeout(
                connect=waits.connect, read=waits.read, write=waits.write, pool=waits.pool
            ),
            transport=transport,
            trust_env=False,
        )
        self._updates = TradeUpdates(access, timeouts=waits, backoff=backoff)
        self._venue_ids: dict[OrderId, VenueOrderId] = {}
        self._order_ids: dict[VenueOrderId, OrderId] = {}

    @property
    def connected(self) -> asyncio.Event:
        """Set while the stream is listening."""
        return self._updates.connected

    @property
    def connections(self) -> int:
        """How many times the stream has come to listen."""
        return self._updates.connections

    @property
    def received(self) -> int:
        """How many trade updates have arrived."""
        return self._updates.received

    @property
    def parked(self) -> Sequence[Parked]:
        """The latest messages that meant nothing to us, for people to look at."""
        return tuple(self._updates.parked)

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        """Send an approved order, once; see the port for what is raised."""
        order = approved.order
        body = order_request(order, self._symbols.symbol(order.instrument))
        answer = await self._send("POST", "/v2/orders", json=body)
        if answer.status_code == OK:
            known = self._read(answer, venue_order)
            if known.id != order.id:
                self._unreadable(answer, f"answered about order {known.id}, asked {order.id}")
            return self._taken(known)
        if answer.status_code not in _REFUSALS:
            self._unexpected(answer)
        code, message = self._refusal(answer)
        if answer.status_code == UNPROCESSABLE and MUST_BE_UNIQUE in message:
            earlier = await self.find(order.id)
            if earlier is None:
                self._unreadable(answer, "the id is used, but its order is not found")
            return self._taken(earlier)
        return Rejected(order.id, self._clock.now(), f"{code}: {message}")

    async def cancel(self, order: OrderId) -> None:
        """Ask to cancel; the outcome arrives as an event."""
        venue_id = self._venue_ids.get(order)
        if venue_id is None:
            known = await self.find(order)
            if known is None:
                raise VenueRejected(VENUE, str(NOT_FOUND), f"order not found for {order}")
            if _has_ended(known):
                return
            venue_id = known.venue_id
        answer = await self._send("DELETE", f"/v2/orders/{venue_id}")
        if answer.status_code in {OK, NO_CONTENT}:
            return
        if answer.status_code not in _REFUSALS:
            self._unexpected(answer)
        code, message = self._refusal(answer)
        known = await self.find(order)
        if known is None or not _has_ended(known):
            raise VenueRejected(VENUE, code, message)

    async def find(self, order: OrderId) -> VenueOrder | None:
        """Ask for an order by our id; None means that the venue says it has none."""
        path = "/v2/orders:by_client_order_id"
        answer = await self._get(path, {"client_order_id": order})
        if answer.status_code == NOT_FOUND:
            self._refusal(answer)
            return None
        return self._remembered(self._read(self._good(answer), venue_order))

    async def open_orders(self) -> Sequence[VenueOrder]:
        """List every order that is still working, oldest first."""
        query = {"status": "open", "direction": "asc", "limit": str(_PAGE_OF_ORDERS)}
        found: dict[VenueOrderId, VenueOrder] = {}
        while True:
            answer = self._good(await self._get("/v2/orders", query))
            page = self._read_all(answer, venue_order)
            found.update((order.venue_id, self._remembered(order)) for order in page)
            if len(page) < _PAGE_OF_ORDERS:
                return tuple(found.values())
            query = {**query, "after_order_id": page[-1].venue_id}

    async def fills(self, since: datetime) -> Sequence[tuple[Fill, Decimal]]:
        """List executions from `since` on, oldest first, each with the order's cumulative."""
        # Their `after` leaves its own instant out, and ours takes it in.
        after = (since.astimezone(UTC) - timedelta(milliseconds=1)).isoformat()
        query = {"after": after, "direction": "asc", "page_size": str(_PAGE_OF_FILLS)}
        found: list[tuple[Fill, Decimal]] = []
        while True:
            answer = self._good(await self._get("/v2/account/activities/FILL", query))
            rows = self._read_all(answer, dict)
            for row in rows:
                order = await self._order_id(VenueOrderId(str(row.get("order_id"))))
                fill, cumulative = self._mapped(answer, partial(self._fill, row, order))
                if fill.at >= since:
                    found.append((fill, cumulative))
            if len(rows) < _PAGE_OF_FILLS:
                return found
            query = {**query, "page_token": str(rows[-1].get("id"))}

    async def account(self) -> VenueAccount:
        """Read cash and positions together: again, if cash moved while they were read."""
        before = await self._account()
        for _ in range(_ATTEMPTS):
            answer = self._good(await self._get("/v2/positions"))
            positions = self._read_all(answer, dict)
            after = await self._account()
            if after.get("cash") == before.get("cash"):
                read = partial(venue_account, after, positions, self._symbols)
                return self._mapped(answer, read)
            before = after
        raise VenueUnavailable(VENUE, "the account kept moving while it was read")

    async def events(self) -> AsyncIterator[OrderEvent]:
        """Yield what happens to our orders, over reconnections, until `close`."""
        async with contextlib.aclosing(self._updates.messages()) as messages:
            async for data in messages:
                event = trade_update(data, self._symbols, self._fee)
                if isinstance(event, Parked):
                    self._updates.parked.append(event)
                    continue
                yield await self._with_our_ids(event)

    async def close(self) -> None:
        """Let go of the stream and of the connections."""
        await self._updates.close()
        await self._client.aclose()

    def _taken(self, known: VenueOrder) -> Accepted | Rejected:
        self._remembered(known)
        if known.status is OrderStatus.REJECTED:
            reason = known.reason or "rejected by the venue"
            return Rejected(known.id, known.updated_at, reason, known.venue_id)
        return Accepted(known.id, known.updated_at, known.venue_id)

    def _remembered(self, known: VenueOrder) -> VenueOrder:
        self._venue_ids[known.id] = known.venue_id
        self._order_ids[known.venue_id] = known.id
        return known

    def _fill(self, row: Json, order: OrderId) -> tuple[Fill, Decimal]:
        return execution(row, order, self._symbols, self._fee)

    async def _account(self) -> Json:
        return self._read(self._good(await self._get("/v2/account")), dict)

    async def _with_our_ids(self, event: OrderEvent) -> OrderEvent:
        if event.venue_id is not None:
            self._venue_ids[event.order] = event.venue_id
            self._order_ids[event.venue_id] = event.order
        if not isinstance(event, Replaced):
            return event
        # Their message names the successor by their id; an id of ours is asked for.
        try:
            successor = await self._order_id(VenueOrderId(event.successor))
        except (VenueUnavailable, RateLimited):
            return event
        return Replaced(event.order, event.at, successor, event.venue_id)

    async def _order_id(self, venue_id: VenueOrderId) -> OrderId:
        if venue_id not in self._order_ids:
            answer = await self._get(f"/v2/orders/{venue_id}")
            if answer.status_code == NOT_FOUND:
                self._refusal(answer)
                # An execution of an order that they cannot show is still an execution.
                return OrderId(venue_id)
            self._remembered(self._read(self._good(answer), venue_order))
        return self._order_ids[venue_id]

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return await self._send("GET", path, params=query)
            except VenueUnavailable as error:
                if not isinstance(error.__cause__, _BROKEN):
                    raise
            await asyncio.sleep(_RETRY.delay(attempt))
        return await self._send("GET", path, params=query)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, params=params, json=json)
        except (httpx.HTTPError, httpx.StreamError) as error:
            what = f"{method} {path}: {type(error).__name__} {error}".rstrip()
            raise VenueUnavailable(VENUE, what) from error
        if answer.status_code == TOO_MANY:
            raise RateLimited(VENUE, self._wait(answer))
        if answer.status_code == UNAUTHORIZED:
            raise self._access.refused()
        return answer

    def _wait(self, answer: httpx.Response) -> float:
        seconds = _number(answer.headers.get("Retry-After"))
        reset = _number(answer.headers.get("X-RateLimit-Reset"))
        if seconds is None and reset is not None:
            seconds = reset - self._clock.now().timestamp() + 1
        if seconds is None:
            return _WAIT_SECONDS
        return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)

    def _good(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code != OK:
            self._unexpected(answer)
        return answer

    def _read(self, answer: httpx.Response, read: Callable[[Json], _Read]) -> _Read:
        return self._mapped(answer, lambda: read(as_object(loads(answer.content), "body")))

    def _read_all(self, answer: httpx.Response, read: Callable[[Json], _Read]) -> list[_Read]:
        def rows() -> list[_Read]:
            return [read(as_object(r, "row")) for r in as_list(loads(answer.content), "body")]

        return self._mapped(answer, rows)

    def _mapped(self, answer: httpx.Response, read: Callable[[], _Read]) -> _Read:
        try:
            return read()
        except InvalidInput as error:
            what = f"{_asked(answer)} cannot be read: {error}"
            raise VenueUnavailable(VENUE, what) from error

    def _refusal(self, answer: httpx.Response) -> tuple[str, str]:
        # A page of HTML is some proxy's word, not the venue's.
        body: Mapping[str, Any] = self._read(answer, dict)
        message = body.get("message")
        if not isinstance(message, str):
            self._unreadable(answer, "the refusal has no message")
        return str(body.get("code") or answer.status_code), message

    def _unexpected(self, answer: httpx.Response) -> NoReturn:
        self._unreadable(answer, answer.text[:200])

    def _unreadable(self, answer: httpx.Response, what: str) -> NoReturn:
        raise VenueUnavailable(VENUE, f"{_asked(answer)}: {what}")


def _asked(answer: httpx.Response) -> str:
    request = answer.request
    return f"{request.method} {request.url.path} answered {answer.status_code}"


def _has_ended(known: VenueOrder) -> bool:
    return known.status is not None and known.status.is_terminal


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
