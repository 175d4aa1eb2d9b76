"""Statistics against an independent library on ten real series and on returns of strategies.

empyrical-reloaded takes rates a session, ours are a year's; it gives drawdowns and values at risk
as negative returns, ours are positive losses; its information ratio is not annualised. All other
numbers are equal, and `docs/metrics.md` lists where they are not.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable, Sequence
from functools import cache

import empyrical
import numpy as np
import pytest
from scipy import stats

from tests.architecture.tree import ROOT
from tradewright.analytics.attribution import attribute
from tradewright.analytics.benchmark import (
    alpha,
    batting_average,
    beta,
    capture,
    correlation,
    information_ratio,
    tracking_error,
)
from tradewright.analytics.crises import CRISES
from tradewright.analytics.drawdown import max_drawdown
from tradewright.analytics.returns import (
    annual_volatility,
    cagr,
    calmar,
    sharpe,
    simple_returns,
    sortino,
    total_return,
)
from tradewright.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from tradewright.analytics.tails import (
    downside_deviation,
    excess_kurtosis,
    expected_shortfall,
    normal_value_at_risk,
    omega,
    skewness,
    stability,
    tail_ratio,
    value_at_risk,
)
from tradewright.bootstrap import load_market
from tradewright.core.frames import FloatArray
from tradewright.core.ids import InstrumentId
from tradewright.data.adjust import growth

LEAN = ROOT.parent / "shared" / "data" / "lean"
DAILY = LEAN / "equity" / "usa" / "daily"
TICKERS = ("aapl", "bac", "eem", "fb", "goog", "googl", "ibm", "iwm", "qqq", "spy")
RATE = 0.025
DAY_RATE = (1 + RATE) ** (1 / 252) - 1
WINDOW = 63

pytestmark = pytest.mark.skipif(
    not DAILY.is_dir(), reason="allowed: ../shared/data/lean is not on this machine"
)

Pair = tuple[FloatArray, FloatArray]


def closes(ticker: str) -> dict[str, float]:
    """The raw closes of a ticker by date, read by nothing of ours."""
    with zipfile.ZipFile(DAILY / f"{ticker}.zip") as archive:
        text = archive.read(f"{ticker}.csv").decode()
    return {row[0][:8]: int(row[4]) / 10_000 for row in csv.reader(io.StringIO(text))}


def crossed(prices: FloatArray) -> FloatArray:
    """Returns of holding a price while it is above its mean of fifty days, else short a half."""
    mean = np.convolve(prices, np.full(50, 1 / 50), mode="valid")
    held = np.where(prices[49:-1] > mean[:-1], 1.0, -0.5)
    return np.asarray(held * simple_returns(prices[49:]))


@cache
def series() -> dict[str, Pair]:
    """Returns and those of SPY over the same days: total returns, and a strategy on each."""
    data = load_market(LEAN, symbols=[ticker.upper() for ticker in TICKERS])
    worth = data.frame.close * growth(data.frame, data.actions)
    market = worth[:, data.frame.index(InstrumentId("SPY"))]
    found: dict[str, Pair] = {}
    for ticker in TICKERS:
        own = worth[:, data.frame.index(InstrumentId(ticker.upper()))]
        days = ~(np.isnan(own) | np.isnan(market))
        prices, theirs = own[days], simple_returns(market[days])
        found[ticker] = (simple_returns(prices), theirs)
        moves = crossed(prices)
        found[f"{ticker}, crossed"] = (moves, theirs[-len(moves) :])
    return found


NAMES = [f"{ticker}{kind}" for ticker in TICKERS for kind in ("", ", crossed")]
every_series = pytest.mark.parametrize("name", NAMES)


def equity_of(returns: FloatArray) -> FloatArray:
    return np.asarray(np.cumprod(np.append(1.0, 1 + returns)))


def equal(ours: Sequence[float], theirs: Sequence[float]) -> None:
    assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-10)
    assert all(math.isfinite(value) for value in ours)


def test_ten_series_are_long_and_real() -> None:
    lengths = {name: len(pair[0]) for name, pair in series().items()}
    assert len(lengths) == 20
    assert min(lengths.values()) > 300, lengths
    assert lengths["spy"] > 5000


@every_series
def test_numbers_of_returns_alone(name: str) -> None:
    returns, _ = series()[name]
    equity = equity_of(returns)
    equal(
        [
            total_return(equity),
            cagr(equity),
            annual_volatility(returns),
            sharpe(returns, risk_free=RATE),
            sortino(returns, risk_free=RATE),
            calmar(equity),
            max_drawdown(equity).depth,
            downside_deviation(returns, required=RATE),
            omega(returns, required=RATE),
            tail_ratio(returns),
            stability(returns),
            value_at_risk(returns),
            value_at_risk(returns, 0.01),
            expected_shortfall(returns),
            expected_shortfall(returns, 0.01),
        ],
        [
            empyrical.cum_returns_final(returns),
            empyrical.cagr(returns),
            empyrical.annual_volatility(returns),
            empyrical.sharpe_ratio(returns, risk_free=DAY_RATE),
            empyrical.sortino_ratio(returns, required_return=DAY_RATE),
            empyrical.calmar_ratio(returns),
            -empyrical.max_drawdown(returns),
            empyrical.downside_risk(returns, required_return=DAY_RATE),
            empyrical.omega_ratio(returns, required_return=RATE),
            empyrical.tail_ratio(returns),
            empyrical.stability_of_timeseries(returns),
            -empyrical.value_at_risk(returns),
            -empyrical.value_at_risk(returns, 0.01),
            -empyrical.conditional_value_at_risk(returns),
            -empyrical.conditional_value_at_risk(returns, 0.01),
        ],
    )


@every_series
def test_numbers_beside_a_benchmark(name: str) -> None:
    returns, market = series()[name]
    excess = empyrical.excess_sharpe(returns, market)
    if returns is series()["spy"][0]:
        assert math.isnan(information_ratio(returns, market))
        assert math.isnan(excess)
    else:
        equal([information_ratio(returns, market)], [excess * math.sqrt(252)])
    equal(
        [
            beta(returns, market),
            alpha(returns, market, risk_free=RATE),
            capture(returns, market, rising=True),
            capture(returns, market, rising=False),
            batting_average(returns, market),
            correlation(returns, market),
            tracking_error(returns, market),
        ],
        [
            empyrical.beta(returns, market),
            empyrical.alpha(returns, market, risk_free=DAY_RATE),
            empyrical.up_capture(returns, market),
            empyrical.down_capture(returns, market),
            empyrical.batting_average(returns, market).iloc[0],
            stats.pearsonr(returns, market).statistic,
            empyrical.annual_volatility(returns - market),
        ],
    )


@every_series
def test_rolling_numbers(name: str) -> None:
    returns, market = series()[name]
    rows: list[tuple[Callable[[], FloatArray], FloatArray]] = [
        (
            lambda: rolling_sharpe(returns, WINDOW),
            empyrical.roll_sharpe_ratio(returns, window=WINDOW),
        ),
        (
            lambda: rolling_volatility(returns, WINDOW),
            empyrical.roll_annual_volatility(returns, window=WINDOW),
        ),
        (
            lambda: rolling_beta(returns, market, WINDOW),
            empyrical.roll_beta(returns, market, window=WINDOW),
        ),
    ]
    for ours, theirs in rows:
        values = ours()
        assert np.isnan(values[: WINDOW - 1]).all()
        np.testing.assert_allclose(values[WINDOW - 1 :], theirs, rtol=1e-10, atol=1e-10)


@every_series
def test_moments_and_normal_tails(name: str) -> None:
    returns, _ = series()[name]
    normal = stats.norm(returns.mean(), returns.std(ddof=1))
    equal(
        [skewness(returns), excess_kurtosis(returns), normal_value_at_risk(returns, 0.01)],
        [stats.skew(returns), stats.kurtosis(returns), -normal.ppf(0.01)],
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != "spy"])
def test_attribution_to_one_factor_is_a_regression(name: str) -> None:
    returns, market = series()[name]
    fit = attribute(returns, {"SPY": market})
    theirs = stats.linregress(market, returns)
    only = fit.loadings[0]
    equal(
        [only.loading, only.t_value, fit.alpha, fit.alpha_t_value, fit.r_squared],
        [
            theirs.slope,
            theirs.slope / theirs.stderr,
            theirs.intercept * 252,
            theirs.intercept / theirs.intercept_stderr,
            theirs.rvalue**2,
        ],
    )
    assert fit.alpha + only.contribution == pytest.approx(fit.mean, rel=1e-9)


def test_crises_begin_at_the_highest_and_end_at_the_lowest_close_of_spy() -> None:
    market = closes("spy")
    inside = [one for one in CRISES if f"{one.first:%Y%m%d}" in market]
    known = [one for one in inside if f"{one.last:%Y%m%d}" in market]
    assert len(known) >= 9
    for crisis in known:
        first, last = f"{crisis.first:%Y%m%d}", f"{crisis.last:%Y%m%d}"
        within = {day: close for day, close in market.items() if first <= day <= last}
        assert min(within, key=within.__getitem__) == last, crisis
        assert within[first] >= 0.99 * max(within.values()), crisis
