"""Research over columns: sixty mean reversions on one half of the past, the best on the other.

The fast path gives what the engine that trades would give, or refuses. Of sixty tries one looks
good by chance: what it earned where it was chosen says little of what comes.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from statistics import fmean

from tradewright import Backtest, Limits, RunSpec
from tradewright.analytics.returns import sharpe, simple_returns
from tradewright.backtest.arrays import sweep
from tradewright.bootstrap import load_market

GRID = {
    "window": ["5", "10", "15", "20", "25", "30"],
    "enter": ["0.8", "0.9", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"],
}


def main() -> None:
    """Choose on the first half and judge on the second."""
    market = load_market(None)
    days = [session.date for session in market.frame.sessions]
    half = len(days) // 2
    first = RunSpec("mean-reversion", {}, days[30], days[half], Decimal(100_000), Limits())
    second = replace(first, first=days[half + 1], last=days[-1])

    chosen, judged = sweep(first, market, GRID), sweep(second, market, GRID)
    before = [sharpe(simple_returns(equity)) for equity in chosen.equity]
    after = [sharpe(simple_returns(equity)) for equity in judged.equity]
    best = max(range(len(before)), key=before.__getitem__)
    print(f"{len(before)} sets; the best on the first half: {chosen.parameters[best]}")
    print(f"Sharpe ratio of the best: {before[best]:.2f} where chosen, {after[best]:.2f} after")
    print(f"mean of all: {fmean(before):.2f} before, {fmean(after):.2f} after")

    # The same run, order by order, by the engine that trades.
    result = Backtest(replace(second, parameters=chosen.parameters[best]), market).run()
    print(f"by events the same: {result.final_equity == judged.final_equity[best]}")


if __name__ == "__main__":
    main()
