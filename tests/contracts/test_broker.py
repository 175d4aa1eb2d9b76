"""What every Broker promises: in memory, and over HTTP to the exchange in a server of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import httpx
import pytest

from tests.unit.exchange.builders import (
    CASH,
    FREE,
    KEY,
    SECRET,
    TRADED,
    a_market,
    an_exchange,
    closed,
    opened,
    served,
)
from tradewright.adapters.alpaca import Access, AlpacaBroker, Timeouts
from tradewright.adapters.memory import MemoryBroker
from tradewright.adapters.rehearsal import RehearsalFeed
from tradewright.backtest.replay import Replay
from tradewright.core.clock import ManualClock
from tradewright.core.decisions import Approved
from tradewright.core.errors import VenueRejected, VenueUnavailable
from tradewright.core.events import (
    Accepted,
    BarOpened,
    Canceled,
    Event,
    Expired,
    Filled,
    OrderEvent,
    Rejected,
    Replaced,
)
from tradewright.core.ids import InstrumentId, OrderId, StrategyId
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import Order, OrderKind, OrderStatus, Side, TimeInForce
from tradewright.core.reports import VenueStanding
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, PerShare, TradingCosts
from tradewright.ports import Broker

THIN = VenueModel(
    TradingCosts(NoCommission(), BasisPoints(Decimal(0))), volume_share=Decimal("0.1")
)
DEAR = VenueModel(TradingCosts(PerShare(), BasisPoints(Decimal(2))), volume_share=Decimal("0.1"))
KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
SOON = 5.0


def fee(
    _order: OrderId,
    before: Decimal,
    quantity: Quantity,
    price: Price,
    side: Side,
    at: datetime,
) -> Money:
    """The fee that the dear model charges, for a venue whose messages carry none."""
    return Money(PerShare().fee(before, quantity, price, side, at))


class Rig(Protocol):
    """A broker and the hand that moves its market; `seen` is all its events so far."""

    seen: list[OrderEvent]
    news: asyncio.Event

    @property
    def broker(self) -> Broker: ...

    async def advance(self, to: datetime) -> None: ...


class MemoryRig:
    def __init__(self, model: VenueModel, leverage: Decimal) -> None:
        data = a_market()
        self.clock = ManualClock(closed(0))
        brokerage = SimulatedBrokerage(
            data.frame,
            data.instruments,
            model=model,
            cash=CASH,
            leverage=leverage,
            at=closed(0),
            row=0,
        )
        self.broker = MemoryBroker(brokerage, self.clock)
        self.seen: list[OrderEvent] = []
        self.news = asyncio.Event()
        self._events: list[Event] = list(Replay(data.frame, (), first=1, stop=5))

    async def advance(self, to: datetime) -> None:
        while self._events and self._events[0].at <= to:
            event = self._events.pop(0)
            self.clock.set(event.at)
            self.broker.step(event)
        self.clock.set(to)


class AlpacaRig:
    def __init__(self, broker: AlpacaBroker, address: str, clock: ManualClock) -> None:
        self.broker = broker
        self.seen: list[OrderEvent] = []
        self.news = asyncio.Event()
        self._address = address
        self._clock = clock

    async def advance(self, to: datetime) -> None:
        async with httpx.AsyncClient(headers=KEYS, trust_env=False) as client:
            address = f"{self._address}/rehearsal/advance"
            answer = await client.post(address, json={"to": to.isoformat()})
            published = answer.raise_for_status().json()["events"]
        self._clock.set(to)
        async with asyncio.timeout(SOON):
            while self.broker.received < published:
                self.news.clear()
                await self.news.wait()


async def _watch(rig: Rig) -> None:
    async for event in rig.broker.events():
        rig.seen.append(event)
        rig.news.set()


@contextlib.asynccontextmanager
async def opened_rig(
    kind: str, model: VenueModel, leverage: Decimal = Decimal(1)
) -> AsyncIterator[Rig]:
    with contextlib.ExitStack() as servers:
        rig: Rig
        if kind == "memory":
            rig = MemoryRig(model, leverage)
        else:
            server = servers.enter_context(served(an_exchange(model=model, leverage=leverage)))
            clock = ManualClock(closed(0))
            waits = Timeouts(connect=1, read=5, close=0.2)
            access = Access(server.url, KEY, SECRET)
            alpaca = AlpacaBroker(access, fee=fee, timeouts=waits, clock=clock)
            rig = AlpacaRig(alpaca, server.url, clock)
        watching = asyncio.create_task(_watch(rig))
        if isinstance(rig.broker, AlpacaBroker):
            await asyncio.wait_for(rig.broker.connected.wait(), SOON)
        try:
            yield rig
        finally:
            await rig.broker.close()
            # A closed broker has no more events: its reader ends by itself.
            await asyncio.wait_for(watching, SOON)


@pytest.fixture(params=["memory", "alpaca"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def rig(kind: str) -> AsyncIterator[Rig]:
    async with opened_rig(kind, FREE) as opened_one:
        yield opened_one


def approved(name: str = "first", **changes: Any) -> Approved:
    facts: dict[str, Any] = {
        "id": OrderId(name),
        "strategy": StrategyId("s"),
        "instrument": InstrumentId("AAA"),
        "side": Side.BUY,
        "quantity": Quantity(Decimal(10)),
        "kind": OrderKind.MARKET,
        "time_in_force": TimeInForce.DAY,
        "decided_at": closed(0),
    }
    return Approved(Order(**{**facts, **changes}), closed(0), "1", ())


def limit(name: str, price: str, **changes: Any) -> Approved:
    return approved(name, kind=OrderKind.LIMIT, limit=Price(Decimal(price)), **changes)


async def told(rig: Rig, *kinds: type) -> list[Any]:
    """The events of these kinds, once everything under way has arrived."""
    for _ in range(10):
        await asyncio.sleep(0)
    return [event for event in rig.seen if isinstance(event, kinds)]


async def test_an_order_is_accepted_found_and_open(rig: Rig) -> None:
    accepted = await rig.broker.submit(approved())
    assert isinstance(accepted, Accepted)
    assert (accepted.order, accepted.at) == ("first", closed(0))
    found = await rig.broker.find(OrderId("first"))
    assert found is not None
    assert found.venue_id == accepted.venue_id
    assert (found.status, found.filled) == (OrderStatus.ACCEPTED, Decimal(0))
    assert [order.id for order in await rig.broker.open_orders()] == ["first"]


async def test_the_same_order_again_is_the_same_order(rig: Rig) -> None:
    first = await rig.broker.submit(approved())
    again = await rig.broker.submit(approved())
    assert isinstance(again, Accepted)
    assert again.venue_id == first.venue_id
    await rig.advance(closed(1))
    late = await rig.broker.submit(approved())
    assert isinstance(late, Accepted)
    assert late.venue_id == first.venue_id
    assert len(await told(rig, Filled)) == 1
    assert (await rig.broker.account()).positions == {"AAA": 10}


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (approved(quantity=Quantity(Decimal(100_000))), "insufficient buying power"),
        (approved(instrument=InstrumentId("ZZZ")), 'asset "ZZZ" not found'),
        (limit("first", "100.001"), "sub-penny increment"),
        (
            approved(
                kind=OrderKind.STOP,
                stop=Price(Decimal(90)),
                side=Side.SELL,
                time_in_force=TimeInForce.OPG,
            ),
            "opg orders must be market or limit orders",
        ),
    ],
)
async def test_an_order_that_cannot_be_is_rejected_with_the_reason(
    rig: Rig, order: Approved, reason: str
) -> None:
    rejected = await rig.broker.submit(order)
    assert isinstance(rejected, Rejected)
    assert (rejected.order, rejected.at) == ("first", closed(0))
    assert reason in rejected.reason
    assert not await rig.broker.open_orders()
    await rig.advance(closed(1))
    assert not await rig.broker.fills(closed(0))


async def test_a_rejected_order_is_not_accepted_when_sent_again(rig: Rig) -> None:
    order = approved(quantity=Quantity(Decimal(100_000)))
    assert isinstance(await rig.broker.submit(order), Rejected)
    assert isinstance(await rig.broker.submit(order), Rejected)


async def test_a_fill_has_the_exact_price_and_the_running_count(rig: Rig) -> None:
    await rig.broker.submit(approved())
    await rig.advance(opened(1))
    (filled,) = await told(rig, Filled)
    fill = filled.fill
    assert (fill.order, fill.instrument, fill.side) == ("first", "AAA", Side.BUY)
    assert (fill.price, fill.quantity, fill.at) == (Decimal(101), Decimal(10), opened(1))
    assert filled.cumulative == Decimal(10)
    assert await rig.broker.fills(closed(0)) in ([(fill, Decimal(10))], ((fill, Decimal(10)),))
    found = await rig.broker.find(OrderId("first"))
    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.FILLED, Decimal(10))
    assert found.average_price == Decimal(101)
    assert not await rig.broker.open_orders()


async def test_parts_by_volume_share_add_up_with_their_fees(kind: str) -> None:
    async with opened_rig(kind, DEAR) as rig:
        order = approved(quantity=Quantity(Decimal(250)), time_in_force=TimeInForce.GTC)
        await rig.broker.submit(order)
        await rig.advance(opened(1))
        found = await rig.broker.find(OrderId("first"))
        assert found is not None
        assert (found.status, found.filled) == (OrderStatus.PARTIALLY_FILLED, Decimal(100))
        await rig.advance(closed(3))
        filled = await told(rig, Filled)
        assert [event.cumulative for event in filled] == [100, 200, 250]
        assert [event.fill.quantity for event in filled] == [100, 100, 50]
        # The opens of three sessions, two basis points worse; 1.00 at least, then 0.005 a share.
        prices = [Decimal(text) for text in ("101.0202", "104.0208", "99.0198")]
        assert [event.fill.price for event in filled] == prices
        fees = [Decimal(text) for text in ("1.00", "0.00", "0.25")]
        assert [event.fill.fee.amount for event in filled] == fees
        assert len({event.fill.id for event in filled}) == 3
        spent = sum(q * p for q, p in zip((100, 100, 50), prices, strict=True)) + sum(fees)
        account = await rig.broker.account()
        assert account.cash == CASH - spent
        assert account.positions == {"AAA": 250}


async def test_fills_since_a_time_leave_out_what_was_before_and_keep_the_instant(
    rig: Rig,
) -> None:
    await rig.broker.submit(approved("one"))
    await rig.advance(closed(1))
    await rig.broker.submit(approved("two", decided_at=closed(1)))
    await rig.advance(closed(2))
    every = await rig.broker.fills(closed(0))
    assert [fill.order for fill, _ in every] == ["one", "two"]
    late = await rig.broker.fills(opened(2))
    assert [fill.order for fill, _ in late] == ["two"]
    assert not await rig.broker.fills(opened(2) + timedelta(milliseconds=1))


async def test_a_working_order_is_canceled_and_told_so(rig: Rig) -> None:
    await rig.broker.submit(limit("first", "50", time_in_force=TimeInForce.GTC))
    await rig.advance(opened(1))
    await rig.broker.cancel(OrderId("first"))
    await rig.advance(closed(1))
    (canceled,) = await told(rig, Canceled)
    assert (canceled.order, canceled.at) == ("first", opened(1))
    found = await rig.broker.find(OrderId("first"))
    assert found is not None
    assert found.status is OrderStatus.CANCELED
    await rig.broker.cancel(OrderId("first"))
    assert len(await told(rig, Canceled)) == 1


async def test_a_cancel_of_a_filled_order_leaves_it_alone(rig: Rig) -> None:
    await rig.broker.submit(approved())
    await rig.advance(opened(1))
    await rig.broker.cancel(OrderId("first"))
    await rig.advance(closed(1))
    assert not await told(rig, Canceled)
    found = await rig.broker.find(OrderId("first"))
    assert found is not None
    assert found.status is OrderStatus.FILLED


async def test_a_working_order_gives_way_to_another(rig: Rig) -> None:
    await rig.broker.submit(limit("first", "50", time_in_force=TimeInForce.GTC))
    await rig.advance(opened(1))
    better = limit("second", "100.5", time_in_force=TimeInForce.GTC)
    accepted = await rig.broker.replace(OrderId("first"), better)
    assert isinstance(accepted, Accepted)
    assert accepted.order == "second"
    await rig.advance(closed(2))
    (replaced,) = await told(rig, Replaced)
    assert (replaced.order, replaced.successor) == ("first", "second")
    (filled,) = await told(rig, Filled)
    assert (filled.order, filled.cumulative) == ("second", Decimal(10))
    old, new = [await rig.broker.find(OrderId(name)) for name in ("first", "second")]
    assert old is not None
    assert new is not None
    assert (old.status, new.status) == (OrderStatus.REPLACED, OrderStatus.FILLED)
    assert (await rig.broker.account()).positions == {"AAA": 10}


async def test_an_ended_order_is_not_replaced_and_nothing_is_sent_for_it(rig: Rig) -> None:
    await rig.broker.submit(limit("first", "102"))
    await rig.advance(closed(1))
    rejected = await rig.broker.replace(OrderId("first"), limit("second", "103"))
    assert isinstance(rejected, Rejected)
    assert rejected.order == "second"
    assert await rig.broker.find(OrderId("second")) is None


async def test_an_order_that_filled_in_part_is_not_replaced(kind: str) -> None:
    async with opened_rig(kind, THIN) as rig:
        order = limit("first", "102", quantity=Quantity(Decimal(250)))
        await rig.broker.submit(order)
        await rig.advance(opened(1))
        rejected = await rig.broker.replace(OrderId("first"), limit("second", "103"))
        assert isinstance(rejected, Rejected)
        assert "100 are filled already" in rejected.reason
        assert [order.id for order in await rig.broker.open_orders()] == ["first"]


async def test_another_instrument_or_side_is_no_replacement(rig: Rig) -> None:
    await rig.broker.submit(limit("first", "50"))
    await rig.advance(opened(1))
    for change in ({"instrument": InstrumentId("BBB")}, {"side": Side.SELL}):
        rejected = await rig.broker.replace(OrderId("first"), limit("second", "51", **change))
        assert isinstance(rejected, Rejected)
        assert "stay" in rejected.reason
    assert [order.id for order in await rig.broker.open_orders()] == ["first"]


async def test_an_unknown_order_cannot_be_replaced(rig: Rig) -> None:
    with pytest.raises(VenueRejected):
        await rig.broker.replace(OrderId("nobody's"), limit("second", "51"))


async def test_a_cancel_of_an_unknown_order_is_refused(rig: Rig) -> None:
    with pytest.raises(VenueRejected):
        await rig.broker.cancel(OrderId("nobody's"))


async def test_a_venue_that_is_heard_says_how_it_stands(rig: Rig) -> None:
    async with asyncio.timeout(SOON):
        await rig.broker.connected.wait()
    assert await rig.broker.standing() == VenueStanding(blocked="", skew_seconds=0.0)


async def test_an_unknown_order_is_none(rig: Rig) -> None:
    assert await rig.broker.find(OrderId("nobody's")) is None


async def test_a_day_order_expires_with_its_session(rig: Rig) -> None:
    await rig.broker.submit(limit("first", "50"))
    await rig.advance(closed(1))
    (expired,) = await told(rig, Expired)
    assert (expired.order, expired.at) == ("first", closed(1))
    assert not await rig.broker.open_orders()


async def test_positions_are_signed_and_flat_ones_absent(kind: str) -> None:
    # Only an account that may borrow may sell short.
    async with opened_rig(kind, FREE, Decimal(2)) as rig:
        await rig.broker.submit(approved("long"))
        short = approved("short", instrument=InstrumentId("BBB"), side=Side.SELL)
        await rig.broker.submit(short)
        await rig.advance(closed(1))
        account = await rig.broker.account()
        assert account.positions == {"AAA": 10, "BBB": -10}
        assert account.cash == CASH - 1010 + 100
        assert account.equity == account.cash + 1040 - 100
        assert not account.trading_blocked
        await rig.broker.submit(approved("out", side=Side.SELL, decided_at=closed(1)))
        await rig.advance(closed(2))
        assert (await rig.broker.account()).positions == {"BBB": -10}


async def test_events_arrive_in_the_order_in_which_they_happened(rig: Rig) -> None:
    # From seven in the evening on, orders for the next close are taken.
    await rig.advance(closed(0) + timedelta(hours=4))
    await rig.broker.submit(approved("a"))
    await rig.broker.submit(limit("b", "100.5"))
    await rig.broker.submit(limit("c", "50"))
    await rig.broker.submit(approved("d", time_in_force=TimeInForce.CLS))
    await rig.advance(closed(1))
    ends = await told(rig, Filled, Expired)
    assert [(event.order, type(event)) for event in ends] == [
        ("a", Filled),
        ("b", Filled),
        ("d", Filled),
        ("c", Expired),
    ]
    assert [event.at for event in ends] == sorted(event.at for event in ends)


@pytest.fixture
def exchange() -> Iterator[str]:
    with served(an_exchange()) as server:
        yield server.url


async def test_a_venue_that_is_gone_is_unavailable_whatever_is_asked() -> None:
    with served(an_exchange()) as server:
        broker = AlpacaBroker(Access(server.url, KEY, SECRET))
        await broker.submit(approved())
    for call in (
        broker.submit(approved("second")),
        broker.cancel(OrderId("first")),
        broker.find(OrderId("first")),
        broker.open_orders(),
        broker.fills(closed(0)),
        broker.account(),
    ):
        with pytest.raises(VenueUnavailable):
            await call
    await broker.close()


class LostReply(httpx.AsyncHTTPTransport):
    """A network that delivers the first request and loses the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        answer = await super().handle_async_request(request)
        if self.sent == 1:
            await answer.aclose()
            raise httpx.ReadError("the connection broke", request=request)
        return answer


async def test_an_order_whose_reply_was_lost_is_unknown_then_found_and_there_once(
    exchange: str,
) -> None:
    network = LostReply()
    broker = AlpacaBroker(Access(exchange, KEY, SECRET), transport=network)
    with pytest.raises(VenueUnavailable, match="the connection broke"):
        await broker.submit(approved())
    assert network.sent == 1
    found = await broker.find(OrderId("first"))
    assert found is not None
    assert found.status is OrderStatus.ACCEPTED
    again = await broker.submit(approved())
    assert isinstance(again, Accepted)
    assert again.venue_id == found.venue_id
    assert len(await broker.open_orders()) == 1
    await broker.close()


async def test_an_order_that_never_arrived_is_not_found(exchange: str) -> None:
    class DeadLine(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                raise httpx.ConnectError("no route", request=request)
            return await super().handle_async_request(request)

    broker = AlpacaBroker(Access(exchange, KEY, SECRET), transport=DeadLine())
    with pytest.raises(VenueUnavailable, match="no route"):
        await broker.submit(approved())
    assert await broker.find(OrderId("first")) is None
    await broker.close()


async def test_a_restarted_client_learns_the_ids_of_its_fills(exchange: str) -> None:
    before = AlpacaBroker(Access(exchange, KEY, SECRET))
    await before.submit(approved())
    await before.close()
    after = AlpacaBroker(Access(exchange, KEY, SECRET))
    async with httpx.AsyncClient(headers=KEYS, trust_env=False) as client:
        await client.post(f"{exchange}/rehearsal/advance", json={"to": closed(1).isoformat()})
    ((fill, cumulative),) = await after.fills(datetime(2024, 1, 1, tzinfo=UTC))
    assert (fill.order, cumulative) == ("first", Decimal(10))
    await after.close()


def a_feed(address: str, first: int = 1, **options: Any) -> RehearsalFeed:
    frame = a_market().frame
    return RehearsalFeed(Replay(frame, (), first=first, stop=5), address, KEY, SECRET, **options)


async def test_the_feed_moves_the_exchange_event_by_event_and_hides_open_prints(
    exchange: str,
) -> None:
    broker = AlpacaBroker(Access(exchange, KEY, SECRET))
    await broker.submit(approved())
    published: list[int] = []

    async def settled(count: int) -> None:
        published.append(count)

    seen = [event async for event in a_feed(exchange, settled=settled).events()]
    expected = list(Replay(a_market().frame, (), first=1, stop=5))
    assert [(type(e), e.at) for e in seen] == [
        (type(e), e.at) for e in expected if not isinstance(e, BarOpened)
    ]
    # Accepted before anything; new as the session opens; filled at the open print.
    opening = next(i for i, event in enumerate(expected) if event.at == opened(1))
    assert published[:opening] == [1] * opening
    assert published[opening : opening + 2] == [2, 3]
    assert len(published) == len(expected)
    await broker.close()


async def test_a_feed_goes_on_after_a_restart_while_the_exchange_is_ahead(exchange: str) -> None:
    first = [event.at async for event in a_feed(exchange).events()]
    again = [event.at async for event in a_feed(exchange).events()]
    assert first == again


async def test_a_feed_of_another_replay_is_refused(exchange: str) -> None:
    with pytest.raises(VenueUnavailable, match="it replays something else"):
        [event async for event in a_feed(exchange, first=2).events()]


async def test_a_feed_without_an_exchange_says_so() -> None:
    feed = a_feed("http://127.0.0.1:9")
    with pytest.raises(VenueUnavailable, match="cannot be moved"):
        [event async for event in feed.events()]


def test_the_span_traded_is_that_of_the_builders() -> None:
    assert (TRADED.start, TRADED.end) == (opened(1).date(), opened(4).date())
