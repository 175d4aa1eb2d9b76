"""The compiled path beside a bare compiled loop over the same bars, in the same process.

Figures are medians of several runs; the first call, which compiles or loads what was compiled,
is told apart, and so is what compiling took of it. How cost grows is told at three sizes each of
bars and symbols, as the least processor time of a unit by that of the smallest: others that run
on the machine count less in that. The bare loop crosses the same averages by prefix sums and
books nothing but cash: what is above it is the cost of rules, exactness and records.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

from tests.performance.bench import (
    W1_BARS,
    W1_EQUITY,
    W1_FILLS,
    W2_DAYS,
    W2_SYMBOLS,
    daily_market,
    daily_spec,
    minute_market,
    minute_spec,
)
from tradewright.backtest.arrays import compiled_seconds, run_arrays, sweep
from tradewright.core.frames import FloatArray
from tradewright.data.history import MarketData

W3_BARS = 100_000
FASTS, SLOWS = range(5, 126, 5), range(130, 326, 5)
SHARES, RATE, EDGE = 100.0, 0.005, 1e-6


@numba.njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def bare_cross(opens: FloatArray, sums: FloatArray, fast: int, slow: int) -> int:
    """Fills of a moving-average cross-over, as short as it can be said."""
    cash, held, fills = 0.0, 0.0, 0
    for row in range(slow - 1, len(opens) - 1):
        gap = (sums[row + 1] - sums[row + 1 - fast]) / fast
        gap -= (sums[row + 1] - sums[row + 1 - slow]) / slow
        if (held == 0.0 and gap > EDGE) or (held != 0.0 and gap < -EDGE):
            sign = 1.0 if held == 0.0 else -1.0
            cash -= sign * SHARES * opens[row + 1] + SHARES * RATE
            held += sign * SHARES
            fills += 1
    return fills


@numba.njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def bare_values(closes: FloatArray, held: FloatArray) -> float:
    """The value of fixed holdings at each row, added up."""
    total = 0.0
    for row in range(closes.shape[0]):
        for column in range(closes.shape[1]):
            value = closes[row, column] * held[column]
            if value == value:  # noqa: PLR0124 - not NaN
                total += value
    return total


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a first call, of compiling in it, and of each later one by two clocks."""

    first: float
    compiled: float
    seconds: list[float]
    processor: list[float]
    result: Any


def timed(work: Callable[[], Any], runs: int) -> Times:
    """Call some work, once and then so many times more."""
    compiled = compiled_seconds()
    began = time.perf_counter()
    result = work()
    first, compiled = time.perf_counter() - began, compiled_seconds() - compiled
    seconds, processor = [], []
    for _ in range(runs):
        began, busy = time.perf_counter(), time.process_time()
        result = work()
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    return Times(first, compiled, seconds, processor, result)


def line(name: str, units: int, times: Times, bare: Times, **more: Any) -> dict[str, Any]:
    """One measurement beside the bare loop's."""
    median = statistics.median(times.seconds)
    return {
        "work": name,
        "first_call_seconds": round(times.first, 3),
        "compiled_seconds": round(times.compiled, 3),
        "seconds_median": round(median, 4),
        "seconds_best": round(min(times.seconds), 4),
        "processor_seconds_best": round(min(times.processor), 4),
        "units": units,
        "per_second": round(units / median),
        "times_bare_loop": round(min(times.processor) / min(bare.processor), 2),
        **more,
    }


def prefix(closes: FloatArray) -> FloatArray:
    """Sums of closes from the first on, exact in cents."""
    return np.concatenate(([0.0], np.cumsum(np.round(closes * 100.0)))) / 100.0


def grown(what: str, costs: dict[int, float]) -> dict[str, Any]:
    """How the seconds of a unit change with the size."""
    size, seconds = next(iter(costs.items()))
    ratios = {f"{n:,}": round(spent / n / (seconds / size), 2) for n, spent in costs.items()}
    return {"work": f"cost of one of so many {what}, by that of the fewest", "ratios": ratios}


def one_symbol(bars: int, runs: int) -> dict[str, Any]:
    """W1: SMA(10)/SMA(30) over minute bars."""
    market = minute_market(bars)
    spec = minute_spec(market)
    times = timed(lambda: run_arrays(spec, market), runs)
    result = times.result
    right = (len(result.fills), result.final_equity) == (W1_FILLS, W1_EQUITY)
    if bars == W1_BARS and not right:
        raise SystemExit(f"W1 is wrong: {len(result.fills)} fills, {result.final_equity}")
    opens, closes = market.frame.open[:, 0].copy(), market.frame.close[:, 0]
    bare = timed(lambda: bare_cross(opens, prefix(closes), 10, 30), runs)
    about = {"fills": len(result.fills), "equity": str(result.final_equity)}
    return line(f"W1 SMA(10)/SMA(30), {bars:,} minute bars, arrays", bars, times, bare, **about)


def with_bars(runs: int) -> dict[str, Any]:
    """How the cost of W1 grows with its bars."""
    costs = {}
    for bars in (W1_BARS // 4, W1_BARS // 2, W1_BARS):
        market = minute_market(bars)
        spec = minute_spec(market)
        costs[bars] = min(timed(partial(run_arrays, spec, market), runs).processor)
    return grown("bars (W1)", costs)


def with_symbols(market: MarketData, runs: int) -> dict[str, Any]:
    """How the cost of W2 grows with its symbols."""
    spec, costs = daily_spec(market), {}
    for symbols in (W2_SYMBOLS // 4, W2_SYMBOLS // 2, W2_SYMBOLS):
        some = replace(market, frame=market.frame.columns(market.frame.instruments[:symbols]))
        costs[symbols] = min(timed(partial(run_arrays, spec, some), runs).processor)
    return grown("symbols (W2)", costs)


def with_days(market: MarketData, runs: int) -> dict[str, Any]:
    """How the cost of W2 grows with its days."""
    costs = {}
    for days in (W2_DAYS // 4, W2_DAYS // 2, W2_DAYS):
        frame = market.frame.rows(0, days)
        some = replace(
            market,
            frame=replace(frame, sessions=frame.sessions[:days]),
            actions=tuple(a for a in market.actions if a.ex_date <= frame.sessions[days - 1].date),
        )
        spec = daily_spec(some)
        costs[days] = min(timed(partial(run_arrays, spec, some), runs).processor)
    return grown("days (W2)", costs)


def portfolio(market: MarketData, runs: int) -> dict[str, Any]:
    """W2: monthly top 50 of 500 symbols over ten years."""
    spec = daily_spec(market)
    times = timed(lambda: run_arrays(spec, market), runs)
    result, held = times.result, np.ones(W2_SYMBOLS)
    bare = timed(lambda: bare_values(market.frame.close, held), runs)
    about = {"fills": len(result.fills), "equity": str(result.final_equity)}
    return line(
        "W2 500 x 2,520 days, monthly top 50, arrays", W2_SYMBOLS * W2_DAYS, times, bare, **about
    )


def grid(bars: int, runs: int) -> dict[str, Any]:
    """W3: 1,000 pairs of averages over minute bars."""
    market = minute_market(bars)
    spec = minute_spec(market)
    times = timed(lambda: sweep(spec, market, {"fast": FASTS, "slow": SLOWS}), runs)
    opens, closes = market.frame.open[:, 0].copy(), market.frame.close[:, 0]

    def bare_grid() -> int:
        sums = prefix(closes)
        return sum(int(bare_cross(opens, sums, fast, slow)) for fast in FASTS for slow in SLOWS)

    bare = timed(bare_grid, runs)
    pairs = len(FASTS) * len(SLOWS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    about = {
        "fills": int(times.result.fills.sum()),
        "bare_fills": bare.result,
        "peak_megabytes_of_process": round(peak / 1024),
    }
    return line(f"W3 {pairs:,} SMA pairs x {bars:,} bars", pairs * bars, times, bare, **about)


def arrays(runs: int) -> Iterator[dict[str, Any]]:
    """Measure all works, one line each."""
    yield grid(W3_BARS, runs)
    yield one_symbol(W1_BARS, runs)
    yield with_bars(runs)
    with tempfile.TemporaryDirectory() as folder:
        market = daily_market(Path(folder) / "market")
    yield portfolio(market, runs)
    yield with_symbols(market, runs)
    yield with_days(market, runs)


def main() -> None:
    """Measure and print, one JSON line a work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    for one in arrays(options.runs):
        sys.stdout.write(json.dumps(one) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
