"""What a runner does is heard once: as lines and as metrics; a backtest is not heard at all."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest

from tests.builders import (
    AT,
    Planned,
    a_market,
    a_spec,
    a_venue_model,
    an_order,
    cash,
    dec,
    flat_bars,
)
from tradewright.adapters.memory import (
    MemoryBroker,
    MemoryFeed,
    MemoryJournal,
    MemoryOrderStore,
    MemoryStateStore,
)
from tradewright.backtest.backtest import Backtest
from tradewright.backtest.replay import Replay
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.decisions import Refusal, RefusalCode
from tradewright.core.events import Alert, CashMoved, Submitted, SwitchChanged, VenueChanged
from tradewright.core.records import JsonValue
from tradewright.engine.chronicle import Ports, Told
from tradewright.engine.run import assemble, rows_of
from tradewright.engine.runner import KILL_SWITCH, Runner
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.ops import metrics
from tradewright.ops.trading import TradingWatch

LOGGER = "tradewright.trading"


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def total(name: str) -> float:
    """A counter over all its labels."""
    families = metrics.REGISTRY.collect()
    return sum(s.value for family in families for s in family.samples if s.name == name)


class Scene:
    """An account of 10,000 that buys AAA after the first day; a runner of it is heard."""

    def __init__(self) -> None:
        self.market = a_market({"AAA": flat_bars([100.0] * 5)})
        self.spec = a_spec(self.market)
        self.rows = rows_of(self.spec, self.market)
        self.clock = ManualClock(self.market.frame.known(self.rows.first - 1))
        self.brokerage = SimulatedBrokerage(
            self.market.frame,
            self.market.instruments,
            model=a_venue_model(),
            cash=dec("10000"),
            leverage=self.spec.limits.leverage,
            at=self.clock.now(),
            row=self.rows.first - 1,
        )
        self.broker = MemoryBroker(self.brokerage, self.clock)
        self.stores = (MemoryJournal(), MemoryOrderStore(), MemoryStateStore())
        self.heard: list[Told] = []

    async def play(self, *, engaged: bool = False) -> Runner:
        """Live through all days."""
        journal, orders, switches = self.stores
        stored = await switches.get(KILL_SWITCH)
        state: JsonValue = {"engaged": engaged, "reason": "test", "version": 1}
        await switches.compare_and_set(KILL_SWITCH, state, stored.version if stored else 0)
        first = self.market.frame.sessions[0].date
        plan = Planned({first: {"AAA": 0.5}})
        engine = assemble(self.spec, self.market, self.rows, strategy=plan)
        watch = TradingWatch("memory", SystemClock(), lambda: len(engine.desk.open))

        def hear(told: Told, about: Any) -> None:
            self.heard.append(told)
            watch(told, about)

        ports = Ports(self.broker, journal, orders, switches, self.clock, hear=hear)
        runner = Runner(engine, ports)
        replay = Replay(self.market.frame, self.market.actions, first=self.rows.first)
        try:
            await runner.start([CashMoved(cash("10000"), self.clock.now(), "opening balance")])
            await runner.run(MemoryFeed(replay, self.broker))
        finally:
            await runner.stop()
        return runner


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger=LOGGER)
    return caplog


def named(lines: pytest.LogCaptureFixture) -> Counter[str]:
    return Counter(record.getMessage() for record in lines.records if record.name == LOGGER)


async def test_a_run_is_told_in_lines_and_counted(lines: pytest.LogCaptureFixture) -> None:
    names = ("orders_submitted_total", "order_fills_total")
    before = [total(name) for name in names]
    answered = value("order_latency_seconds_count")
    compared = value("reconciliation_latency_seconds_count")
    runner = await Scene().play()
    assert len(runner.engine.desk.fills) == 1
    told = named(lines)
    assert (told["ORDER_SUBMITTED"], told["ORDER_ACCEPTED"], told["ORDER_FILLED"]) == (1, 1, 1)
    assert told["CASH_MOVED"] == 1
    assert told["SESSION_CLOSED"] == told["SESSION_OPENED"] > 0
    assert told["BOOKS_COMPARED"] >= 2
    assert [total(name) - was for name, was in zip(names, before, strict=True)] == [1, 1]
    assert value("order_latency_seconds_count") == answered + 1
    assert value("reconciliation_latency_seconds_count") == compared + told["BOOKS_COMPARED"]
    assert value("reconciliation_last_run_timestamp") > 1e9
    assert value("open_orders") == 0
    assert value("kill_switch_state", scope="global") == 0
    assert value("venue_fit", venue="memory") == 1
    filled = next(r for r in lines.records if r.getMessage() == "ORDER_FILLED")
    assert vars(filled)["_said"]["symbol"] == "AAA"


async def test_a_refusal_is_told_with_its_code(lines: pytest.LogCaptureFixture) -> None:
    before = value("orders_refused_total", code="switch_engaged")
    runner = await Scene().play(engaged=True)
    assert [refusal.code for refusal in runner.outcome.refusals] == [RefusalCode.SWITCH_ENGAGED]
    assert value("orders_refused_total", code="switch_engaged") == before + 1
    assert value("kill_switch_state", scope="global") == 1
    assert named(lines)["ORDER_REFUSED"] == 1


async def test_what_was_heard_before_a_stop_is_not_told_again() -> None:
    scene = Scene()
    await scene.play()
    assert any(isinstance(told, Submitted) for told in scene.heard)
    scene.heard.clear()
    again = await scene.play()
    assert again.outcome.resumed > 0
    assert not [told for told in scene.heard if isinstance(told, Submitted | CashMoved)]


def test_alerts_switches_and_the_venue_move_metrics() -> None:
    watch = TradingWatch("memory", SystemClock(), lambda: 3)
    before = value("trading_alerts_total", code="books_differ")
    watch(Alert("books_differ", "cash: ours 1, theirs 2", AT), None)
    assert value("trading_alerts_total", code="books_differ") == before + 1
    watch(VenueChanged(fit=False, at=AT, reason="deaf"), None)
    assert value("venue_fit", venue="memory") == 0
    for engaged, shown in ((True, 1), (None, -1), (False, 0)):
        watch(SwitchChanged("momentum", engaged, AT), None)
        assert value("kill_switch_state", scope="momentum") == shown
    watch(Refusal(an_order(), RefusalCode.ORDER_SIZE, AT, {}), None)


def test_a_backtest_is_not_heard(lines: pytest.LogCaptureFixture) -> None:
    market = a_market({"AAA": flat_bars([100.0] * 5)})
    plan = Planned({market.frame.sessions[0].date: {"AAA": 0.5}})
    result = Backtest(a_spec(market), market, strategy=plan).run()
    assert result.orders
    assert not named(lines)
