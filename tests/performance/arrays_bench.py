"""The compiled path beside a bare compiled loop over the same bars, in the same process.

Figures are medians of several runs; the first call, which compiles or loads what was compiled,
is told apart. The bare loop crosses the same averages by prefix sums and books nothing but
cash: what is above it is the cost of rules, exactness and records.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
from tradewright.backtest.arrays import run_arrays, sweep
from tradewright.core.frames import FloatArray

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


def timed(work: Callable[[], Any], runs: int) -> tuple[float, list[float], Any]:
    """Seconds of the first call and of each later one, and what came out."""
    began = time.perf_counter()
    result = work()
    first = time.perf_counter() - began
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return first, seconds, result


def line(
    name: str, units: int, times: tuple[float, list[float], Any], bare: list[float], **more: Any
) -> dict[str, Any]:
    """One measurement beside the bare loop's."""
    first, seconds, _ = times
    median = statistics.median(seconds)
    return {
        "work": name,
        "first_call_seconds": round(first, 3),
        "seconds_median": round(median, 4),
        "seconds_best": round(min(seconds), 4),
        "units": units,
        "per_second": round(units / median),
        "times_bare_loop": round(median / statistics.median(bare), 2),
        **more,
    }


def prefix(closes: FloatArray) -> FloatArray:
    """Sums of closes from the first on, exact in cents."""
    return np.concatenate(([0.0], np.cumsum(np.round(closes * 100.0)))) / 100.0


def one_symbol(bars: int, runs: int) -> dict[str, Any]:
    """W1: SMA(10)/SMA(30) over minute bars."""
    market = minute_market(bars)
    spec = minute_spec(market)
    times = timed(lambda: run_arrays(spec, market), runs)
    result = times[2]
    right = (len(result.fills), result.final_equity) == (W1_FILLS, W1_EQUITY)
    if bars == W1_BARS and not right:
        raise SystemExit(f"W1 is wrong: {len(result.fills)} fills, {result.final_equity}")
    opens, closes = market.frame.open[:, 0].copy(), market.frame.close[:, 0]
    _, bare, _ = timed(lambda: bare_cross(opens, prefix(closes), 10, 30), runs)
    about = {"fills": len(result.fills), "equity": str(result.final_equity)}
    return line(f"W1 SMA(10)/SMA(30), {bars:,} minute bars, arrays", bars, times, bare, **about)


def portfolio(runs: int) -> dict[str, Any]:
    """W2: monthly top 50 of 500 symbols over ten years."""
    with tempfile.TemporaryDirectory() as folder:
        market = daily_market(Path(folder) / "market")
    spec = daily_spec(market)
    times = timed(lambda: run_arrays(spec, market), runs)
    result, held = times[2], np.ones(W2_SYMBOLS)
    _, bare, _ = timed(lambda: bare_values(market.frame.close, held), runs)
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

    _, bare, fills = timed(bare_grid, runs)
    pairs = len(FASTS) * len(SLOWS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    about = {
        "fills": int(times[2].fills.sum()),
        "bare_fills": fills,
        "peak_megabytes_of_process": round(peak / 1024),
    }
    return line(f"W3 {pairs:,} SMA pairs x {bars:,} bars", pairs * bars, times, bare, **about)


def main() -> None:
    """Measure and print, one JSON line a work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    works: list[Callable[[], dict[str, Any]]] = [
        lambda: grid(W3_BARS, options.runs),
        lambda: one_symbol(W1_BARS // 4, options.runs),
        lambda: one_symbol(W1_BARS // 2, options.runs),
        lambda: one_symbol(W1_BARS, options.runs),
        lambda: portfolio(options.runs),
    ]
    for work in works:
        sys.stdout.write(json.dumps(work()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
