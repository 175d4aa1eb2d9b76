from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_market, flat_bars
from tradewright.analytics.returns import SESSIONS_A_YEAR, sharpe
from tradewright.backtest.validation.regimes import (
    Regime,
    market_weather,
    split_by_regime,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray
from tradewright.data.history import MarketData


def walk(sessions: int, seed: int = 0) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).standard_normal(sessions)


@given(st.integers(0, 200), st.integers(60, 118))
def test_the_weather_of_a_session_is_known_before_it(seed: int, cut: int) -> None:
    returns = walk(120, seed)
    other = np.concatenate([returns[:cut], 5 * walk(120 - cut, seed + 1)])
    one, two = (market_weather(some, trend=20, unrest=10) for some in (returns, other))
    # The session of the cut itself is told by what came before it.
    assert one[: cut + 1] == two[: cut + 1]


def test_weather_is_unknown_until_there_is_enough_to_tell_it_by() -> None:
    found = market_weather(walk(120), trend=20, unrest=10)
    # The 21st deviation of ten returns is known before session 30.
    assert found.index(next(one for one in found if one is not Regime.UNKNOWN)) == 30
    later = market_weather(walk(120), trend=80, unrest=10)
    assert [one is Regime.UNKNOWN for one in later] == [True] * 79 + [False] * 41


def test_trend_and_unrest_are_told_apart() -> None:
    calm = np.tile([0.001, 0.003], 50)
    wild = np.tile([-0.05, 0.04], 50)
    found = market_weather(np.concatenate([calm, wild]), trend=20, unrest=10)
    assert set(found[40:100]) == {Regime.RISING_CALM}
    assert set(found[120:150]) == {Regime.FALLING_WILD}
    back = market_weather(np.concatenate([wild, -calm, calm]), trend=20, unrest=10)
    assert set(back[130:200]) == {Regime.FALLING_CALM}
    assert set(back[230:]) == {Regime.RISING_CALM}


@pytest.mark.parametrize("window", [{"trend": 1}, {"unrest": 1}])
def test_a_window_that_is_none_is_refused(window: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="must be at least 2"):
        market_weather(walk(10), **window)


def some_market(count: int = 150) -> MarketData:
    closes = np.round(100 * np.cumprod(1 + walk(count, 3)), 2).tolist()
    return a_market({"SPY": flat_bars(closes)})


def days_of(market: MarketData) -> list[date]:
    return [session.date for session in market.frame.sessions]


def test_regimes_share_out_all_sessions_and_all_that_was_earned() -> None:
    market = some_market()
    days = days_of(market)[60:]
    returns = walk(len(days) - 1, 9)
    equity = 1000 * np.cumprod(np.append(1.0, 1 + returns))
    found = split_by_regime(days, equity, market, trend=20, unrest=10)
    assert found.benchmark == "SPY"
    assert len(found.labels) == len(returns)
    assert Regime.UNKNOWN not in found.labels
    assert sum(row.sessions for row in found.regimes) == len(returns)
    assert sum(row.part for row in found.regimes) == pytest.approx(1.0)
    growth = math.prod(1 + row.growth for row in found.regimes)
    assert growth == pytest.approx(equity[-1] / equity[0])
    close = market.frame.close[:, 0]
    theirs = math.prod(1 + row.benchmark for row in found.regimes)
    assert theirs == pytest.approx(close[-1] / close[60])
    for row in found.regimes:
        own = returns[[label is row.regime for label in found.labels]]
        assert row.mean == pytest.approx(own.mean() * SESSIONS_A_YEAR)
        assert row.sharpe == pytest.approx(sharpe(own), nan_ok=True)


def test_what_came_before_the_run_tells_its_first_weather() -> None:
    market = some_market()
    days = days_of(market)
    late = split_by_regime(days[60:], np.full(90, 10.0), market, trend=20, unrest=10)
    whole = split_by_regime(days, np.full(150, 10.0), market, trend=20, unrest=10)
    assert list(late.labels) == list(whole.labels)[60:]


def test_a_crisis_is_measured_from_the_close_before_it() -> None:
    # 2018: the spike from 26 January to 8 February, every weekday a session.
    days = np.arange(np.datetime64("2018-01-02"), np.datetime64("2018-03-01"))
    weekdays = [day.item() for day in days if day.item().weekday() < 5]
    market = sessions_in_2018(len(weekdays))
    equity = np.linspace(100.0, 141.0, len(weekdays))
    (one,) = split_by_regime(weekdays, equity, market, trend=2, unrest=2).crises
    first, last = weekdays.index(date(2018, 1, 26)), weekdays.index(date(2018, 2, 8))
    assert one.name == "Volatility spike"
    assert one.growth == pytest.approx(equity[last] / equity[first] - 1)
    close = market.frame.close[:, 0]
    assert one.benchmark == pytest.approx(close[last] / close[first] - 1)
    assert one.max_drawdown == 0


def sessions_in_2018(count: int) -> MarketData:
    market = a_market({"SPY": flat_bars([100.0 + i for i in range(count)])})
    back = date(2018, 1, 2) - date(2024, 1, 2)
    # Both are Tuesdays, so weekdays fall on weekdays.
    assert back % timedelta(days=7) == timedelta(0)
    sessions = tuple(replace(one, date=one.date + back) for one in market.frame.sessions)
    frame = market.frame
    moved = type(frame)(
        frame.timeframe,
        frame.instruments,
        sessions,
        frame.session,
        frame.start,
        frame.end,
        *(getattr(frame, name) for name in ("open", "high", "low", "close", "volume")),
    )
    return replace(market, frame=moved)


def test_a_run_on_other_data_is_refused() -> None:
    market = some_market()
    days = [*days_of(market), date(2031, 1, 2)]
    with pytest.raises(InvalidInput, match="2031-01-02"):
        split_by_regime(days, np.ones(len(days)), market)


@pytest.mark.parametrize("worst", [0.0, math.nan])
def test_an_account_that_fell_to_nothing_is_refused(worst: float) -> None:
    market = some_market()
    equity = np.ones(150)
    equity[-1] = worst
    with pytest.raises(InvalidInput, match="not above zero throughout"):
        split_by_regime(days_of(market), equity, market)
