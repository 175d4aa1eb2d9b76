"""The runner when the world does not do its part: lost answers, silence, unknown switches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.builders import AAA, Planned, a_market, a_spec, a_venue_model, cash, dec, flat_bars
from tradewright.adapters.memory import (
    MemoryBroker,
    MemoryFeed,
    MemoryJournal,
    MemoryOrderStore,
    MemoryStateStore,
)
from tradewright.backtest.replay import Replay
from tradewright.core.clock import ManualClock
from tradewright.core.decisions import Approved, RefusalCode
from tradewright.core.errors import (
    ConflictError,
    LedgerError,
    RateLimited,
    SafetyError,
    VenueRejected,
    VenueUnavailable,
)
from tradewright.core.events import (
    Accepted,
    BarClosed,
    Cancel,
    CashMoved,
    Delisted,
    DividendPaid,
    Event,
    Filled,
    OrderEvent,
    Rejected,
    SplitApplied,
    Submit,
    TimerFired,
)
from tradewright.core.ids import OrderId
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.core.orders import OrderState, OrderStatus, Side
from tradewright.core.records import JournalEntry, JsonValue, Note
from tradewright.core.reports import VenueAccount, VenueOrder, VenueStanding
from tradewright.engine.chronicle import Ports
from tradewright.engine.run import assemble, rows_of
from tradewright.engine.runner import KILL_SWITCH, Runner
from tradewright.engine.standing import Patience, Watch
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.ports import MarketFeed, StateStore, Versioned

AT_ONCE = Patience(confirm=0.0, news=0.0, poll=0.0)
SOON = Patience(confirm=5.0, news=5.0, poll=0.0)
CLEAR: JsonValue = {"engaged": False, "reason": "test", "version": 1}
ENGAGED: JsonValue = {"engaged": True, "reason": "test", "version": 1}


class PowerCut(BaseException):
    """The process is gone: nobody catches this."""


class Scene:
    """An account of 10,000 that buys 50 AAA at 100 after the first day and keeps them.

    What outlives a runner is here; every runner is a fresh one over it.
    """

    def __init__(
        self,
        broker: type[MemoryBroker] = MemoryBroker,
        *actions: CorporateAction,
        their_cash: str = "10000",
    ) -> None:
        self.market = a_market({"AAA": flat_bars([100.0] * 5)}, *actions)
        self.days = [session.date for session in self.market.frame.sessions]
        self.spec = a_spec(self.market)
        self.rows = rows_of(self.spec, self.market)
        self.clock = ManualClock(self.market.frame.known(self.rows.first - 1))
        self.brokerage = SimulatedBrokerage(
            self.market.frame,
            self.market.instruments,
            model=a_venue_model(),
            cash=dec(their_cash),
            leverage=self.spec.limits.leverage,
            at=self.clock.now(),
            row=self.rows.first - 1,
        )
        self.broker = broker(self.brokerage, self.clock)
        self.journal = MemoryJournal()
        self.orders = MemoryOrderStore()
        self.switches: StateStore = MemoryStateStore()
        self.weights = {self.days[0]: {"AAA": 0.5}}

    async def switch(self, value: JsonValue) -> None:
        stored = await self.switches.get(KILL_SWITCH)
        version = stored.version if stored else 0
        await self.switches.compare_and_set(KILL_SWITCH, value, version)

    def runner(self, patience: Patience = SOON) -> Runner:
        engine = assemble(self.spec, self.market, self.rows, strategy=Planned(self.weights))
        ports = Ports(self.broker, self.journal, self.orders, self.switches, self.clock)
        return Runner(engine, ports, patience=patience)

    def opening(self) -> list[Event]:
        return [CashMoved(cash("10000"), self.clock.now(), "opening balance")]

    def feed(self, *before: Event) -> MarketFeed:
        replay = Replay(self.market.frame, self.market.actions, first=self.rows.first)
        return MemoryFeed([*before, *replay], self.broker)

    async def play(self, patience: Patience = SOON, feed: MarketFeed | None = None) -> Runner:
        """Start a runner, live through the feed, and stop, whatever happens."""
        runner = self.runner(patience)
        try:
            await runner.start(self.opening())
            await runner.run(feed or self.feed())
        finally:
            await runner.stop()
        return runner

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.journal.since(0)]

    async def kill_switch(self) -> Any:
        stored = await self.switches.get(KILL_SWITCH)
        return None if stored is None else stored.value


async def a_scene(broker: type[MemoryBroker] = MemoryBroker, **facts: Any) -> Scene:
    """A scene whose kill switch was written as clear."""
    scene = Scene(broker, **facts)
    await scene.switch(CLEAR)
    return scene


def only(runner: Runner) -> OrderState:
    (state,) = runner.engine.desk.states.values()
    return state


def codes(runner: Runner) -> list[str]:
    return [alert.code for alert in runner.outcome.alerts]


def holds(runner: Runner, quantity: int) -> None:
    """Check that the ledger holds so many shares bought at 100, and that both books agree."""
    ledger = runner.engine.ledger
    assert ledger.quantities.get(AAA, Decimal(0)) == quantity
    assert ledger.cash == 10_000 - 100 * quantity
    assert runner.outcome.differences == ()


class Counting(MemoryBroker):
    """A broker that counts what is sent."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.sent: list[OrderId] = []

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        self.sent.append(approved.order.id)
        return await super().submit(approved)


class Busy(Counting):
    """A broker that takes an order at the third asking."""

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        if len(self.sent) < 2:
            self.sent.append(approved.order.id)
            raise RateLimited("memory", 0.0)
        return await super().submit(approved)


class Crowded(Counting):
    """A broker that answers every other question, and is asked too often by the rest."""

    asked = 0

    def turn(self) -> None:
        self.asked += 1
        if self.asked % 2:
            raise RateLimited("memory", 0.0)

    async def cancel(self, order: OrderId) -> None:
        self.turn()
        await super().cancel(order)

    async def find(self, order: OrderId) -> VenueOrder | None:
        self.turn()
        return await super().find(order)

    async def open_orders(self) -> Sequence[VenueOrder]:
        self.turn()
        return await super().open_orders()

    async def account(self) -> VenueAccount:
        self.turn()
        return await super().account()


class LostAnswer(Counting):
    """A broker that takes the order; its first answer is lost."""

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        answer = await super().submit(approved)
        if len(self.sent) > 1:
            return answer
        raise VenueUnavailable("memory", "connection reset")


class SlowToKnow(LostAnswer):
    """A broker that knows the order it took only when asked for the third time."""

    looks = 0

    async def find(self, order: OrderId) -> VenueOrder | None:
        self.looks += 1
        return await super().find(order) if self.looks > 2 else None


class LostRequest(Counting):
    """A broker that the order did not reach at the first sending."""

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        if self.sent:
            return await super().submit(approved)
        self.sent.append(approved.order.id)
        raise VenueUnavailable("memory", "connection refused")


class Unreachable(LostAnswer):
    """A broker that took the order and cannot be asked about it for a while."""

    reachable = False

    async def find(self, order: OrderId) -> VenueOrder | None:
        if not self.reachable:
            raise VenueUnavailable("memory", "time-out")
        return await super().find(order)


class Refusing(Counting):
    """A broker that rejects every order."""

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        self.sent.append(approved.order.id)
        return Rejected(approved.order.id, approved.at, "account restricted")


class Silent(Counting):
    """A broker whose stream says nothing."""

    async def events(self) -> AsyncIterator[OrderEvent]:
        await asyncio.Event().wait()
        yield self._events.get_nowait()  # type: ignore[misc]


class Dropped(Counting):
    """A broker whose stream breaks at the first fill."""

    async def events(self) -> AsyncIterator[OrderEvent]:
        async for event in super().events():
            if isinstance(event, Filled):
                raise VenueUnavailable("memory", "stream closed")
            yield event


class Doubtful(Counting):
    """A broker that says of itself what a test wants; None is silence, for reads and orders."""

    says: VenueStanding | None = VenueStanding("", 0.0)

    def speak(self) -> VenueStanding:
        if self.says is None:
            raise VenueUnavailable("memory", "time-out")
        return self.says

    async def standing(self) -> VenueStanding:
        return self.speak()

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        self.speak()
        return await super().submit(approved)

    async def find(self, order: OrderId) -> VenueOrder | None:
        self.speak()
        return await super().find(order)

    async def open_orders(self) -> Sequence[VenueOrder]:
        self.speak()
        return await super().open_orders()

    async def account(self) -> VenueAccount:
        self.speak()
        return await super().account()


class Uncancellable(Counting):
    """A broker that does not cancel."""

    async def cancel(self, order: OrderId) -> None:
        raise VenueRejected("memory", "42210000", f"order {order} is not cancelable")


class LostStore(MemoryStateStore):
    """A store that does not answer."""

    async def get(self, key: str) -> Versioned | None:
        raise SafetyError(f"{key}: the store did not answer")


class Contested(MemoryStateStore):
    """A store in which somebody else always writes first, once it is told to."""

    contested = False

    async def compare_and_set(self, key: str, value: JsonValue, expected: int) -> int:
        if self.contested:
            raise ConflictError(key, expected, expected + 1)
        return await super().compare_and_set(key, value, expected)


class Cut(MemoryJournal):
    """A journal after whose entry of a kind the power goes, once."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    async def append(self, notes: Sequence[Note]) -> Sequence[JournalEntry]:
        entries = await super().append(notes)
        if any(note.kind == self._kind for note in notes):
            self._kind = ""
            raise PowerCut
        return entries


class BrokenFeed:
    """A feed that fails after its events."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    async def events(self) -> AsyncIterator[Event]:
        for event in self._events:
            yield event
        raise RuntimeError("the feed broke")


async def test_order_is_journaled_attempted_answered_and_filled_in_that_order() -> None:
    scene = await a_scene(Counting)
    runner = await scene.play()
    assert await scene.kinds() == [
        "CashMoved",
        "SwitchChanged",
        "Approved",
        "Submitted",
        "Accepted",
        "Filled",
    ]
    assert only(runner).status is OrderStatus.FILLED
    assert codes(runner) == []
    holds(runner, 50)


async def test_order_that_was_rate_limited_is_sent_again_under_its_id() -> None:
    scene = await a_scene(Busy)
    runner = await scene.play()
    assert isinstance(scene.broker, Busy)
    assert scene.broker.sent == [only(runner).order.id] * 3
    assert (await scene.kinds()).count("Submitted") == 1
    assert codes(runner) == []
    holds(runner, 50)


@pytest.mark.parametrize("broker", [LostAnswer, SlowToKnow])
async def test_order_whose_answer_was_lost_is_found_and_never_sent_again(
    broker: type[LostAnswer],
) -> None:
    scene = await a_scene(broker)
    runner = await scene.play()
    assert isinstance(scene.broker, LostAnswer)
    assert scene.broker.sent == [only(runner).order.id]
    kinds = await scene.kinds()
    assert kinds[2:6] == ["Approved", "Submitted", "Unconfirmed", "Accepted"]
    assert kinds.count("Submitted") == 1
    assert codes(runner) == []
    holds(runner, 50)


async def test_order_that_never_arrived_fails_with_an_alert_and_is_never_sent_again() -> None:
    scene = await a_scene(LostRequest)
    runner = await scene.play(AT_ONCE)
    assert isinstance(scene.broker, LostRequest)
    state = only(runner)
    assert scene.broker.sent == [state.order.id]
    assert (state.status, state.reason) == (OrderStatus.FAILED, "the venue does not know it")
    assert codes(runner) == ["order_unconfirmed"]
    assert (await scene.kinds())[-2:] == ["Unconfirmed", "Failed"]
    holds(runner, 0)
    again = await scene.play(AT_ONCE)
    assert len(scene.broker.sent) == 1
    assert only(again).status is OrderStatus.FAILED


async def test_order_that_cannot_be_asked_about_stays_unconfirmed_until_a_restart_finds_it() -> (
    None
):
    scene = await a_scene(Unreachable)
    assert isinstance(scene.broker, Unreachable)
    runner = scene.runner(AT_ONCE)
    await runner.start(scene.opening())
    await runner._market(next(iter(Replay(scene.market.frame, (), first=1))))
    await runner.stop()
    assert only(runner).status is OrderStatus.SUBMITTED_UNCONFIRMED
    assert codes(runner) == ["order_unconfirmed"]
    assert "Failed" not in await scene.kinds()
    scene.broker.reachable = True
    scene.broker._events = asyncio.Queue()
    again = await scene.play()
    assert len(scene.broker.sent) == 1
    assert only(again).status is OrderStatus.FILLED
    holds(again, 50)


async def test_order_that_could_not_be_asked_about_is_found_at_the_next_bar() -> None:
    scene = await a_scene(Unreachable)
    assert isinstance(scene.broker, Unreachable)
    runner = scene.runner(AT_ONCE)
    await runner.start(scene.opening())
    events = iter(Replay(scene.market.frame, (), first=1))
    await runner._market(next(events))
    assert only(runner).status is OrderStatus.SUBMITTED_UNCONFIRMED
    scene.broker.reachable = True
    await runner._market(next(event for event in events if isinstance(event, BarClosed)))
    await runner.stop()
    assert only(runner).status is OrderStatus.ACCEPTED
    assert len(scene.broker.sent) == 1


async def test_rejected_order_ends_and_moves_nothing() -> None:
    scene = await a_scene(Refusing)
    runner = await scene.play()
    state = only(runner)
    assert (state.status, state.reason) == (OrderStatus.REJECTED, "account restricted")
    assert (await scene.orders.get(state.order.id)) == state
    holds(runner, 0)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, RefusalCode.SWITCH_UNKNOWN),
        (ENGAGED, RefusalCode.SWITCH_ENGAGED),
        ({"reason": "no state"}, RefusalCode.SWITCH_UNKNOWN),
        ({"engaged": "no"}, RefusalCode.SWITCH_UNKNOWN),
        ({"engaged": 0}, RefusalCode.SWITCH_UNKNOWN),
        (["clear"], RefusalCode.SWITCH_UNKNOWN),
        ("clear", RefusalCode.SWITCH_UNKNOWN),
    ],
)
async def test_switch_that_is_not_known_to_be_clear_refuses(
    value: JsonValue, code: RefusalCode
) -> None:
    scene = Scene(Counting)
    if value is not None:
        await scene.switch(value)
    runner = await scene.play()
    assert isinstance(scene.broker, Counting)
    assert scene.broker.sent == []
    assert [refusal.code for refusal in runner.outcome.refusals] == [code]
    assert "Refusal" in await scene.kinds()
    holds(runner, 0)


async def test_lost_state_store_counts_as_unknown_and_says_why() -> None:
    scene = Scene(Counting)
    scene.switches = LostStore()
    runner = await scene.play()
    assert [refusal.code for refusal in runner.outcome.refusals] == [RefusalCode.SWITCH_UNKNOWN]
    changed = [e for e in await scene.journal.since(0) if e.kind == "SwitchChanged"]
    assert {entry.body["engaged"] for entry in changed} == {None}
    assert all("did not answer" in str(entry.body["reason"]) for entry in changed)


async def test_refusals_are_known_after_a_restart_and_are_not_decided_again() -> None:
    scene = Scene(Counting)
    await scene.play()
    scene.broker._events = asyncio.Queue()
    await scene.switch(CLEAR)
    again = await scene.play()
    assert len(again.outcome.refusals) == 1
    assert again.engine.desk.states == {}
    assert (await scene.kinds()).count("Refusal") == 1


async def test_switch_that_is_engaged_during_a_run_stops_the_next_decision() -> None:
    scene = await a_scene(Counting)
    scene.weights[scene.days[2]] = {"AAA": 0.9}
    runner = scene.runner()
    await runner.start(scene.opening())
    events = scene.feed().events()
    async for event in events:
        if event.at >= scene.market.frame.known(2):
            await scene.switch(ENGAGED)
        await runner._market(event)
    await runner.stop()
    assert [refusal.code for refusal in runner.outcome.refusals] == [RefusalCode.SWITCH_ENGAGED]
    assert runner.engine.ledger.quantities == {AAA: 50}


async def test_silent_stream_is_mended_from_the_list_of_the_venue() -> None:
    scene = await a_scene(Silent)
    runner = await scene.play(AT_ONCE)
    assert codes(runner) == ["news_lost"]
    assert only(runner).status is OrderStatus.FILLED
    assert [fill.quantity for fill in await scene.orders.fills()] == [50]
    holds(runner, 50)


async def test_news_that_arrives_after_it_was_mended_is_booked_once() -> None:
    scene = await a_scene(Counting)
    runner = scene.runner(AT_ONCE)
    await runner.start(scene.opening())
    async for event in scene.feed().events():
        # Nothing else runs in between, so the stream is always behind the venue's list.
        await runner._market(event)
    await runner._settling.catch_up()
    await runner.reconcile()
    await asyncio.sleep(0)
    await runner._settling.hear()
    await runner.stop()
    assert codes(runner) == ["news_lost"]
    assert runner._settling.news.empty()
    assert (await scene.kinds()).count("Filled") == 1
    holds(runner, 50)


async def test_broken_stream_stops_the_run_and_engages_the_kill_switch() -> None:
    scene = await a_scene(Dropped)
    with pytest.raises(VenueUnavailable, match="stream closed"):
        await scene.play()
    assert (await scene.kill_switch())["engaged"] is True


async def test_books_that_differ_stop_the_run_before_anything_is_decided() -> None:
    scene = await a_scene(Counting, their_cash="9999.99")
    runner = scene.runner()
    await runner.start(scene.opening())
    assert codes(runner) == ["books_differ"]
    with pytest.raises(LedgerError, match=r"cash: ours 10000, theirs 9999\.99"):
        await runner.run(scene.feed())
    await runner.stop()
    assert "Approved" not in await scene.kinds()
    assert (await scene.kinds())[-1] == "SwitchChanged"
    held = await scene.kill_switch()
    assert held["engaged"] is True
    assert held["reason"].startswith("LedgerError: the books differ")
    assert codes(runner) == ["books_differ", "runner_stopped"]


async def test_books_that_agree_once_the_feed_has_told_are_traded_on() -> None:
    scene = await a_scene(Counting, their_cash="9950")
    runner = scene.runner()
    await runner.start(scene.opening())
    assert codes(runner) == ["books_differ"]
    assert runner.outcome.differences
    withdrawn = CashMoved(cash("-50"), scene.clock.now(), "withdrawal")

    class Told:
        async def events(self) -> AsyncIterator[Event]:
            yield withdrawn
            async for event in scene.feed().events():
                yield event

    await runner.run(Told())
    await runner.stop()
    assert runner.engine.ledger.quantities == {AAA: 49}
    assert runner.outcome.differences == ()


async def test_any_failure_engages_the_kill_switch_and_is_raised() -> None:
    scene = await a_scene(Counting)
    runner = scene.runner()
    await runner.start(scene.opening())
    with pytest.raises(RuntimeError, match="the feed broke"):
        await runner.run(BrokenFeed())
    await runner.stop()
    assert await scene.kill_switch() == {
        "engaged": True,
        "reason": "RuntimeError: the feed broke",
        "version": 1,
    }
    assert codes(runner) == ["runner_stopped"]
    assert (await scene.journal.since(0))[-1].body["engaged"] is True


async def test_kill_switch_that_somebody_else_writes_first_is_left_to_them() -> None:
    scene = Scene(Counting)
    store = scene.switches = Contested()
    await scene.switch(CLEAR)
    store.contested = True
    with pytest.raises(RuntimeError, match="the feed broke"):
        await scene.play(feed=BrokenFeed())
    assert (await scene.kinds())[-1] == "SwitchChanged"


async def test_failure_is_raised_even_if_the_kill_switch_cannot_be_written() -> None:
    scene = Scene(Counting)
    scene.switches = LostStore()
    with pytest.raises(RuntimeError, match="the feed broke"):
        await scene.play(feed=BrokenFeed())


async def test_stopping_from_outside_is_no_failure() -> None:
    scene = await a_scene(Counting)
    runner = scene.runner()
    await runner.start(scene.opening())

    class Endless:
        async def events(self) -> AsyncIterator[Event]:
            await asyncio.Event().wait()
            yield scene.opening()[0]

    task = asyncio.create_task(runner.run(Endless()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await runner.stop()
    assert await scene.kill_switch() == CLEAR
    assert codes(runner) == []


async def decided(scene: Scene) -> Runner:
    """A runner that has started and lived through the first decision."""
    runner = scene.runner()
    await runner.start(scene.opening())
    await runner._market(next(iter(Replay(scene.market.frame, (), first=1))))
    return runner


async def test_cancel_that_fails_is_alerted_and_the_order_is_still_ours() -> None:
    scene = await a_scene(Uncancellable)
    runner = await decided(scene)
    order = only(runner).order.id
    await runner._perform([Cancel(order, "changed our mind")])
    assert codes(runner) == ["cancel_failed"]
    assert "42210000" in runner.outcome.alerts[0].message
    assert only(runner).status is OrderStatus.PENDING_CANCEL
    assert (await scene.kinds())[-1] == "CancelAsked"
    await runner.stop()


async def test_cancel_is_journaled_before_it_is_asked_and_its_outcome_is_heard() -> None:
    scene = await a_scene(Counting)
    runner = await decided(scene)
    await runner._perform([Cancel(only(runner).order.id, "changed our mind")])
    await runner._settling.catch_up()
    await runner.stop()
    assert (await scene.kinds())[-2:] == ["CancelAsked", "Canceled"]
    assert only(runner).status is OrderStatus.CANCELED
    assert codes(runner) == []


async def test_questions_and_cancels_that_were_rate_limited_are_asked_again() -> None:
    scene = await a_scene(Crowded)
    runner = await decided(scene)
    await runner._perform([Cancel(only(runner).order.id, "changed our mind")])
    await runner._settling.catch_up()
    assert not await runner.reconcile()
    await runner.stop()
    assert only(runner).status is OrderStatus.CANCELED
    assert codes(runner) == []


async def cut_after(kind: str, broker: type[MemoryBroker] = Counting) -> Scene:
    """A scene whose first runner lost its power after an entry of a kind."""
    scene = await a_scene(broker)
    scene.journal = Cut(kind)
    with pytest.raises(PowerCut):
        await scene.play()
    scene.broker._events = asyncio.Queue()
    return scene


async def test_intent_that_was_never_sent_is_sent_once_after_a_restart() -> None:
    scene = await cut_after("Approved")
    runner = await scene.play()
    assert isinstance(scene.broker, Counting)
    assert scene.broker.sent == [only(runner).order.id]
    assert (await scene.kinds()).count("Approved") == 1
    assert runner.outcome.resumed == 3
    holds(runner, 50)


async def test_intent_that_no_longer_passes_fails_with_an_alert() -> None:
    scene = await cut_after("Approved")
    await scene.switch(ENGAGED)
    runner = await scene.play()
    assert isinstance(scene.broker, Counting)
    assert scene.broker.sent == []
    state = only(runner)
    assert state.status is OrderStatus.FAILED
    assert state.reason == "not sent before the stop: switch_engaged"
    assert codes(runner) == ["intent_dropped"]
    holds(runner, 0)


async def test_attempt_without_an_answer_is_asked_about_after_a_restart() -> None:
    scene = await cut_after("Submitted")
    runner = await scene.play(AT_ONCE)
    assert isinstance(scene.broker, Counting)
    assert scene.broker.sent == []
    assert only(runner).status is OrderStatus.FAILED
    assert codes(runner) == ["order_unconfirmed"]


async def test_fills_of_the_time_away_are_booked_after_a_restart() -> None:
    scene = await cut_after("Accepted")
    for event in Replay(scene.market.frame, (), first=1, stop=3):
        scene.broker.step(event)
    scene.broker._events = asyncio.Queue()
    runner = scene.runner()
    await runner.start(scene.opening())
    await runner.stop()
    assert only(runner).status is OrderStatus.FILLED
    assert (await scene.orders.get(only(runner).order.id)) == only(runner)
    holds(runner, 50)


async def test_order_that_the_venue_denies_to_have_taken_stops_the_start() -> None:
    scene = await cut_after("Accepted")
    scene.brokerage.orders.clear()
    runner = scene.runner()
    with pytest.raises(LedgerError, match="unknown at the venue that took it"):
        await runner.start(scene.opening())
    await runner.stop()


async def test_order_that_the_venue_forgets_during_a_run_stops_it() -> None:
    scene = await a_scene(Counting)
    runner = await decided(scene)
    scene.brokerage.orders.clear()
    with pytest.raises(LedgerError, match="unknown at the venue that took it"):
        await runner._settling.catch_up()
    await runner.stop()


async def test_journal_replayed_twice_gives_the_same_book_and_tables() -> None:
    scene = await a_scene(Counting)
    first = await scene.play()
    tables = scene.orders
    for _time in range(2):
        scene.orders = MemoryOrderStore()
        scene.broker._events = asyncio.Queue()
        again = scene.runner()
        await again.start(scene.opening())
        await again.stop()
        assert again.engine.ledger.snapshot() == first.engine.ledger.snapshot()
        assert again.engine.desk.states == first.engine.desk.states
        assert again.engine.desk.fills == first.engine.desk.fills
        assert await scene.orders.fills() == await tables.fills()
        order = only(first).order.id
        assert await scene.orders.get(order) == await tables.get(order)
        assert codes(again) == []
    kinds = await scene.kinds()
    assert (kinds.count("CashMoved"), kinds.count("Filled")) == (1, 1)


async def test_news_of_a_strangers_order_is_kept_and_alerted() -> None:
    scene = await a_scene(Counting)
    runner = scene.runner()
    await runner.start(scene.opening())
    stranger = Accepted(OrderId("by-hand"), scene.clock.now(), None)
    scene.broker._events.put_nowait(stranger)
    await runner.run(scene.feed())
    await runner.stop()
    assert codes(runner) == ["order_unknown"]
    kept = [e.body["order"] for e in await scene.journal.since(0) if e.kind == "Accepted"]
    assert "by-hand" in kept
    assert await scene.orders.get(stranger.order) is None
    holds(runner, 50)


async def test_runner_that_never_started_lets_go_of_the_broker() -> None:
    scene = await a_scene(Counting)
    await scene.runner().stop()
    assert [event async for event in scene.broker.events()] == []


async def test_whole_feed_heard_again_after_a_restart_changes_nothing() -> None:
    days = Scene().days
    scene = Scene(
        Counting,
        CashDividend(AAA, days[3], dec("0.50")),
        Split(AAA, days[2], Fraction(2)),
        Delisting(AAA, days[4]),
    )
    await scene.switch(CLEAR)
    first = await scene.play()
    # 50 shares become 100, are paid 0.50 each, and leave at the last price of 100.
    assert first.engine.ledger.cash == 5_000 + 50 + 10_000
    assert first.engine.ledger.quantities == {}

    class Again:
        async def events(self) -> AsyncIterator[Event]:
            for event in Replay(scene.market.frame, scene.market.actions, first=1):
                yield event

    scene.broker._events = asyncio.Queue()
    again = await scene.play(feed=Again())
    assert again.engine.ledger.snapshot() == first.engine.ledger.snapshot()
    kinds = await scene.kinds()
    assert [kinds.count(kind.__name__) for kind in (DividendPaid, SplitApplied, Delisted)] == [
        1
    ] * 3
    assert again.outcome.differences == ()


ALWAYS = Patience(confirm=0.0, news=0.0, poll=0.0, look=0.0, longest=0.0)
BLOCKED = VenueStanding("trading_blocked", 0.0)
SKEWED = VenueStanding("", -1.5)


async def doubted(scene: Scene, doubt: VenueStanding | None, *, deaf: bool = False) -> Runner:
    """Half is bought after day 0, more is wished after day 2 and nothing after day 3.

    The doubt begins with day 2 and ends after day 3.
    """
    broker = scene.broker
    assert isinstance(broker, Doubtful)
    days = scene.days
    scene.weights |= {days[2]: {"AAA": 0.9}, days[3]: {"AAA": 0.25}}
    runner = scene.runner(ALWAYS)
    await runner.start(scene.opening())
    async for event in scene.feed().events():
        if event.at == scene.market.frame.known(2):
            broker.says = doubt
            if deaf:
                broker.connected.clear()
        if event.at == scene.market.frame.known(4):
            broker.says = VenueStanding("", 0.0)
            broker.connected.set()
        await runner._market(event)
    await runner.stop()
    return runner


@pytest.mark.parametrize(
    ("doubt", "deaf", "reason"),
    [
        (BLOCKED, False, "the account is blocked: trading_blocked"),
        (SKEWED, False, "the clocks differ: ours is -1.500 s ahead of the venue's"),
        (VenueStanding("", 0.0), True, "the trade updates are not connected"),
        (BLOCKED, True, "the trade updates are not connected; the account is blocked: trading_b"),
    ],
    ids=["blocked", "skewed", "deaf", "both"],
)
async def test_a_venue_that_is_doubted_is_sent_reductions_alone_until_it_is_not(
    doubt: VenueStanding, deaf: bool, reason: str
) -> None:
    scene = await a_scene(Doubtful)
    runner = await doubted(scene, doubt, deaf=deaf)
    assert [refusal.code for refusal in runner.outcome.refusals] == [RefusalCode.VENUE_UNFIT]
    (bought, sold) = runner.engine.desk.states.values()
    assert (sold.order.side, sold.order.reduce_only) == (Side.SELL, True)
    assert sold.order.quantity == Decimal(25)
    assert {bought.status, sold.status} == {OrderStatus.FILLED}
    changed = [e for e in await scene.journal.since(0) if e.kind == "VenueChanged"]
    assert [entry.body["fit"] for entry in changed] == [False, True]
    assert str(changed[0].body["reason"]).startswith(reason)
    told = [alert.code for alert in runner.outcome.alerts if alert.code.startswith("venue")]
    assert told == ["venue_unfit", "venue_fit"]
    holds(runner, 25)


async def test_a_venue_that_is_silent_for_long_stops_nothing_and_is_mended_after() -> None:
    scene = await a_scene(Doubtful)
    runner = await doubted(scene, None)
    assert [refusal.code for refusal in runner.outcome.refusals] == [RefusalCode.VENUE_UNFIT]
    (_, sold) = runner.engine.desk.states.values()
    # The reduction was tried, its answer never came, and the venue did not know it afterwards.
    assert (sold.order.side, sold.status) == (Side.SELL, OrderStatus.FAILED)
    assert "order_unconfirmed" in codes(runner)
    assert await scene.kill_switch() == CLEAR
    assert runner.engine.switches.venue_fit
    holds(runner, 50)


async def test_a_venue_that_falls_silent_over_one_order_is_not_sent_the_next() -> None:
    scene = await a_scene(Doubtful)
    broker = scene.broker
    assert isinstance(broker, Doubtful)
    runner = scene.runner(ALWAYS)
    await runner.start(scene.opening())
    approved = [
        command.approved for weight in (0.2, 0.3) for command in orders_for(runner, scene, weight)
    ]
    broker.says = None
    await runner._perform([Submit(one) for one in approved])
    await runner.stop()
    states = [runner.engine.desk.states[one.order.id] for one in approved]
    assert [state.status for state in states] == [
        OrderStatus.SUBMITTED_UNCONFIRMED,
        OrderStatus.FAILED,
    ]
    assert states[1].reason == "not sent: venue_unfit"
    assert broker.sent == []
    assert codes(runner) == ["order_unconfirmed", "venue_unfit", "intent_dropped"]


def orders_for(runner: Runner, scene: Scene, weight: float) -> list[Submit]:
    """What the engine would send at the first close for a weight."""
    scene.weights[scene.days[0]] = {"AAA": weight}
    bar = BarClosed(scene.market.frame, 0)
    return [c for c in runner.engine.handle(bar) if isinstance(c, Submit)]


async def test_doubts_are_looked_at_between_bars_too() -> None:
    scene = await a_scene(Doubtful)
    assert isinstance(scene.broker, Doubtful)
    runner = scene.runner(ALWAYS)
    await runner.start(scene.opening())
    seen: list[tuple[bool, bool]] = []
    for said in (BLOCKED, None, VenueStanding("", 0.0)):
        scene.broker.says = said
        await runner._market(TimerFired("look", scene.clock.now()))
        seen.append((runner.engine.switches.venue_fit, runner.watch.is_silent))
    await runner.stop()
    assert seen == [(False, False), (False, True), (True, False)]
    assert (await scene.kinds()).count("VenueChanged") == 2


async def test_the_books_are_compared_after_a_silence_and_stop_the_run_if_they_differ() -> None:
    scene = await a_scene(Doubtful)
    assert isinstance(scene.broker, Doubtful)
    broker: Doubtful = scene.broker
    scene.weights[scene.days[0]] = {}
    runner = scene.runner(ALWAYS)
    await runner.start(scene.opening())

    class Lost:
        async def events(self) -> AsyncIterator[Event]:
            broker.says = None
            yield TimerFired("look", scene.clock.now())
            broker.brokerage.ledger.cash -= 1
            broker.says = VenueStanding("", 0.0)
            async for event in scene.feed().events():
                yield event

    with pytest.raises(LedgerError, match="cash: ours 10000, theirs 9999"):
        await runner.run(Lost())
    await runner.stop()
    assert (await scene.kill_switch())["engaged"] is True


async def test_a_restart_remembers_that_the_venue_was_unfit() -> None:
    scene = await cut_after("Approved", Doubtful)
    assert isinstance(scene.broker, Doubtful)
    scene.broker.says = BLOCKED
    runner = await scene.play(ALWAYS)
    (state,) = runner.engine.desk.states.values()
    assert state.reason == "not sent before the stop: venue_unfit"
    assert not runner.engine.switches.venue_fit
    scene.broker._events = asyncio.Queue()
    again = scene.runner(ALWAYS)
    await again.start(scene.opening())
    await again.stop()
    assert not again.engine.switches.venue_fit
    assert (await scene.kinds()).count("VenueChanged") == 1


async def test_doubt_grows_the_interval_between_two_questions() -> None:
    scene = await a_scene(Doubtful)
    assert isinstance(scene.broker, Doubtful)
    watch = Watch(scene.broker, Patience(news=0.0))
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(8):
        watch.lost("time-out")
        waits.append(round(watch._next - loop.time()))
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30]
    assert watch.reason == "the venue does not answer: time-out"
    await watch.look()
    assert watch.is_silent
