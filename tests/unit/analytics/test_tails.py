from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tradewright.analytics.drawdown import ulcer_index
from tradewright.analytics.tails import (
    downside_deviation,
    excess_kurtosis,
    expected_shortfall,
    normal_expected_shortfall,
    normal_value_at_risk,
    omega,
    skewness,
    stability,
    tail_ratio,
    value_at_risk,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray

RETURNS = np.array([-0.04, -0.02, -0.01, 0.0, 0.01, 0.01, 0.02, 0.02, 0.03, 0.03, 0.04])
AT_TAIL = [value_at_risk, expected_shortfall, normal_value_at_risk, normal_expected_shortfall]
ALONE: list[Callable[[FloatArray], float]] = [
    *AT_TAIL,
    *(tail_ratio, omega, downside_deviation, skewness, excess_kurtosis, stability),
]


def test_worst_returns_by_hand() -> None:
    # Eleven returns: the tenth percentile is the second, and two are at or below it.
    assert value_at_risk(RETURNS, 0.1) == pytest.approx(0.02)
    assert expected_shortfall(RETURNS, 0.1) == pytest.approx(0.03)
    assert value_at_risk(RETURNS, 0.05) == pytest.approx(0.03)
    assert expected_shortfall(RETURNS, 0.05) == pytest.approx(0.04)


def test_normal_tails_have_the_textbook_numbers() -> None:
    # z of 5 % is -1.6449 and the mean beyond it -2.0627 deviations.
    spread, mean = np.std(RETURNS, ddof=1), np.mean(RETURNS)
    assert normal_value_at_risk(RETURNS) == pytest.approx(1.644854 * spread - mean, rel=1e-6)
    assert normal_expected_shortfall(RETURNS) == pytest.approx(2.062713 * spread - mean, rel=1e-6)


def test_omega_and_tail_ratio_by_hand() -> None:
    assert omega(RETURNS) == pytest.approx(0.16 / 0.07)
    assert tail_ratio(RETURNS) == pytest.approx(0.035 / 0.03)
    assert downside_deviation(RETURNS) == pytest.approx(math.sqrt(0.0021 / 11 * 252))


def test_steady_growth_is_wholly_stable() -> None:
    assert stability(np.full(50, 0.001)) == pytest.approx(1)
    assert math.isnan(stability(np.array([0.1, -1.0, 0.1])))


def test_ulcer_index_is_the_root_mean_square_of_drawdowns() -> None:
    assert ulcer_index(np.array([100.0, 90.0, 100.0, 80.0])) == pytest.approx(math.sqrt(0.05 / 4))


@pytest.mark.parametrize("measure", ALONE)
def test_gap_and_nothing_make_a_number_unknown(measure: Callable[[FloatArray], float]) -> None:
    assert math.isnan(measure(np.array([0.01, np.nan, -0.02])))
    assert math.isnan(measure(np.zeros(0)))


@pytest.mark.parametrize("measure", AT_TAIL)
@pytest.mark.parametrize("tail", [0.0, 1.0, 5.0])
def test_tail_in_percent_is_refused(
    measure: Callable[[FloatArray, float], float], tail: float
) -> None:
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        measure(RETURNS, tail)


def test_required_return_of_a_total_loss_is_refused() -> None:
    with pytest.raises(InvalidInput, match="above -1"):
        omega(RETURNS, required=-1)


def test_returns_without_a_loss_have_no_omega_and_no_variation_no_shape() -> None:
    assert math.isnan(omega(np.array([0.01, 0.02])))
    assert math.isnan(skewness(np.full(5, 0.01)))
    assert math.isnan(tail_ratio(np.zeros(5)))
