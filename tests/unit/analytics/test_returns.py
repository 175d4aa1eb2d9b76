from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.analytics.returns import (
    annual_volatility,
    cagr,
    calmar,
    hit_rate,
    performance,
    session_closes,
    session_ends,
    sharpe,
    simple_returns,
    sortino,
    total_return,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray

OF_RETURNS: list[Callable[[FloatArray], float]] = [annual_volatility, sharpe, sortino, hit_rate]


def test_session_closes_take_the_last_row_of_each_session() -> None:
    session = np.array([3, 3, 3, 4, 6, 6])
    assert session_ends(session).tolist() == [2, 3, 5]
    assert session_closes(np.arange(6.0), session).tolist() == [2, 3, 5]
    assert session_ends(np.zeros(0, dtype=np.int64)).tolist() == []


def test_returns_after_ruin_are_unknown() -> None:
    returns = simple_returns(np.array([100.0, 110.0, 0.0, 50.0, -1.0, 2.0]))
    assert returns[:2].tolist() == pytest.approx([0.1, -1.0])
    assert np.isnan(returns).tolist() == [False, False, True, False, True]


@pytest.mark.parametrize("measure", OF_RETURNS)
def test_gap_in_returns_makes_a_number_unknown(measure: Callable[[FloatArray], float]) -> None:
    assert math.isnan(measure(np.array([0.01, np.nan, -0.02])))


@pytest.mark.parametrize("measure", OF_RETURNS)
def test_no_returns_say_nothing(measure: Callable[[FloatArray], float]) -> None:
    assert math.isnan(measure(np.zeros(0)))


def test_one_return_has_no_deviation() -> None:
    assert math.isnan(annual_volatility(np.array([0.01])))
    assert math.isnan(sharpe(np.array([0.01])))


def test_equal_returns_have_no_ratio_rather_than_a_huge_one() -> None:
    returns = np.full(10, 0.1)
    assert annual_volatility(returns) == 0
    assert math.isnan(sharpe(returns))


def test_gains_alone_have_no_downside_to_divide_by() -> None:
    assert math.isnan(sortino(np.array([0.01, 0.02, 0.0])))
    assert math.isnan(calmar(np.array([1.0, 1.1, 1.2])))


def test_zeros_count_on_neither_side_of_the_hit_rate() -> None:
    assert hit_rate(np.array([0.01, 0.0, 0.0, -0.01, 0.02])) == pytest.approx(2 / 3)
    assert math.isnan(hit_rate(np.zeros(3)))


def test_growth_of_an_account_that_is_lost() -> None:
    assert cagr(np.array([100.0, 50.0, 0.0])) == -1
    assert cagr(np.array([100.0, -50.0])) == -1
    assert math.isnan(cagr(np.array([100.0])))


@pytest.mark.parametrize("equity", [[], [0.0, 1.0]])
def test_equity_must_begin_above_zero(equity: list[float]) -> None:
    with pytest.raises(InvalidInput, match="equity"):
        total_return(np.array(equity))


def test_performance_is_its_functions() -> None:
    equity = np.array([100.0, 110.0, 99.0, 99.0, 104.0])
    measured = performance(equity, risk_free=0.02)
    returns = simple_returns(equity)
    assert measured.total_return == pytest.approx(0.04)
    assert measured.sharpe == sharpe(returns, risk_free=0.02)
    assert measured.sortino == sortino(returns, risk_free=0.02)
    assert measured.calmar == calmar(equity)
    assert (measured.best, measured.worst) == pytest.approx((0.1, -0.1))
    assert (measured.drawdown.start, measured.drawdown.trough) == (1, 2)


def test_performance_of_a_single_value_is_mostly_unknown() -> None:
    measured = performance(np.array([100.0]))
    assert measured.total_return == 0
    assert math.isnan(measured.best)
    assert math.isnan(measured.worst)


@given(
    st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=30),
    st.floats(0.5, 100),
)
def test_scale_of_the_account_changes_nothing(moves: list[float], scale: float) -> None:
    equity = np.cumprod(np.append(1.0, 1 + np.array(moves)), dtype=np.float64)
    one, other = performance(equity), performance(equity * scale)
    assert other.total_return == pytest.approx(one.total_return, abs=1e-9)
    assert other.drawdown.depth == pytest.approx(one.drawdown.depth, abs=1e-9)
    assert other.volatility == pytest.approx(one.volatility, abs=1e-9)
    assert 0 <= one.drawdown.depth <= 1
