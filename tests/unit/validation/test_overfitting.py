from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from tradewright.backtest.validation.overfitting import (
    Record,
    deflated_selection,
    expected_maximum,
    minimum_track_record,
    overfitting,
    probabilistic_sharpe,
    track_record,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray


def noise(sessions: int, trials: int, seed: int = 1) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).standard_normal((sessions, trials))


def by_hand(returns: FloatArray, blocks: int) -> tuple[list[float], list[int]]:
    """The procedure as the paper words it, one split after the other."""
    length = len(returns) // blocks
    parts = np.split(returns[len(returns) - length * blocks :], blocks)
    logits, chosen = [], []
    for some in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in some])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in some])
        own = inside.mean(axis=0) / inside.std(axis=0, ddof=1)
        other = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        best = int(np.argmax(own))
        rank = 1 + int((other < other[best]).sum())
        share = rank / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
        chosen.append(best)
    return logits, chosen


@pytest.mark.parametrize(
    ("sessions", "trials", "blocks"), [(83, 7, 6), (64, 2, 8), (40, 12, 2), (140, 3, 14)]
)
def test_all_splits_are_those_of_the_paper(sessions: int, trials: int, blocks: int) -> None:
    returns = noise(sessions, trials) + 0.001
    found = overfitting(returns, blocks)
    logits, chosen = by_hand(returns, blocks)
    assert found.logits.tolist() == pytest.approx(logits, abs=1e-12)
    assert found.chosen.tolist() == chosen
    assert found.probability == np.mean(np.array(logits) <= 0)


def test_of_noise_the_best_is_as_likely_below_the_median_as_above() -> None:
    found = [overfitting(noise(800, 60, seed), 10).probability for seed in range(25)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_a_trial_that_dominates_is_not_overfitted() -> None:
    returns = noise(800, 60)
    returns[:, 17] += 0.004
    found = overfitting(returns, 10)
    assert found.probability == 0
    assert found.loss == 0
    assert set(found.chosen.tolist()) == {17}


def test_trials_that_were_fitted_to_halves_are_overfitted() -> None:
    # Each is good in some blocks and as bad in the others: the best inside is the worst outside.
    signs = np.array(
        [[1 if i in some else -1 for i in range(6)] for some in combinations(range(6), 3)]
    )
    returns = np.repeat(signs.T * 0.01, 20, axis=0) + noise(120, 20) / 10
    found = overfitting(returns, 6)
    assert found.probability == 1
    assert found.loss == 1


def test_the_slope_is_that_of_a_line_through_all_splits() -> None:
    found = overfitting(noise(200, 9), 8)
    assert found.slope == pytest.approx(np.polyfit(found.inside, found.outside, 1)[0])


def test_equals_rank_in_the_middle() -> None:
    column = noise(64, 1)
    found = overfitting(np.repeat(column, 3, axis=1), 4)
    assert found.logits.tolist() == pytest.approx([0.0] * 6)


def test_a_trial_that_stands_still_ranks_as_zero() -> None:
    returns = noise(64, 3) - 0.02
    returns[:, 1] = 0.0
    found = overfitting(returns, 4)
    assert set(found.chosen.tolist()) == {1}
    assert found.inside.tolist() == [0.0] * 6
    assert found.probability == 0


@pytest.mark.parametrize(
    ("returns", "blocks", "field"),
    [
        (noise(64, 1), 4, "returns"),
        (noise(64, 4)[:, 0], 4, "returns"),
        (noise(64, 4), 5, "blocks"),
        (noise(64, 4), 0, "blocks"),
        (noise(64, 4), 22, "blocks"),
        (noise(7, 4), 4, "returns"),
        (np.full((64, 4), np.nan), 4, "returns of trial"),
    ],
)
def test_what_cannot_be_split_is_refused(returns: FloatArray, blocks: int, field: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{field}: "):
        overfitting(returns, blocks)


def test_a_record_has_the_moments_of_its_returns() -> None:
    returns = np.random.default_rng(3).standard_gamma(2.0, 500) - 1.9
    found = track_record(returns)
    assert found.sessions == 500
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert found.skewness == pytest.approx(skew(returns))
    assert found.kurtosis == pytest.approx(kurtosis(returns, fisher=False))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1], [0.1, math.nan]])
def test_a_record_without_a_ratio_has_no_probability(returns: list[float]) -> None:
    record = track_record(np.array(returns))
    assert math.isnan(record.sharpe)
    assert math.isnan(probabilistic_sharpe(record))
    assert math.isnan(minimum_track_record(record))


def test_a_longer_record_is_surer_and_the_shortest_one_that_is_sure_is_told() -> None:
    record = Record(0.08, 300, -0.5, 6.0)
    needed = minimum_track_record(record, confidence=0.99)
    sure = Record(0.08, math.ceil(needed), -0.5, 6.0)
    short = Record(0.08, math.ceil(needed) - 1, -0.5, 6.0)
    assert probabilistic_sharpe(sure) >= 0.99 > probabilistic_sharpe(short)


def test_no_record_is_long_enough_for_a_ratio_that_is_not_above() -> None:
    assert minimum_track_record(Record(0.05, 100), 0.05) == math.inf
    assert probabilistic_sharpe(Record(0.05, 100), 0.05) == 0.5


def test_moments_that_nothing_has_give_no_probability() -> None:
    assert math.isnan(probabilistic_sharpe(Record(1.0, 100, 3.0, 1.0)))


@pytest.mark.parametrize("confidence", [0.5, 1.0, 95.0])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(InvalidInput, match=r"^confidence: "):
        minimum_track_record(Record(0.1, 10), confidence=confidence)


def test_one_trial_has_no_luck_and_more_trials_have_more() -> None:
    assert expected_maximum(1, 0.3) == 0
    luck = [expected_maximum(count, 0.3) for count in (2, 5, 50, 5000)]
    assert luck == sorted(luck)
    assert luck[0] > 0


def test_the_expected_maximum_is_that_of_drawings() -> None:
    drawn = np.random.default_rng(2).standard_normal((20_000, 50)).max(axis=1)
    assert expected_maximum(50, 1.0) == pytest.approx(drawn.mean(), abs=0.03)


@pytest.mark.parametrize(("trials", "deviation"), [(0, 0.1), (5, -0.1)])
def test_no_trial_and_no_deviation_are_refused(trials: int, deviation: float) -> None:
    with pytest.raises(InvalidInput):
        expected_maximum(trials, deviation)


def test_a_selection_names_its_best_and_deflates_it() -> None:
    returns = noise(500, 40, seed=8)
    found = deflated_selection(returns)
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    assert found.best == int(np.argmax(ratios))
    assert found.deviation == pytest.approx(ratios.std(ddof=1))
    assert found.trials == 40
    # Nearly sure if it had been the only one, and nothing special as the best of forty.
    assert found.probabilistic > 0.95
    assert found.deflated < 0.9
    assert deflated_selection(returns, trials=1).deflated == found.probabilistic


def test_trials_without_a_ratio_count_as_tried() -> None:
    returns = noise(100, 5)
    returns[:, 2] = 0.0
    assert deflated_selection(returns).trials == 5
    with pytest.raises(InvalidInput, match="no trial with a Sharpe ratio"):
        deflated_selection(np.zeros((100, 3)))
