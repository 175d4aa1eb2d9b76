"""Statistics against values that were worked out elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

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
from tradewright.core.frames import FloatArray

# Made up; the expected numbers are what empyrical-reloaded 0.7.1 gives for these daily returns.
# Its rates are a day's, ours a year's.
RETURNS = np.array(
    [
        *(0.012, -0.007, 0.003, -0.021, 0.015, 0.0, 0.008, -0.004),
        *(-0.011, 0.019, 0.002, -0.006, 0.005, -0.013, 0.022, 0.001),
    ]
)
EQUITY: FloatArray = 250_000 * np.cumprod(np.append(1.0, 1 + RETURNS), dtype=np.float64)


def test_returns_are_recovered_from_equity() -> None:
    assert simple_returns(EQUITY) == pytest.approx(RETURNS)


def test_against_empyrical() -> None:
    assert total_return(EQUITY) == pytest.approx(0.024217207166262078)
    assert cagr(EQUITY) == pytest.approx(0.4577232092932644)
    assert annual_volatility(RETURNS) == pytest.approx(0.18827360409786603)
    assert sharpe(RETURNS) == pytest.approx(2.091371235424621)
    assert sharpe(RETURNS, risk_free=0.03) == pytest.approx(1.9343628431546382)
    assert sortino(RETURNS) == pytest.approx(3.4396846204937943)
    assert sortino(RETURNS, risk_free=0.03) == pytest.approx(3.1538221483057685)
    assert max_drawdown(EQUITY).depth == pytest.approx(0.0249365590000004)
    assert calmar(EQUITY) == pytest.approx(18.355508043160928)


def test_sortino_of_the_published_example() -> None:
    # T. N. Rollinger and S. T. Hoffman, "Sortino: a 'sharper' ratio", Red Rock Capital, 2013:
    # eight annual returns, target 0, downside deviation 2.264 %, ratio 4.417.
    returns = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
    assert sortino(returns, sessions_a_year=1) == pytest.approx(4.417, abs=5e-4)


def test_worked_out_by_hand() -> None:
    # +10 %, -10 %, +10 %: mean 1/30; squares about it (1/15)² + (2/15)² + (1/15)² = 6/225, over
    # two 3/225, so the deviation is sqrt(3)/15 and the ratio 1/30 · 15/sqrt(3) = 1/(2 sqrt(3)).
    returns = np.array([0.1, -0.1, 0.1])
    assert annual_volatility(returns) == pytest.approx(math.sqrt(3 * 252) / 15)
    assert sharpe(returns) == pytest.approx(math.sqrt(252) / (2 * math.sqrt(3)))
    # Downside: sqrt(0.01 / 3).
    assert sortino(returns) == pytest.approx(math.sqrt(252) / 30 / math.sqrt(0.01 / 3))
    # Two years in which 100 becomes 121 grow by 10 % a year.
    assert cagr(np.linspace(100, 121, 505)) == pytest.approx(0.1)
