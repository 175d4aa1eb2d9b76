"""The same run in another process, with another hash seed, is the same run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.builders import a_market, a_spec, flat_bars
from tradewright.backtest.backtest import Backtest
from tradewright.core.records import to_body
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.strategy import Rebalance

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"N{number}" for number in range(12)]


def digest() -> str:
    """A hash over every order, fill and number of a small run."""
    closes = {
        name: [10.0 + (7 * place + 3 * row * row) % 11 for row in range(12)]
        for place, name in enumerate(NAMES)
    }
    market = a_market({name: flat_bars(row) for name, row in closes.items()})
    strategy = Momentum(top=5, lookback=3, skip=1, rebalance=Rebalance.DAY)
    result = Backtest(a_spec(market, commission="ib-fixed"), market, strategy=strategy).run()
    assert len(result.fills) > 20
    facts = [to_body(order) for order in result.orders.values()]
    facts += [to_body(fill) for fill in result.fills]
    told = f"{facts} {result.book} {result.final_equity} {result.equity.tolist()}"
    return hashlib.sha256(told.encode()).hexdigest()


def elsewhere(seed: str) -> str:
    code = "from tests.properties.test_determinism import digest; print(digest())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},  # noqa: TID251 - only the seed is changed
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_run_does_not_depend_on_its_process() -> None:
    assert elsewhere("1") == elsewhere("2") == digest() == digest()
