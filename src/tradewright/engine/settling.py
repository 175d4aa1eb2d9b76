"""Our orders against the venue's: hearing its news, asking about what is unclear, mending.

An attempt without an answer is asked about by its id and never sent again. A venue that does not
answer is left alone until it is due to be asked again; what it did meanwhile is mended then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import LedgerError, RateLimited, VenueError, VenueUnavailable
from tradewright.core.events import Failed
from tradewright.core.orders import OrderStatus
from tradewright.engine.standing import in_turn
from tradewright.execution.reconcile import agrees, repairs

if TYPE_CHECKING:
    from tradewright.core.events import OrderEvent
    from tradewright.core.ids import OrderId
    from tradewright.core.orders import OrderState
    from tradewright.core.reports import VenueOrder
    from tradewright.engine.chronicle import Chronicle, Ports
    from tradewright.engine.standing import Patience, Watch

ATTEMPTED: Final = (OrderStatus.SUBMITTED, OrderStatus.SUBMITTED_UNCONFIRMED)
_LONGEST_POLL: Final = 1.0


class Settling:
    """Keeps the orders of one chronicle in agreement with the venue."""

    def __init__(
        self, chronicle: Chronicle, ports: Ports, watch: Watch, patience: Patience
    ) -> None:
        """Prepare; nothing is heard before `listen`."""
        self.news: asyncio.Queue[OrderEvent] = asyncio.Queue()
        self._chronicle = chronicle
        self._desk = chronicle.engine.desk
        self._broker = ports.broker
        self._clock = ports.clock
        self._watch = watch
        self._patience = patience
        self._listener: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Start to hear what happens to our orders."""
        self._listener = asyncio.create_task(self._listen(), name="broker-events")

    async def stop(self) -> None:
        """Stop hearing."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError, VenueError):
                await self._listener

    async def hear(self) -> None:
        """Believe the news that has arrived."""
        while not self.news.empty():
            await self._chronicle.believe(self.news.get_nowait())
        if self._listener is not None and self._listener.done():
            self._listener.result()

    async def catch_up(self) -> None:
        """Know all that the venue knows of our orders, or that it does not answer.

        Raises:
            LedgerError: The venue denies an order that it had taken.
        """
        await self.hear()
        if self._watch.is_silent:
            return
        try:
            await self._catch_up()
        except VenueUnavailable as lost:
            self._watch.lost(str(lost))

    async def resolve(self, order: OrderId) -> None:
        """Find out whether the venue has an order whose answer was lost."""
        deadline = self._deadline(self._patience.confirm)
        wait, reachable, why = self._patience.poll, False, ""
        while True:
            try:
                known = await self._broker.find(order)
            except RateLimited as limited:
                known, reachable, why = None, False, str(limited)
                await asyncio.sleep(limited.retry_after)
            except VenueError as lost:
                known, reachable, why = None, False, str(lost)
            else:
                reachable = True
            if known is not None:
                await self.mend(self._desk.states[order], known)
                return
            if self._late(deadline):
                break
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_POLL)
        if reachable:
            reason = "the venue does not know it"
            await self._chronicle.believe(Failed(order, self._clock.now(), reason))
        else:
            self._watch.lost(why)
        what = f"{order}: no answer to whether the venue has it"
        self._chronicle.alert("order_unconfirmed", what)

    async def ask_about(self, state: OrderState) -> None:
        """Bring an order that the venue had taken to where the venue says it stands.

        Raises:
            LedgerError: The venue denies it.
            VenueUnavailable: No readable answer.
        """
        await self.mend(state, await self._known(state.order.id))

    async def mend(self, state: OrderState, known: VenueOrder) -> None:
        """Believe what brings our state of an order to the venue's."""
        found = await in_turn(partial(self._broker.fills, self._chronicle.began))
        own = [(fill, count) for fill, count in found if fill.order == state.order.id]
        fee = self._chronicle.engine.fee
        for event in repairs(state, known, own, self._desk.knows_fill, fee):
            await self._chronicle.believe(event)

    async def _catch_up(self) -> None:
        for state in list(self._desk.open.values()):
            if state.status in ATTEMPTED:
                # The venue could not be asked when its answer was lost: ask now.
                await self.resolve(state.order.id)
            if self._watch.is_silent:
                return
        deadline = self._deadline(self._patience.news)
        while True:
            await self.hear()
            behind = await self._behind()
            if not behind:
                return
            if self._late(deadline):
                for state, known in behind:
                    await self.mend(state, known)
                what = f"{len(behind)} orders were mended from the venue's list"
                self._chronicle.alert("news_lost", what)
                return
            with suppress(TimeoutError):
                event = await asyncio.wait_for(self.news.get(), self._patience.poll)
                await self._chronicle.believe(event)

    async def _behind(self) -> list[tuple[OrderState, VenueOrder]]:
        ours = [s for s in self._desk.open.values() if s.status not in ATTEMPTED]
        if not ours:
            return []
        listed = {known.id: known for known in await in_turn(self._broker.open_orders)}
        behind: list[tuple[OrderState, VenueOrder]] = []
        for state in ours:
            known = listed.get(state.order.id) or await self._known(state.order.id)
            if not agrees(state, known):
                behind.append((state, known))
        return behind

    async def _known(self, order: OrderId) -> VenueOrder:
        known = await in_turn(partial(self._broker.find, order))
        if known is None:
            raise LedgerError(f"order {order} is unknown at the venue that took it")
        return known

    async def _listen(self) -> None:
        async for event in self._broker.events():
            self.news.put_nowait(event)

    @staticmethod
    def _deadline(seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds

    @staticmethod
    def _late(deadline: float) -> bool:
        return asyncio.get_running_loop().time() >= deadline
