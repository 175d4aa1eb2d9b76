"""What is told of our orders when the stream breaks, stays mute, repeats and contradicts itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.adapters.alpaca_venue import Venue, opened
from tradewright.adapters.alpaca import AlpacaBroker, Backoff, Manners, Timeouts
from tradewright.core.clock import ManualClock
from tradewright.core.decisions import Approved
from tradewright.core.events import (
    Accepted,
    Canceled,
    CancelRefused,
    Filled,
    OrderEvent,
    Rejected,
    Replaced,
    Reported,
)
from tradewright.core.ids import InstrumentId, OrderId, StrategyId
from tradewright.core.money import Price, Quantity
from tradewright.core.orders import (
    Order,
    OrderKind,
    OrderState,
    OrderStatus,
    Side,
    TimeInForce,
)

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
SOON = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for what is bound to come soon."""
    for _ in range(int(SOON * 200)):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come")


class Desk:
    """Whoever listens: all events in order, and the fold of each order."""

    def __init__(self, broker: AlpacaBroker, venue: Venue) -> None:
        self.broker = broker
        self.venue = venue
        self.seen: list[OrderEvent] = []
        self._changed = asyncio.Condition()

    async def listen(self) -> None:
        async for event in self.broker.events():
            async with self._changed:
                self.seen.append(event)
                self._changed.notify_all()

    async def heard(self, count: int) -> list[OrderEvent]:
        """The events, once there are so many."""
        async with asyncio.timeout(SOON), self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= count)
        await self.settled()
        assert len(self.seen) == count, self.seen
        return self.seen

    async def settled(self) -> None:
        """Nothing is missing, and nothing more comes."""
        await asyncio.sleep(0.05)
        async with asyncio.timeout(SOON):
            await self.broker.connected.wait()
        await asyncio.sleep(0.05)

    async def lose(self) -> None:
        """The connection breaks and comes back; what the venue has not told yet is lost."""
        before = self.broker.connections
        await self.venue.disconnect()
        await until(lambda: self.broker.connections > before)

    def fold(self, name: str) -> OrderState:
        """What an order comes to by what was told of it."""
        state = OrderState(an_order(name).order, OrderStatus.SUBMITTED, AT)
        taken: set[str] = set()
        for event in self.seen:
            if event.order != name:
                continue
            if isinstance(event, Filled):
                if event.fill.id in taken:
                    continue
                taken.add(event.fill.id)
            state = state.apply(event)
        return state


@contextlib.asynccontextmanager
async def a_desk(**timeouts: float) -> AsyncIterator[Desk]:
    async with opened() as (venue, access):
        waits = Timeouts(**{"connect": 1.0, "read": 0.1, "close": 0.2, **timeouts})
        broker = AlpacaBroker(
            access,
            timeouts=waits,
            manners=Manners(
                backoff=Backoff(first=0.02, longest=0.1), retry=Backoff(first=0.001), steady=0.0
            ),
            clock=ManualClock(AT),
        )
        desk = Desk(broker, venue)
        listening = asyncio.create_task(desk.listen())
        try:
            async with asyncio.timeout(SOON):
                await broker.connected.wait()
            yield desk
        finally:
            await broker.close()
            async with asyncio.timeout(SOON):
                await listening


def an_order(name: str, **changes: Any) -> Approved:
    facts: dict[str, Any] = {
        "id": OrderId(name),
        "strategy": StrategyId("s"),
        "instrument": InstrumentId("AAPL"),
        "side": Side.BUY,
        "quantity": Quantity(Decimal(10)),
        "kind": OrderKind.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "decided_at": AT,
        "limit": Price(Decimal(190)),
    }
    return Approved(Order(**{**facts, **changes}), AT, "1", ())


async def test_nothing_is_told_twice_while_all_is_well() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.fill("a", "10")
        await desk.venue.tell_fill("a")
        (filled,) = await desk.heard(1)
        assert isinstance(filled, Filled)
        await desk.lose()
        await desk.settled()
        assert len(desk.seen) == 1


async def test_a_fill_in_the_gap_of_an_order_from_long_ago_is_told() -> None:
    async with a_desk() as desk:
        desk.venue.order("old", submitted_at="2025-10-01T14:30:00Z")
        await desk.venue.tell("new", desk.venue.orders["old"])
        await desk.heard(1)
        desk.venue.fill("old", "4")
        desk.venue.fill("old", "6")
        await desk.lose()
        seen = await desk.heard(3)
        fills = [event for event in seen if isinstance(event, Filled)]
        assert [f.fill.id for f in fills] == ["e-old-4", "e-old-10"]
        assert [f.cumulative for f in fills] == [4, 10]
        assert desk.fold("old").status is OrderStatus.FILLED


async def test_an_end_in_the_gap_is_told_after_its_fills() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.fill("a", "3")
        desk.venue.orders["a"]["status"] = "canceled"
        await desk.lose()
        filled, canceled = await desk.heard(2)
        assert isinstance(filled, Filled)
        assert isinstance(canceled, Canceled)
        state = desk.fold("a")
        assert (state.status, state.filled) == (OrderStatus.CANCELED, Decimal(3))


async def test_an_end_waits_until_its_fills_are_listed() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.fill("a", "3", listed=False)
        desk.venue.orders["a"]["status"] = "expired"
        await desk.lose()
        await asyncio.sleep(0.1)
        assert not desk.seen
        desk.venue.list_fills()
        await desk.heard(2)
        assert desk.fold("a").status is OrderStatus.EXPIRED


async def test_the_gap_is_tried_again_until_the_venue_answers_and_events_go_on() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        await desk.broker.submit(an_order("b"))
        desk.venue.broken = True
        desk.venue.fill("a", "10")
        await desk.lose()
        await asyncio.sleep(0.1)
        await desk.venue.tell("canceled", {**desk.venue.orders["b"], "status": "canceled"})
        await until(lambda: desk.seen)
        assert isinstance(desk.seen[0], Canceled)
        assert not desk.broker.connected.is_set()
        desk.venue.orders["b"]["status"] = "canceled"
        desk.venue.broken = False
        await desk.heard(2)
        assert desk.fold("a").status is OrderStatus.FILLED


async def test_an_event_that_was_lost_without_a_gap_is_told_when_it_is_quiet() -> None:
    async with a_desk(quiet=0.15) as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.fill("a", "10")
        await desk.heard(1)
        assert desk.fold("a").status is OrderStatus.FILLED


async def test_a_stream_that_is_open_and_mute_is_left_for_another() -> None:
    async with a_desk(quiet=0.15) as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.mute = True
        desk.venue.fill("a", "10")
        await until(lambda: desk.venue.handshakes == 2)
        await desk.heard(1)
        await desk.broker.submit(an_order("b"))
        desk.venue.fill("b", "10")
        await desk.venue.tell_fill("b")
        await desk.heard(2)


async def test_a_quiet_stream_without_open_orders_is_not_doubted() -> None:
    async with a_desk(quiet=0.05) as desk:
        asked = len(desk.venue.asked)
        await asyncio.sleep(0.3)
        assert len(desk.venue.asked) == asked
        assert desk.venue.handshakes == 1


async def test_repeated_and_disordered_news_goes_through_and_folds_to_the_truth() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        order = desk.venue.orders["a"]
        before = dict(order)
        desk.venue.fill("a", "4")
        first = dict(order)
        desk.venue.fill("a", "6")
        second = {"execution_id": "e-a-10", "qty": "6", "price": "190"}
        await desk.venue.tell("fill", order, **second)
        await desk.venue.tell("new", before)
        await desk.venue.tell("fill", order, **second)
        await desk.venue.tell("partial_fill", first, execution_id="e-a-4", qty="4", price="190")
        seen = await desk.heard(4)
        assert [type(event) for event in seen] == [Filled, Reported, Filled, Filled]
        state = desk.fold("a")
        assert (state.status, state.filled) == (OrderStatus.FILLED, Decimal(10))
        await desk.lose()
        await desk.settled()
        assert len(desk.seen) == 4


async def test_a_fill_without_an_execution_id_is_not_told_again_under_another() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.fill("a", "4")
        await desk.venue.tell("partial_fill", desk.venue.orders["a"], qty="4", price="190")
        await desk.heard(1)
        await desk.lose()
        await desk.settled()
        assert len(desk.seen) == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"{torn",
        b"\xc1\xff",
        b'{"stream": ["trade_updates"], "data": {}}',
        b'{"stream": "trade_updates", "data": {"event": {"a": 1}, "order": 7}}',
        b'{"stream": "trade_updates", "data": {"event": "fill", "order": {"id": "v-a"}}}',
    ],
)
async def test_poison_is_parked_and_the_stream_goes_on(frame: bytes) -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        await desk.venue.say(frame)
        await desk.venue.tell("pending_cancel", desk.venue.orders["a"])
        await desk.heard(1)
        assert desk.broker.parking.counts.total() == 1
        assert desk.broker.connections == 1


async def test_an_unknown_event_is_parked_and_its_order_is_asked_about() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.fill("a", "10")
        await desk.venue.tell("frozen", desk.venue.orders["a"])
        (filled,) = await desk.heard(1)
        assert isinstance(filled, Filled)
        assert "frozen" in desk.broker.parking.latest[0].reason


async def test_orders_of_others_and_of_before_are_told_once_after_the_start() -> None:
    async with opened() as (venue, access):
        venue.order("manual")
        broker = AlpacaBroker(access, clock=ManualClock(AT), timeouts=Timeouts(close=0.2))
        desk = Desk(broker, venue)
        listening = asyncio.create_task(desk.listen())
        (accepted,) = await desk.heard(1)
        assert accepted == Accepted(
            OrderId("manual"),
            AT,
            desk.broker._blotter.venue_ids[OrderId("manual")],
            reason="found at the venue",
        )
        await broker.close()
        async with asyncio.timeout(SOON):
            await listening


async def test_a_replacement_in_the_gap_ends_the_old_order_and_shows_the_successor() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        desk.venue.orders["a"] |= {"status": "replaced", "replaced_by": "v-b"}
        desk.venue.order("b", replaces="v-a")
        await desk.lose()
        shown, ended = await desk.heard(2)
        assert isinstance(shown, Accepted)
        assert shown.order == "b"
        assert isinstance(ended, Canceled)
        assert ended.order == "a"


async def test_a_replacement_names_our_successor() -> None:
    async with a_desk() as desk:
        old = desk.venue.order("a")
        desk.venue.order("b", replaces="v-a")
        await desk.venue.tell("replaced", {**old, "replaced_by": "v-b"})
        (replaced,) = await desk.heard(1)
        assert isinstance(replaced, Replaced)
        assert replaced.successor == "b"


async def test_the_old_order_fills_first_and_the_replacement_is_refused() -> None:
    async with a_desk() as desk:
        await desk.broker.submit(an_order("a"))
        await desk.broker.submit(an_order("b"))
        old = desk.venue.fill("a", "10")
        await desk.venue.tell("pending_replace", {**old, "filled_qty": "0"})
        await desk.venue.tell_fill("a")
        await desk.venue.tell("order_replace_rejected", old)
        await desk.venue.tell("order_replace_rejected", {**desk.venue.orders["b"], "replaces": "x"})
        seen = await desk.heard(4)
        assert [type(event) for event in seen] == [Reported, Filled, CancelRefused, Rejected]
        assert desk.fold("a").status is OrderStatus.FILLED
        assert desk.fold("b").status is OrderStatus.REJECTED


async def test_stopping_to_listen_ends_everything_behind_it() -> None:
    async with opened() as (_, access):
        broker = AlpacaBroker(access, clock=ManualClock(AT))
        listening = asyncio.create_task(Desk(broker, Venue()).listen())
        await broker.connected.wait()
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not names & {"trade-updates", "gap-fill"}
        await broker.close()
