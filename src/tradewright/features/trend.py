"""Trend: moving averages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.features.feature import Feature, Unit

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

_CACHED: Final = 8192


def rolling_mean(values: FloatArray, window: int) -> FloatArray:
    """Mean of the last `window` rows of each column.

    Each window is summed by itself, oldest first, so that no rounding is carried from row to
    row as a running sum would.

    Args:
        values: Shape (rows, instruments).
        window: Rows in the mean, at least 1.

    Returns:
        Shape (rows, instruments); NaN in the first `window - 1` rows and where the window has
        a NaN.

    Raises:
        InvalidInput: `window` is below 1.
    """
    if window < 1:
        raise InvalidInput("window", window, "must be at least 1")
    rows = len(values)
    means = np.full(values.shape, np.nan)
    if rows < window:
        return means
    ends = rows - window + 1
    # As many rows at once as stay in the processor's cache while the window is summed.
    block = max(_CACHED // max(values.shape[1], 1), 1)
    for first in range(0, ends, block):
        stop = min(first + block, ends)
        total = values[first:stop].copy()
        for offset in range(1, window):
            total += values[first + offset : stop + offset]
        np.divide(total, window, out=means[first + window - 1 : stop + window - 1])
    return means


def sma_gap(fast: int, slow: int) -> Feature:
    """SMA(fast) less SMA(slow) of the adjusted close, in price units: positive when rising."""
    return Feature(
        f"sma_gap_{fast}_{slow}",
        ("close",),
        max(fast, slow),
        Unit.PRICE,
        lambda columns: rolling_mean(columns["close"], fast) - rolling_mean(columns["close"], slow),
    )


def sma(window: int) -> Feature:
    """Simple moving average of the adjusted close over `window` rows, in price units."""
    return Feature(
        f"sma_{window}",
        ("close",),
        window,
        Unit.PRICE,
        lambda columns: rolling_mean(columns["close"], window),
    )
