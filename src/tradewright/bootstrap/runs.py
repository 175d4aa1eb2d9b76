"""Runs: an engine, a broker, stores and a feed wired to a runner.

Which broker is wired is the one difference between a rehearsal and a real account.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewright.adapters.rehearsal import RehearsalFeed
from tradewright.backtest.replay import Replay
from tradewright.bootstrap.accounts import Account, Conduct, exchange_place
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.money import Money
from tradewright.engine.chronicle import Ports
from tradewright.engine.run import assemble, rows_of
from tradewright.engine.runner import Runner
from tradewright.engine.standing import Patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from decimal import Decimal

    import httpx

    from tradewright.adapters.alpaca import FeeRule
    from tradewright.bootstrap.stores import Stores
    from tradewright.core.events import Event
    from tradewright.core.ids import OrderId
    from tradewright.core.money import Price, Quantity
    from tradewright.core.orders import Side
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec
    from tradewright.ports import Broker, MarketFeed


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A runner wired to a rehearsal exchange, and the feed that drives both."""

    runner: Runner
    feed: MarketFeed


class _Timed:
    # In a rehearsal the market's clock is the only clock: it moves with the feed.
    def __init__(
        self,
        feed: MarketFeed,
        clock: ManualClock,
        total: int,
        progress: Callable[[int, int], None],
    ) -> None:
        self._feed = feed
        self._clock = clock
        self._total = total
        self._progress = progress

    async def events(self) -> AsyncIterator[Event]:
        done = 0
        async for event in self._feed.events():
            if event.at > self._clock.now():
                self._clock.set(event.at)
            done += 1
            self._progress(done, self._total)
            yield event


class _MarketClock(ManualClock):
    # The market's time stands and jumps; waits and budgets are counted in our own.
    def monotonic(self) -> float:
        return SystemClock().monotonic()


@asynccontextmanager
async def rehearse(
    spec: RunSpec,
    market: MarketData,
    stores: Stores,
    access: tuple[str, str, str],
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    patience: Patience | None = None,
    wrap: Callable[[Broker], Broker] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AsyncIterator[Rehearsal]:
    """Start a runner against the exchange at `access` (base URL, key, secret).

    `transport` and `wrap` stand between us and the exchange, for drills; `progress` is told
    events done and events in all.

    What happens is logged and counted as it happens.

    Raises:
        InvalidInput: A cost model of the spec cannot be followed beside an exchange.
        LedgerError: The exchange's book is not the one that the journal tells of.
        VenueUnavailable: The exchange does not answer.
    """
    # Only a runner logs, and every command loads this module.
    from tradewright.ops.trading import TradingWatch

    base_url, key, secret = access
    rows = rows_of(spec, market)
    frame = market.frame
    clock, conduct = _MarketClock(frame.known(rows.first - 1)), Conduct()

    def tell(code: str, message: str) -> None:
        runner.chronicle.alert(code, message)

    account = Account(
        exchange_place(base_url, key, secret),
        conduct,
        list(market.instruments.values()),
        fee=fee_of(spec),
        clock=clock,
        tell=tell,
        transport=transport,
    )
    broker: Broker = account.broker if wrap is None else wrap(account.broker)
    engine = assemble(spec, market, rows)
    watch = TradingWatch("rehearsal", SystemClock(), lambda: len(engine.desk.open))
    ports = Ports(broker, stores.journal, stores.orders, stores.switches, clock, hear=watch)
    waits = patience or Patience(skew=conduct.max_skew_seconds)
    runner = Runner(engine, ports, patience=waits)
    replay = list(Replay(frame, market.actions, first=rows.first, stop=rows.last + 1))
    told = progress or (lambda _done, _total: None)
    feed = _Timed(RehearsalFeed(replay, base_url, key, secret), clock, len(replay), told)
    try:
        # After a restart of ours the market is ahead of where the replay begins.
        there = (await account.broker.reference.clock()).at
        clock.set(max(clock.now(), there))
        yield Rehearsal(runner, feed)
    finally:
        await runner.stop()
        await account.close()


def fee_of(spec: RunSpec) -> FeeRule:
    """Return what a spec's models take of an execution at a rehearsal exchange.

    Raises:
        InvalidInput: A model cannot be followed beside an exchange.
    """
    names = spec.cost_names()
    names.check_followed()
    costs = names.models()

    def fee(
        _order: OrderId,
        before: Decimal,
        quantity: Quantity,
        price: Price,
        side: Side,
        at: datetime,
    ) -> Money:
        return Money(costs.fee(before, quantity, price, side, at))

    return fee
