"""Orders that fill at the open fill there alike, whether on daily bars or on their minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NO_BAR, WIDE, Row, a_frame, a_market, a_spec, dec
from tests.properties.test_no_look_ahead import NAMES, ROWS, STRATEGIES, actions
from tradewright.backtest.backtest import Backtest, Result
from tradewright.core.market import CorporateAction
from tradewright.core.session import Timeframe
from tradewright.data.detail import detailed
from tradewright.data.history import MarketData

MINUTES = 5


def a_path(noise: np.random.Generator) -> list[list[Row]]:
    """A random walk in cents over all days, by day; minutes and whole days may be missing."""
    price = 5_000
    days: list[list[Row]] = []
    for _ in range(ROWS):
        silent = 1.0 if noise.random() < 0.1 else 0.3
        minutes: list[Row] = []
        for _ in range(MINUTES):
            walk = price + np.cumsum(noise.integers(-60, 61, 4))
            price = max(int(walk[-1]), 500)
            cents = [float(max(cent, 500)) / 100 for cent in walk.tolist()]
            bar = (cents[0], max(cents), min(cents), cents[-1], float(noise.integers(1, 5_000)))
            minutes.append(NO_BAR if noise.random() < silent else bar)
        days.append(minutes)
    return days


def added_up(minutes: list[Row]) -> Row:
    """The daily bar of a day's minutes."""
    known = [bar for bar in minutes if bar is not NO_BAR]
    if not known:
        return NO_BAR
    opens, highs, lows, closes, volumes = zip(*known, strict=True)
    return (opens[0], max(highs), min(lows), closes[-1], sum(volumes))


def a_world(seed: int, happened: list[CorporateAction]) -> MarketData:
    """A market of days with the minutes beside it that its days add up from."""
    paths = {name: a_path(np.random.default_rng((seed, i))) for i, name in enumerate(NAMES)}
    days = {name: [added_up(day) for day in path] for name, path in paths.items()}
    finer = {name: [bar for day in path for bar in day] for name, path in paths.items()}
    market = a_market(days, *happened)
    return detailed(market, a_frame(finer, per_session=MINUTES), range(1, ROWS))


@dataclass
class Case:
    """What a run is made of, small enough to be shown when it fails."""

    seed: int
    actions: list[CorporateAction]
    commission: str
    slippage_bps: int
    strategy: Any

    def run(self, detail: Timeframe | None) -> Result:
        market = a_world(self.seed, self.actions)
        spec = a_spec(
            market,
            commission=self.commission,
            slippage_bps=dec(self.slippage_bps),
            limits=replace(WIDE, max_price_age_rows=ROWS),
            detail=detail,
        )
        return Backtest(spec, market, strategy=self.strategy).run()


cases = st.builds(
    Case,
    st.integers(0, 10**6),
    actions(1, ROWS),
    st.sampled_from(["ib-fixed", "none", "percent"]),
    st.sampled_from([0, 2, 50]),
    st.sampled_from(STRATEGIES),
)


def test_days_that_add_up_from_their_minutes_disagree_in_nothing() -> None:
    for seed in range(20):
        detail = a_world(seed, []).detail
        assert detail is not None
        assert detail.findings == ()


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: type(one).__name__)
def test_the_runs_that_are_compared_trade(strategy: Any) -> None:
    case = Case(1, [], "ib-fixed", 2, strategy)
    assert case.run(Timeframe.MINUTE).fills


@settings(max_examples=60)
@given(cases)
def test_a_run_of_market_orders_at_the_open_is_the_same_on_minutes(case: Case) -> None:
    by_day, by_minute = case.run(None), case.run(Timeframe.MINUTE)
    assert list(by_minute.fills) == list(by_day.fills)
    assert dict(by_minute.orders) == dict(by_day.orders)
    assert list(by_minute.refusals) == list(by_day.refusals)
    assert by_minute.book == by_day.book
    assert by_minute.equity.tobytes() == by_day.equity.tobytes()
    assert by_minute.final_equity == by_day.final_equity
