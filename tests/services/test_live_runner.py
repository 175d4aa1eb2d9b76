"""The runner against an exchange that misbehaves: real HTTP, real sockets, scripted faults.

Half of the money is in AAA after the first decision. The strategy wants more of BBB at the third
and less of AAA at the fourth; what a fault does is between them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import WIDE, Planned
from tests.services.stage import Stage, a_stage
from tests.unit.exchange.builders import CASH, DAYS, FREE, KEY, SECRET, a_market, closed
from tradewright.adapters.alpaca import Timeouts
from tradewright.adapters.embedded.process import wait_until
from tradewright.adapters.memory import MemoryJournal, MemoryOrderStore, MemoryStateStore
from tradewright.adapters.rehearsal import RehearsalFeed
from tradewright.backtest.replay import Replay
from tradewright.bootstrap import Account, Conduct, exchange_place
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.decisions import RefusalCode
from tradewright.core.events import BarClosed, CashMoved, Event
from tradewright.core.ids import InstrumentId
from tradewright.core.money import Money
from tradewright.core.orders import OrderState, OrderStatus, Side, TimeInForce
from tradewright.core.records import JsonValue
from tradewright.engine.chronicle import Chronicle, Ports
from tradewright.engine.run import RunSpec, assemble, rows_of
from tradewright.engine.runner import KILL_SWITCH, Runner
from tradewright.engine.standing import Patience
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.construct import Construction

Act = Callable[["Live", int], Awaitable[None]]
WEIGHTS: Mapping[date, Mapping[str, float]] = {
    DAYS[0]: {"AAA": 0.5},
    DAYS[2]: {"BBB": 0.3},
    DAYS[3]: {"AAA": 0.25},
}
QUICK = Conduct(timeouts=Timeouts(connect=1.0, read=1.0, whole=2.0, quiet=0.3))
PATIENT = Patience(confirm=0.5, news=3.0, look=0.0)
SOON = 30.0


class Clock(ManualClock):
    """The market's time, and our own for waits."""

    def monotonic(self) -> float:
        return SystemClock().monotonic()


class Live:
    """A runner that trades at a stage; `act` is called with the row that is about to close."""

    def __init__(
        self,
        stage: Stage,
        patience: Patience = PATIENT,
        construction: Construction | None = None,
    ) -> None:
        self.stage = stage
        self.market = a_market()
        spec = RunSpec(
            "momentum",
            {},
            first=DAYS[1],
            last=DAYS[4],
            capital=CASH,
            limits=WIDE,
            commission="none",
            slippage_bps=Decimal(0),
            construction=construction or Construction(),
        )
        self.rows = rows_of(spec, self.market)
        self.clock = Clock(closed(0))
        self.account = Account(
            exchange_place(stage.url, KEY, SECRET),
            QUICK,
            list(self.market.instruments.values()),
            clock=self.clock,
            tell=lambda code, message: self.runner.chronicle.alert(code, message),  # noqa: PLW0108
        )
        self.journal, self.switches = MemoryJournal(), MemoryStateStore()
        self.ports = Ports(
            self.account.broker, self.journal, MemoryOrderStore(), self.switches, self.clock
        )
        engine = assemble(spec, self.market, self.rows, strategy=Planned(WEIGHTS))
        self.runner = Runner(engine, self.ports, patience=patience)

    async def live(self, act: Act) -> None:
        """Trade all rows."""
        clear: JsonValue = {"engaged": False, "reason": "test", "version": 1}
        await self.switches.compare_and_set(KILL_SWITCH, clear, 0)
        async with asyncio.timeout(SOON):
            await self.runner.start([CashMoved(Money(CASH), self.clock.now(), "opening balance")])
            await self.runner.run(self._feed(act))

    def _feed(self, act: Act) -> Feed:
        frame = self.market.frame
        replay = list(Replay(frame, (), first=self.rows.first, stop=self.rows.last + 1))
        return Feed(self, act, RehearsalFeed(replay, self.stage.url, KEY, SECRET))

    @property
    def orders(self) -> list[OrderState]:
        return list(self.runner.engine.desk.states.values())

    @property
    def codes(self) -> list[str]:
        return [alert.code for alert in self.runner.outcome.alerts]

    @property
    def refused(self) -> list[RefusalCode]:
        return [refusal.code for refusal in self.runner.outcome.refusals]

    async def standings(self) -> list[tuple[bool, str]]:
        """What the journal says of the venue: fit or not, and why."""
        entries = await self.journal.since(0)
        told = [entry.body for entry in entries if entry.kind == "VenueChanged"]
        return [(bool(body["fit"]), str(body["reason"])) for body in told]

    async def agrees(self) -> None:
        """Check that both books are one."""
        account = await self.account.broker.account()
        ledger = self.runner.engine.ledger
        assert ledger.cash == account.cash
        assert ledger.quantities == account.positions
        assert self.runner.outcome.differences == ()


class Feed:
    """The rehearsal's feed, with the clock set and something done before each close."""

    def __init__(self, live: Live, act: Act, feed: RehearsalFeed) -> None:
        self._live = live
        self._act = act
        self._feed = feed

    async def events(self) -> AsyncIterator[Event]:
        async for event in self._feed.events():
            if event.at > self._live.clock.now():
                self._live.clock.set(event.at)
            if isinstance(event, BarClosed):
                await self._act(self._live, event.row)
            yield event


@contextlib.asynccontextmanager
async def trading(
    patience: Patience = PATIENT,
    *,
    model: VenueModel = FREE,
    construction: Construction | None = None,
) -> AsyncIterator[Live]:
    """A stage, and a runner at it that lets go in the end."""
    async with a_stage(model=model) as stage:
        live = Live(stage, patience, construction)
        try:
            yield live
        finally:
            await live.runner.stop()
            await live.account.close()


def at_row(row: int, name: str, **arguments: Any) -> Act:
    """Have the exchange do something before a row closes."""

    async def act(live: Live, closing: int) -> None:
        if closing == row:
            await live.stage.perform(name, **arguments)

    return act


async def nothing(_live: Live, _row: int) -> None:
    return


async def clear(live: Live) -> None:
    answer = await live.stage.client.delete("/rehearsal/faults")
    assert answer.status_code == 204


async def test_without_faults_all_is_traded_and_nothing_is_said() -> None:
    async with trading() as live:
        await live.live(nothing)
        bought, more, less = live.orders
        assert {state.status for state in live.orders} == {OrderStatus.FILLED}
        assert bought.order.quantity == Decimal(500)
        assert more.order.instrument == InstrumentId("BBB")
        assert (less.order.side, less.order.reduce_only) == (Side.SELL, True)
        assert (live.codes, live.refused, await live.standings()) == ([], [], [])
        await live.agrees()
        theirs = await live.stage.client.get("/v2/orders", params={"status": "all"})
        intents = {o["client_order_id"]: o["position_intent"] for o in theirs.json()}
        assert intents[less.order.id] == "sell_to_close"


@pytest.mark.parametrize(
    ("name", "facts", "stands"),
    [("bust", {}, False), ("correct", {"price": "100.5", "qty": "400"}, True)],
)
async def test_an_execution_that_is_changed_afterwards_is_booked_and_the_books_agree(
    name: str, facts: dict[str, Any], stands: bool
) -> None:
    async with trading() as live:
        await live.live(at_row(2, name, **facts))
        assert "FillReversed" in [entry.kind for entry in await live.journal.since(0)]
        assert "order_oddity" in live.codes
        first = live.orders[0]
        assert first.status is OrderStatus.FILLED
        assert (first.filled, first.undone) == (Decimal(400 * stands), Decimal(500 - 400 * stands))
        await live.agrees()
        # A restart comes to the same book.
        again = Live(live.stage)
        ports = replace(again.ports, journal=live.journal)
        chronicle = Chronicle(again.runner.engine, ports, "runner")
        await chronicle.replay()
        assert chronicle.engine.ledger.snapshot() == live.runner.engine.ledger.snapshot()
        assert chronicle.engine.desk.states == live.runner.engine.desk.states
        await again.account.close()


async def test_part_of_an_order_is_taken_back_while_the_rest_works() -> None:
    slow = replace(FREE, volume_share=Decimal("0.3"))
    async with trading(
        model=slow, construction=Construction(time_in_force=TimeInForce.GTC)
    ) as live:
        await live.live(at_row(1, "bust"))
        (taken_back, *fills) = live.runner.engine.desk.fills
        first = live.orders[0]
        assert taken_back.quantity == first.undone == Decimal(300)
        assert [fill.quantity for fill in fills if fill.order == first.order.id] == [200]
        assert (first.status, first.filled) == (OrderStatus.FILLED, Decimal(200))
        assert "news_lost" not in live.codes
        await live.agrees()


@pytest.mark.parametrize(
    ("name", "facts", "undo", "reason"),
    [
        (
            "block",
            {"field": "trading_blocked", "value": True},
            {"value": False},
            "the account is blocked: trading_blocked",
        ),
        ("skew", {"seconds": 5}, {"seconds": 0}, "the clocks differ: ours is -5.000 s ahead"),
    ],
    ids=["block", "skew"],
)
async def test_a_doubtful_venue_is_sent_no_more_than_reductions(
    name: str, facts: dict[str, Any], undo: dict[str, Any], reason: str
) -> None:
    async with trading() as live:

        async def act(live: Live, row: int) -> None:
            if row == 2:
                await live.stage.perform(name, **facts)
            if row == 3:
                await live.stage.perform(name, **{**facts, **undo})

        await live.live(act)
        assert live.refused == [RefusalCode.VENUE_UNFIT]
        (unfit, why), (fit, _) = await live.standings()
        assert (unfit, fit) == (False, True)
        assert why.startswith(reason)
        assert [state.status for state in live.orders] == [OrderStatus.FILLED] * 2
        await live.agrees()


async def test_while_the_stream_is_gone_reductions_pass_and_nothing_is_lost() -> None:
    async with trading(replace(PATIENT, news=0.3)) as live:

        async def act(live: Live, row: int) -> None:
            if row == 2:
                await live.stage.script("""
                    [[rule]]
                    name = "no entry"
                    match = { stream = "trade_updates" }
                    action = { do = "refuse", status = 503 }
                """)
                await live.stage.perform("disconnect", stream="trade_updates")
                connected = live.account.broker.connected
                assert await asyncio.to_thread(wait_until, lambda: not connected.is_set(), 5.0)

        await live.live(act)
        assert live.refused == [RefusalCode.VENUE_UNFIT]
        assert await live.standings() == [(False, "the trade updates are not connected")]
        bought, less = live.orders
        assert (bought.status, less.status) == (OrderStatus.FILLED, OrderStatus.FILLED)
        assert less.order.side is Side.SELL
        assert "venue_unfit" in live.codes
        await live.agrees()


async def test_a_mute_stream_is_found_out_and_nothing_is_lost() -> None:
    async with trading() as live:

        async def act(live: Live, row: int) -> None:
            if row == 2:
                await live.stage.script("""
                    [[rule]]
                    name = "mute"
                    match = { stream = "trade_updates" }
                    action = "mute"
                """)

        await live.live(act)
        assert {state.status for state in live.orders} == {OrderStatus.FILLED}
        assert len(live.orders) == 3
        await live.agrees()


@pytest.mark.parametrize(
    "action",
    [
        '"drop_before"',
        '{ do = "html", status = 503 }',
        '{ do = "answer", status = 500, body = "x" }',
    ],
    ids=["cut", "maintenance", "broken"],
)
async def test_a_long_outage_stops_nothing_and_is_mended_afterwards(action: str) -> None:
    async with trading() as live:

        async def act(live: Live, row: int) -> None:
            if row == 2:
                await live.stage.script(f"""
                    [[rule]]
                    name = "outage"
                    match = {{ route = "/v2/*" }}
                    action = {action}
                """)
            if row == 4:
                await clear(live)

        await live.live(act)
        assert live.refused == [RefusalCode.VENUE_UNFIT]
        assert [fit for fit, _ in await live.standings()] == [False, True]
        assert "the venue does not answer" in (await live.standings())[0][1]
        bought, less = live.orders
        assert (bought.status, less.status) == (OrderStatus.FILLED, OrderStatus.FAILED)
        assert "order_unconfirmed" in live.codes
        stored = await live.switches.get(KILL_SWITCH)
        assert stored is not None
        assert stored.value == {"engaged": False, "reason": "test", "version": 1}
        await live.agrees()


async def test_an_order_that_was_taken_in_an_outage_is_found_and_never_sent_again() -> None:
    async with trading() as live:

        async def act(live: Live, row: int) -> None:
            if row == 2:
                await live.stage.script("""
                    [[rule]]
                    name = "lost reply"
                    match = { route = "POST /v2/orders" }
                    action = "drop_after_commit"

                    [[rule]]
                    name = "lost question"
                    match = { route = "GET /v2/orders:by_client_order_id" }
                    action = "drop_before"
                """)
            if row == 3:
                await clear(live)

        await live.live(act)
        assert {state.status for state in live.orders} == {OrderStatus.FILLED}
        assert len(live.orders) == 3
        entries = await live.journal.since(0)
        sent = [entry.body["order"] for entry in entries if entry.kind == "Submitted"]
        assert len(sent) == len(set(sent)) == 3
        await live.agrees()
