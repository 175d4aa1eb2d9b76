"""Backtest, runner over memory and runner over HTTP trade the same month alike.

The stored list is what they traded when it was last looked at; write it anew after a change
that is meant, with `python -m tests.parity.test_parity`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.parity.cases import exchange, market, spec
from tradewright.adapters.memory import (
    MemoryBroker,
    MemoryFeed,
    MemoryJournal,
    MemoryOrderStore,
    MemoryStateStore,
)
from tradewright.backtest.backtest import Backtest
from tradewright.backtest.replay import Replay
from tradewright.bootstrap import Databases, Stores, load_settings, open_stores, rehearse
from tradewright.cli.rehearsal import KEY, SECRET, clear_first_switch
from tradewright.core.clock import ManualClock
from tradewright.core.events import CashMoved
from tradewright.core.money import Money
from tradewright.core.records import to_body
from tradewright.engine.chronicle import Ports
from tradewright.engine.run import assemble, rows_of
from tradewright.engine.runner import Runner
from tradewright.execution.brokerage import SimulatedBrokerage

if TYPE_CHECKING:
    from tradewright.data.history import MarketData
    from tradewright.engine.engine import Engine
    from tradewright.engine.run import RunSpec

STORED = Path(__file__).with_name("orders.json")


def traded(engine: Engine) -> list[dict[str, Any]]:
    """Every order with all its fields, where it ended, and its executions, in order of asking."""
    fills = engine.desk.fills
    return [
        {
            "order": to_body(state.order),
            "status": state.status.value,
            "fills": [
                [format(n.normalize(), "f") for n in (f.quantity, f.price, f.fee.amount)]
                for f in fills
                if f.order == state.order.id
            ],
        }
        for state in engine.desk.states.values()
    ]


def by_backtest(run: RunSpec, loaded: MarketData) -> Engine:
    """The month in a backtest."""
    backtest = Backtest(run, loaded)
    backtest.run()
    return backtest.engine


async def by_memory(run: RunSpec, loaded: MarketData) -> Engine:
    """The month by the runner, with a fake of every port."""
    rows = rows_of(run, loaded)
    clock = ManualClock(loaded.frame.known(rows.first - 1))
    brokerage = SimulatedBrokerage(
        loaded.frame,
        loaded.instruments,
        model=run.venue_model(),
        cash=run.capital,
        leverage=run.limits.leverage,
        at=clock.now(),
        row=rows.first - 1,
        actions=loaded.actions,
    )
    broker = MemoryBroker(brokerage, clock)
    stores = Stores(MemoryJournal(), MemoryOrderStore(), MemoryStateStore())
    await clear_first_switch(stores)
    ports = Ports(broker, stores.journal, stores.orders, stores.switches, clock)
    runner = Runner(assemble(run, loaded, rows), ports)
    await runner.start([CashMoved(Money(run.capital), clock.now(), "opening balance")])
    replay = Replay(loaded.frame, loaded.actions, first=rows.first, stop=rows.last + 1)
    await runner.run(MemoryFeed(replay, broker))
    await runner.stop()
    assert runner.outcome.differences == ()
    return runner.engine


async def by_http(
    run: RunSpec, loaded: MarketData, address: str, database_url: str, redis_url: str
) -> Engine:
    """The month by the runner, over HTTP and a stream to an exchange in another process."""
    found = Databases(database_url, redis_url, embedded=False)
    async with (
        open_stores(found, load_settings({})) as stores,
        rehearse(run, loaded, stores, (address, KEY, SECRET)) as rehearsal,
    ):
        await clear_first_switch(stores)
        runner = rehearsal.runner
        opening = loaded.frame.known(rows_of(run, loaded).first - 1)
        await runner.start([CashMoved(Money(run.capital), opening, "opening balance")])
        await runner.run(rehearsal.feed)
        assert runner.outcome.differences == ()
        assert runner.outcome.alerts == []
        return runner.engine


async def test_month_is_traded_alike_in_backtest_in_memory_and_over_http(
    database_url: str, redis_url: str
) -> None:
    loaded = market()
    run = spec(loaded)
    backtest = by_backtest(run, loaded)
    memory = await by_memory(run, loaded)
    with exchange(run, loaded) as address:
        http = await by_http(run, loaded, address, database_url, redis_url)
    expected = json.loads(STORED.read_text(encoding="utf-8"))
    assert traded(backtest) == expected["orders"]
    assert traded(memory) == expected["orders"]
    assert traded(http) == expected["orders"]
    for engine in (backtest, memory, http):
        assert str(engine.ledger.cash) == expected["cash"]
        assert engine.equity() == Decimal(expected["equity"])


if __name__ == "__main__":
    settled = market()
    engine_ = by_backtest(spec(settled), settled)
    kept = {
        "orders": traded(engine_),
        "cash": str(engine_.ledger.cash),
        "equity": str(engine_.equity()),
    }
    STORED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
