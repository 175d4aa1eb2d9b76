from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tradewright.analytics.benchmark import (
    alpha,
    batting_average,
    beta,
    capture,
    correlation,
    information_ratio,
    relative,
    tracking_error,
)
from tradewright.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray

MARKET = np.array([0.01, -0.02, 0.03, 0.0, -0.01])
BESIDE: list[Callable[[FloatArray, FloatArray], float]] = [
    *(alpha, beta, correlation, tracking_error, information_ratio, batting_average),
    lambda returns, market: capture(returns, market, rising=True),
]


def test_twice_the_market_and_a_little_more() -> None:
    known = relative(2 * MARKET + 0.001, MARKET)
    assert known.beta == pytest.approx(2)
    assert known.alpha == pytest.approx(1.001**252 - 1)
    assert known.correlation == pytest.approx(1)
    assert known.batting_average == pytest.approx(3 / 5)


def test_market_beside_itself() -> None:
    known = relative(MARKET, MARKET)
    assert (known.beta, known.alpha) == pytest.approx((1, 0))
    assert (known.up_capture, known.down_capture) == pytest.approx((1, 1))
    assert (known.tracking_error, known.batting_average) == (0, 0)
    assert math.isnan(known.information_ratio)


def test_capture_is_over_the_sessions_of_one_direction() -> None:
    returns = np.array([0.02, -0.01, 0.02, 0.5, 0.0])
    up = (1.02**2) ** 126 - 1
    assert capture(returns, MARKET, rising=True) == pytest.approx(up / ((1.01 * 1.03) ** 126 - 1))
    down = capture(returns, MARKET, rising=False, sessions_a_year=2)
    assert down == pytest.approx(-0.01 / (0.98 * 0.99 - 1))


@pytest.mark.parametrize("measure", BESIDE)
def test_gap_makes_a_number_unknown(measure: Callable[[FloatArray, FloatArray], float]) -> None:
    holed = np.array([0.01, np.nan, 0.02, 0.0, 0.01])
    assert math.isnan(measure(holed, MARKET))
    assert math.isnan(measure(MARKET, holed))
    assert math.isnan(measure(np.zeros(0), np.zeros(0)))


@pytest.mark.parametrize("measure", BESIDE)
def test_series_of_other_lengths_are_refused(
    measure: Callable[[FloatArray, FloatArray], float],
) -> None:
    with pytest.raises(InvalidInput, match="must be of the same 5 sessions"):
        measure(MARKET, MARKET[:-1])


def test_market_that_stands_still_has_no_beta() -> None:
    still = np.full(5, 0.01)
    assert math.isnan(beta(MARKET, still))
    assert math.isnan(capture(MARKET, still, rising=False))
    assert np.isnan(rolling_beta(MARKET, still, 3)).all()


def test_rolling_numbers_look_back_only() -> None:
    later = np.append(MARKET[:-1], 9.0)
    for measure in (rolling_sharpe, rolling_volatility):
        np.testing.assert_array_equal(measure(MARKET, 3)[:-1], measure(later, 3)[:-1])
    assert np.isnan(rolling_sharpe(MARKET, 6)).all()
    assert np.isnan(rolling_sharpe(np.full(4, 0.1), 3)).all()


def test_rolling_sharpe_takes_the_rate_off() -> None:
    plain, less = rolling_sharpe(MARKET, 5)[-1], rolling_sharpe(MARKET, 5, risk_free=0.05)[-1]
    rate = 1.05 ** (1 / 252) - 1
    expected = rate / np.std(MARKET, ddof=1) * math.sqrt(252)
    assert plain - less == pytest.approx(expected)


@pytest.mark.parametrize("measure", [rolling_sharpe, rolling_volatility])
def test_window_of_one_is_refused(measure: Callable[[FloatArray, int], FloatArray]) -> None:
    with pytest.raises(InvalidInput, match="must be 2 or more"):
        measure(MARKET, 1)


def test_rolling_beta_of_other_lengths_is_refused() -> None:
    with pytest.raises(InvalidInput, match="same 5 sessions"):
        rolling_beta(MARKET, MARKET[1:], 2)
