"""What a run leaves behind in the process: no cycles, no other collector, nothing held alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from tests.builders import Planned, a_market, a_spec, flat_bars
from tradewright.backtest.backtest import Backtest
from tradewright.data.history import MarketData

ROWS = 40


def a_busy_market() -> MarketData:
    return a_market({"AAA": flat_bars([100.0 + row % 3 for row in range(ROWS)])})


def a_busy_run(market: MarketData) -> Backtest:
    days = [session.date for session in market.frame.sessions]
    plan = {day: {"AAA": float(row % 2 == 0)} for row, day in enumerate(days)}
    return Backtest(a_spec(market), market, strategy=Planned(plan))


@contextmanager
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_run_makes_no_cycles() -> None:
    market = a_busy_market()
    run = a_busy_run(market)
    with uncollected():
        result = run.run()
        assert gc.collect() == 0
    assert len(result.fills) > ROWS / 2


def test_a_run_is_freed_without_a_search_for_cycles() -> None:
    market = a_busy_market()
    with uncollected():
        run = a_busy_run(market)
        engine, desk = weakref.ref(run.engine), weakref.ref(run.engine.desk)
        run.run()
        del run
        assert engine() is None
        assert desk() is None


def test_the_collector_is_left_as_it_was() -> None:
    thresholds = gc.get_threshold()
    a_busy_run(a_busy_market()).run()
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() == 0


def test_what_others_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        a_busy_run(a_busy_market()).run()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
