"""Scores, lines, channels and volumes: against numpy, and the same on a tail to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.builders import NAN
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray
from tradewright.features.channel import (
    break_above,
    break_below,
    channel_width,
    earlier_highest,
    earlier_lowest,
)
from tradewright.features.feature import Feature
from tradewright.features.statistics import lines, standard_score, zscore
from tradewright.features.volume import relative_volume, volume_ratio

NOISE = np.random.default_rng(5)
WALK = np.round(50 * np.exp(np.cumsum(NOISE.normal(0, 0.02, (40, 3)), axis=0)), 2)
COLUMNS: dict[str, FloatArray] = {
    "close": WALK,
    "high": WALK + 0.5,
    "low": WALK - 0.5,
    "volume": NOISE.uniform(1, 10_000, (40, 3)),
}
FEATURES = (zscore(5), break_above(4), break_below(4), channel_width(4), relative_volume(3))


def test_a_standard_score_is_what_numpy_says_of_the_window() -> None:
    scores = standard_score(WALK, 5)
    assert np.isnan(scores[:4]).all()
    for row in range(4, len(WALK)):
        window = WALK[row - 4 : row + 1]
        wanted = (window[-1] - window.mean(axis=0)) / window.std(axis=0, ddof=1)
        assert scores[row] == pytest.approx(wanted, rel=1e-12)


def test_what_does_not_move_has_no_score() -> None:
    still = np.full((6, 1), 0.1)
    assert np.isnan(standard_score(still, 3)).all()
    assert np.isnan(standard_score(np.array([[1.0], [NAN], [3.0], [4.0]]), 2))[:3].all()


def test_a_line_is_what_least_squares_say() -> None:
    y, x = WALK[:, :2], WALK[:, 2:]
    slope, residuals = lines(y, x)
    for column in range(2):
        b, a = np.polyfit(x[:, 0], y[:, column], 1)
        assert slope[column] == pytest.approx(b, rel=1e-9)
        assert residuals[:, column] == pytest.approx(y[:, column] - a - b * x[:, 0], abs=1e-9)


def test_there_is_no_line_through_two_points_a_hole_or_a_constant() -> None:
    y = np.array([[1.0, 1.0], [2.0, NAN], [4.0, 3.0]])
    x = np.array([[1.0], [2.0], [3.0]])
    assert np.isnan(lines(y[:2], x[:2]).slope).all()
    assert np.isnan(lines(y, x).slope).tolist() == [False, True]
    assert np.isnan(lines(y, np.full((3, 1), 0.1)).slope).all()


def test_a_channel_ends_before_the_row() -> None:
    values = np.array([[1.0], [5.0], [2.0], [9.0], [NAN], [3.0], [4.0]])
    assert np.array_equal(
        earlier_highest(values, 2)[:, 0], [NAN, NAN, 5, 5, 9, NAN, NAN], equal_nan=True
    )
    assert np.array_equal(
        earlier_lowest(values, 2)[:, 0], [NAN, NAN, 1, 2, 2, NAN, NAN], equal_nan=True
    )
    assert np.isnan(earlier_highest(values, 7)).all()


def test_breaks_and_width_are_fractions_of_the_channel() -> None:
    columns = {
        "close": np.array([[10.0], [10.0], [12.0]]),
        "high": np.array([[11.0], [10.0], [12.0]]),
        "low": np.array([[8.0], [9.0], [12.0]]),
    }
    assert break_above(2).compute(columns)[2, 0] == pytest.approx(12 / 11 - 1)
    assert break_below(2).compute(columns)[2, 0] == pytest.approx(12 / 8 - 1)
    assert channel_width(2).compute(columns)[2, 0] == pytest.approx(11 / 8 - 1)


def test_volume_is_against_the_rows_before() -> None:
    volume = np.array([[100.0], [300.0], [400.0], [0.0], [0.0], [7.0]])
    ratio = volume_ratio(volume, 2)[:, 0]
    assert np.array_equal(ratio, [NAN, NAN, 2.0, 0.0, 0.0, NAN], equal_nan=True)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_over_a_tail_is_the_same_to_the_last_bit(feature: Feature) -> None:
    whole = feature.compute(COLUMNS)
    assert np.isnan(whole[: feature.window - 1]).all()
    assert not np.isnan(whole[feature.window - 1 :]).any()
    for end in (feature.window, 20, len(WALK)):
        tail = {name: column[end - feature.window : end] for name, column in COLUMNS.items()}
        assert feature.compute(tail)[-1].tobytes() == whole[end - 1].tobytes()


@pytest.mark.parametrize(
    ("function", "window"), [(standard_score, 1), (earlier_highest, 0), (earlier_lowest, 0)]
)
def test_windows_that_hold_nothing_are_refused(
    function: Callable[[FloatArray, int], Any], window: int
) -> None:
    with pytest.raises(InvalidInput, match="must be at least"):
        function(WALK, window)
