"""The engine that trades over the works of `make bench`, beside what Python can do at all.

Figures are medians of several runs in one process, and ratios to a bare Python call for each
bar, measured in the same process just before; seconds alone say little about another machine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tradewright.backtest.backtest import Backtest, Result
from tradewright.bootstrap import bar_store, load_market
from tradewright.core.frames import BarFrame, FloatArray
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.session import Calendar, Session, Timeframe
from tradewright.data.history import MarketData
from tradewright.data.sample import sample_market
from tradewright.engine.run import RunSpec
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.sizing import FixedShares
from tradewright.risk.limits import Limits

MINUTE = 60_000_000_000
DAY_MINUTES = 1440
W1_BARS = 1_000_000
W1_FILLS, W1_EQUITY = 38_426, Decimal("981971.00")
W2_SYMBOLS, W2_DAYS, W2_TOP = 500, 2_520, 50
NAME = InstrumentId("TEST")


def bare_call_seconds(calls: int = 1_000_000) -> float:
    """Seconds that one call of a bound method with one bar takes, best of five."""

    class Callee:
        def on_bar(self, bar: tuple[float, ...]) -> float:
            return bar[4]

    on_bar, bar = Callee().on_bar, (1.0, 2.0, 3.0, 4.0, 5.0)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(calls):
            on_bar(bar)
        best = min(best, time.perf_counter() - began)
    return best / calls


def minute_columns(bars: int, seed: int = 7) -> dict[str, FloatArray]:
    """One symbol around the clock, in cents, mean reverting between about 60 and 160.

    The first million bars are those of the peers' scripts: same generator, same order of draws.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.standard_normal(bars) * 4e-4
    level, kept = 0.0, np.empty(bars)
    for i in range(bars):
        level = (1.0 - 2e-6) * level + drawn[i]
        kept[i] = level
    close = np.round(100.0 * np.exp(0.6 * np.tanh(kept / 0.6)), 2)
    gap = np.round(rng.standard_normal(bars) * 0.01, 2)
    opened = np.round(np.concatenate(([100.0], close[:-1])) + gap, 2)
    above = np.round(np.abs(rng.standard_normal(bars)) * 0.02, 2)
    below = np.round(np.abs(rng.standard_normal(bars)) * 0.02, 2)
    columns = {
        "open": opened,
        "high": np.round(np.maximum(opened, close) + above, 2),
        "low": np.round(np.minimum(opened, close) - below, 2),
        "close": close,
        "volume": rng.integers(1_000, 50_000, bars).astype(np.float64),
    }
    return {name: column.reshape(-1, 1) for name, column in columns.items()}


def minute_market(bars: int) -> MarketData:
    """The minute bars as a market that never closes."""
    opened = datetime(2020, 1, 1, tzinfo=UTC)
    days = [opened + timedelta(days=i) for i in range(bars // DAY_MINUTES + 2)]
    sessions = tuple(Session(day.date(), day, day + timedelta(days=1)) for day in days)
    start = np.int64(opened.timestamp()) * 1_000_000_000 + np.arange(bars, dtype=np.int64) * MINUTE
    columns = minute_columns(bars)
    frame = BarFrame(
        Timeframe.MINUTE,
        (NAME,),
        sessions,
        np.arange(bars) // DAY_MINUTES,
        start,
        start + MINUTE,
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns["volume"],
    )
    calendar = Calendar("24/7", sessions)
    instruments = {NAME: Instrument(NAME, "TEST")}
    return MarketData(frame, instruments, (), calendar, "simulated minutes", simulated=True)


def minute_spec(market: MarketData) -> RunSpec:
    """Buy 100 when SMA(10) rises above SMA(30), sell when it falls below; 0.005 a share."""
    sessions = market.frame.sessions
    return RunSpec(
        strategy="sma-cross",
        parameters={"timeframe": "minute"},
        first=sessions[0].date,
        last=sessions[-1].date,
        capital=Decimal(1_000_000),
        limits=Limits(),
        commission="per-share",
        slippage_bps=Decimal(0),
        construction=Construction(FixedShares(Decimal(100))),
        timeframe=Timeframe.MINUTE,
    )


def daily_market(folder: Path) -> MarketData:
    """500 simulated symbols over ten years, written to a store and read back."""
    made = sample_market(symbols=W2_SYMBOLS, sessions=W2_DAYS, first=date(2010, 1, 4))
    bar_store(folder).write(made.frame, made.instruments, made.actions)
    return load_market(folder)


def daily_spec(market: MarketData) -> RunSpec:
    """12-1 momentum, the top 50 in equal weights, looked at monthly."""
    sessions = market.frame.sessions
    return RunSpec(
        strategy="momentum",
        parameters={"top": str(W2_TOP)},
        first=sessions[1].date,
        last=sessions[-1].date,
        capital=Decimal(10_000_000),
        limits=Limits(),
        slippage_bps=Decimal(5),
        commission="none",
    )


def measured(work: Callable[[], Result], runs: int) -> tuple[list[float], Result]:
    """Seconds of each run, and the last run's result."""
    began = time.perf_counter()
    result = work()
    seconds = [time.perf_counter() - began]
    for _ in range(runs - 1):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return seconds, result


def line(name: str, units: int, seconds: list[float], bare: float, **more: Any) -> dict[str, Any]:
    """One measurement: median and best seconds, units a second, and ratio to the bare call."""
    median = statistics.median(seconds)
    return {
        "work": name,
        "seconds_median": round(median, 3),
        "seconds_best": round(min(seconds), 3),
        "units": units,
        "per_second": round(units / median),
        "of_bare_call": round(bare * units / median, 4),
        **more,
    }


def bench(bars: int, runs: int) -> list[dict[str, Any]]:
    """Measure both works and check their answers."""
    bare = bare_call_seconds()
    lines = [{"work": "a bare Python call per bar", "per_second": round(1 / bare)}]
    market = minute_market(bars)
    seconds, result = measured(lambda: Backtest(minute_spec(market), market).run(), runs)
    right = (len(result.fills), result.final_equity) == (W1_FILLS, W1_EQUITY)
    if bars == W1_BARS and not right:
        raise SystemExit(f"W1 is wrong: {len(result.fills)} fills, {result.final_equity}")
    about = {"fills": len(result.fills), "equity": str(result.final_equity)}
    lines.append(line("W1 SMA(10)/SMA(30), minute bars, events", bars, seconds, bare, **about))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        daily = daily_market(Path(folder) / "market")
        prepared = time.perf_counter() - began
        seconds, result = measured(lambda: Backtest(daily_spec(daily), daily).run(), runs)
    about = {"fills": len(result.fills), "equity": str(result.final_equity)}
    about["simulate_write_read_seconds"] = str(round(prepared, 2))
    units = W2_SYMBOLS * W2_DAYS
    lines.append(line("W2 500 x 2,520 days, monthly top 50, events", units, seconds, bare, **about))
    return lines
