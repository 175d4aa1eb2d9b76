"""Statistics of a window: how far a price lies from its mean, and one series against another.

A regression has no memory: it is made anew of the rows it is given, so that it knows nothing
that was not known then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.features.feature import Feature, Unit
from tradewright.features.trend import rolling_mean

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

_FEWEST: Final = 3
# A deviation of this share of the level is what rounding leaves of a price that does not move.
_STILL: Final = 1e-12


class Lines(NamedTuple):
    """Straight lines through several series: y = intercept + slope × x + residual.

    `slope` has shape (series,), `residuals` (rows, series); NaN where there is no line.
    """

    slope: FloatArray
    residuals: FloatArray


def lines(y: FloatArray, x: FloatArray) -> Lines:
    """Ordinary least squares of each column of `y` on the column of `x` beside it.

    Args:
        y: Shape (rows, series).
        x: The same shape, or (rows, 1) for one regressor of all.

    Returns:
        Slopes and residuals; NaN where a number is missing, where there are fewer than three
        rows, and where `x` does not move.
    """
    if len(y) < _FEWEST:
        return Lines(np.full(y.shape[1], np.nan), np.full(y.shape, np.nan))
    dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = (dx**2).sum(axis=0)
    moves = spread > (_STILL * np.abs(x).max(axis=0)) ** 2 * len(x)
    slope = (dx * dy).sum(axis=0) / np.where(moves, spread, np.nan)
    return Lines(slope, dy - slope * dx)


def standard_score(values: FloatArray, window: int) -> FloatArray:
    """Distance of each row from the mean of its window, in sample standard deviations.

    z = (v - v̄) / sqrt(Σ (v - v̄)² / (n - 1)), the row itself being in the window.

    Args:
        values: Shape (rows, instruments).
        window: Rows in the sample, at least 2.

    Returns:
        Shape (rows, instruments), a pure number; NaN in the first `window - 1` rows, where a
        number in the window is missing and where nothing moves in it.

    Raises:
        InvalidInput: `window` is below 2.
    """
    if window < 2:  # noqa: PLR2004 - a sample deviation needs two
        raise InvalidInput("window", window, "must be at least 2")
    mean = rolling_mean(values, window)
    squares = np.zeros(values.shape)
    for offset in range(window - 1, -1, -1):
        shifted = np.full(values.shape, np.nan)
        shifted[offset:] = values[: len(values) - offset]
        squares += (shifted - mean) ** 2
    deviation = np.sqrt(squares / (window - 1))
    moves = deviation > _STILL * np.abs(mean)
    return (values - mean) / np.where(moves, deviation, np.nan)


def zscore(window: int = 20) -> Feature:
    """Standard score of the adjusted close among the last `window` rows."""
    return Feature(
        f"zscore_{window}",
        ("close",),
        window,
        Unit.NUMBER,
        lambda columns: standard_score(columns["close"], window),
    )
