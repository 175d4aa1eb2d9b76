"""Numbers of the papers on luck and selection, to as many digits as they print."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from tradewright.backtest.validation.monte_carlo import block_places
from tradewright.backtest.validation.overfitting import (
    Record,
    deflated_sharpe,
    expected_maximum,
    minimum_track_record,
    probabilistic_sharpe,
)

# Bailey and López de Prado, "The deflated Sharpe ratio", 2014, the numerical example: the best of
# 100 backtests has an annual ratio of 2.5 over 1,250 days of 250 a year, skewness -3 and kurtosis
# 10; the variance of the trials' annual ratios is 1/2.
DAYS = 250
BEST = Record(2.5 / sqrt(DAYS), 1250, -3.0, 10.0)
NORMAL_BEST = Record(2.5 / sqrt(DAYS), 1250)
DEVIATION = sqrt(0.5 / DAYS)


def test_the_largest_ratio_of_a_hundred_trials_without_skill() -> None:
    assert expected_maximum(100, DEVIATION) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("record", "trials", "probability"),
    [(BEST, 100, 0.9004), (BEST, 46, 0.9505), (NORMAL_BEST, 88, 0.9505)],
)
def test_the_deflated_sharpe_ratio(record: Record, trials: int, probability: float) -> None:
    assert deflated_sharpe(record, trials, DEVIATION) == pytest.approx(probability, abs=5e-5)


def test_the_probabilistic_sharpe_ratio_of_two_years_of_a_hedge_fund() -> None:
    # Bailey and López de Prado, "The Sharpe ratio efficient frontier", 2012, section 4: a monthly
    # ratio of 0.458 over 24 months; 0.982 if returns were normal, 0.913 as they are.
    assert probabilistic_sharpe(Record(0.458, 24)) == pytest.approx(0.982, abs=5e-4)
    fund = Record(0.458, 24, -2.448, 10.164)
    assert probabilistic_sharpe(fund) == pytest.approx(0.913, abs=5e-4)


@pytest.mark.parametrize(
    ("a_year", "skewness", "kurtosis", "years"),
    [
        (DAYS, 0.0, 3.0, 2.73),
        (52, 0.0, 3.0, 2.83),
        (12, 0.0, 3.0, 3.24),
        (12, -0.72, 5.78, 4.99),
    ],
)
def test_the_minimum_track_record_of_an_annual_ratio_of_two_above_one(
    a_year: int, skewness: float, kurtosis: float, years: float
) -> None:
    # The same paper, section 5 and its abstract, at 95 %.
    record = Record(2 / sqrt(a_year), 0, skewness, kurtosis)
    found = minimum_track_record(record, 1 / sqrt(a_year), 0.95)
    assert found / a_year == pytest.approx(years, abs=5e-3)


@pytest.mark.parametrize("block", [1.0, 4.0, 12.0])
def test_the_variance_of_a_mean_by_the_stationary_bootstrap(block: float) -> None:
    # Politis and Romano 1994, lemma 1, for infinitely many drawings: R(0) + 2 Σ b(i) R(i) over N,
    # b(i) = (1 - i/N)(1 - p)^i + (i/N)(1 - p)^(N - i), R(i) the sample's autocovariance.
    noise = np.random.default_rng(5).standard_normal(61)
    values = noise[1:] + 0.7 * noise[:-1]
    count, keep = len(values), 1 - 1 / block
    centred = values - values.mean()
    expected = float(centred @ centred) / count
    for lag in range(1, count):
        weight = (1 - lag / count) * keep**lag + lag / count * keep ** (count - lag)
        expected += 2 * weight * float(centred[:-lag] @ centred[lag:]) / count
    rng = np.random.default_rng(11)
    means = values[block_places(count, 60_000, block, rng)].mean(axis=1)
    assert means.mean() == pytest.approx(values.mean(), abs=4 * means.std() / sqrt(60_000))
    assert means.var() * count == pytest.approx(expected, rel=0.03)
