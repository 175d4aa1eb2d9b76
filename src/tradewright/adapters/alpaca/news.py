"""What happens to our orders, whole: the stream of trade updates, and what it did not tell.

After every connection, after a message that made no sense, and when the stream has been quiet
for long while orders work, the venue's lists are compared with what has been told; what is
missing is told like any other event. The lists are asked beside the stream, never in its way:
a venue that answers no request still has its events heard.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Final

from tradewright.adapters.alpaca.access import Manners, Timeouts
from tradewright.adapters.alpaca.blotter import Blotter
from tradewright.adapters.alpaca.connection import Link
from tradewright.adapters.alpaca.mapping import FeeRule, Symbols, trade_update
from tradewright.adapters.alpaca.orders import AccountLists
from tradewright.adapters.alpaca.reading import Json, Parked
from tradewright.adapters.alpaca.stream import TradeUpdates
from tradewright.core.errors import RateLimited, VenueUnavailable
from tradewright.core.events import OrderEvent, Replaced
from tradewright.core.ids import VenueOrderId
from tradewright.ports import Clock

_OVERLAP: Final = timedelta(seconds=60)
_LOOKS: Final = 5
_Queue = asyncio.Queue[OrderEvent | None]


class OrderNews:
    """Events of our orders over reconnections; `connected` while nothing can be missing."""

    def __init__(
        self,
        updates: TradeUpdates,
        lists: AccountLists,
        blotter: Blotter,
        *,
        symbols: Symbols,
        fee: FeeRule,
        timeouts: Timeouts,
        manners: Manners,
        clock: Clock,
    ) -> None:
        """Prepare; nothing is connected or asked before `events` is read."""
        self.connected = asyncio.Event()
        self._updates = updates
        self._lists = lists
        self._blotter = blotter
        self._symbols = symbols
        self._fee = fee
        self._timeouts = timeouts
        self._backoff = manners.backoff
        self._clock = clock
        self._asked = asyncio.Event()
        self._up = False
        # Nothing up to here can be missing but what is still being mended.
        self._whole_until = clock.now()

    async def events(self) -> AsyncGenerator[OrderEvent, None]:
        """Yield events until the stream is closed.

        Raises:
            ConfigError: The venue does not accept the keys, or no longer does.
        """
        told: _Queue = asyncio.Queue()
        hearing = asyncio.create_task(_then_end(told, self._hear(told)), name="trade-updates")
        mending = asyncio.create_task(_then_end(told, self._mend(told)), name="gap-fill")
        try:
            while (event := await told.get()) is not None:
                yield event
            # A stream that was closed has ended well, whatever that cut short.
            (hearing if hearing.done() else mending).result()
        finally:
            self.connected.clear()
            for task in (hearing, mending):
                task.cancel()
            await asyncio.gather(hearing, mending, return_exceptions=True)

    async def _hear(self, told: _Queue) -> None:
        async with contextlib.aclosing(self._updates.messages()) as messages:
            async for message in messages:
                if isinstance(message, Link):
                    self._turned(message)
                    continue
                event = await self._read(message)
                if event is not None:
                    told.put_nowait(event)

    def _turned(self, link: Link) -> None:
        self._up = link is Link.UP
        if self._up:
            self._asked.set()
        else:
            self.connected.clear()

    async def _read(self, data: Json) -> OrderEvent | None:
        event = trade_update(data, self._symbols, self._fee)
        if isinstance(event, Parked):
            self._updates.parking.park("trade update", event)
            # Whatever it meant, the lists know where the order stands.
            self._asked.set()
            return None
        if isinstance(event, Replaced):
            event = await self._with_our_successor(event)
        self._blotter.heard(event, ended=data.get("event") == "fill")
        return event

    async def _with_our_successor(self, event: Replaced) -> Replaced:
        # Their message names the successor by their id; an id of ours is asked for.
        try:
            successor = await self._lists.order_id(VenueOrderId(event.successor))
        except (VenueUnavailable, RateLimited):
            return event
        return Replaced(event.order, event.at, successor, event.venue_id)

    async def _mend(self, told: _Queue) -> None:
        looks = 0
        while True:
            heard = self._updates.received
            asked = await self._is_asked()
            if not asked and not self._is_suspicious(heard):
                continue
            self._asked.clear()
            began, connection = self._clock.now(), self._updates.connection.connections
            wait = 0.0
            try:
                events, whole = await self._missed()
            except (VenueUnavailable, RateLimited) as error:
                events, whole = (), False
                wait = error.retry_after if isinstance(error, RateLimited) else 0.0
                self._updates.connection.last_error = f"the gap is not mended: {error}"
            else:
                looks += 1
            for event in events:
                told.put_nowait(event)
            if not whole and looks < _LOOKS:
                await asyncio.sleep(max(wait, self._backoff.delay(looks)))
                self._asked.set()
                continue
            if not whole:
                self._updates.parking.park("gap", Parked("an order's executions are missing", {}))
            looks = 0
            self._whole_until = max(self._whole_until, began)
            if self._up and connection == self._updates.connection.connections:
                self.connected.set()
            if events and not asked:
                await self._doubt()
            # However often it is asked for, the lists are not read without a pause.
            await asyncio.sleep(self._backoff.delay(0))

    async def _is_asked(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeouts.quiet):
                return await self._asked.wait()
        return False

    def _is_suspicious(self, heard: int) -> bool:
        return self._up and heard == self._updates.received and bool(self._blotter.open)

    async def _missed(self) -> tuple[Sequence[OrderEvent], bool]:
        working = await self._lists.open_orders()
        listed = {known.id for known in working}
        gone = []
        for order in self._blotter.open:
            found = None if order in listed else await self._lists.find(order)
            if found is not None:
                gone.append(found[0])
        fills = await self._lists.fills(self._whole_until - _OVERLAP)
        return self._blotter.news(working, gone, fills)

    async def _doubt(self) -> None:
        # The lists knew more than a quiet stream: if it stays quiet, it is mute.
        heard = self._updates.received
        await asyncio.sleep(self._timeouts.read)
        if self._up and heard == self._updates.received:
            self._updates.connection.drop("the stream is open and mute")


async def _then_end(told: _Queue, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    finally:
        told.put_nowait(None)
