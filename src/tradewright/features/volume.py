"""Volume: how much is traded, against how much was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewright.features.feature import Feature, Unit
from tradewright.features.trend import rolling_mean

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray


def volume_ratio(volume: FloatArray, window: int) -> FloatArray:
    """Volume of each row over the mean of the `window` rows before it.

    Args:
        volume: Shares, splits undone, shape (rows, instruments).
        window: Rows in the mean, at least 1; the row itself is not among them.

    Returns:
        Shape (rows, instruments), a pure number; NaN in the first `window` rows, where a
        number is missing and where nothing was traded before.

    Raises:
        InvalidInput: `window` is below 1.
    """
    before = np.full(volume.shape, np.nan)
    before[1:] = rolling_mean(volume, window)[:-1]
    return volume / np.where(before > 0, before, np.nan)


def relative_volume(window: int = 20) -> Feature:
    """Volume over its mean in the `window` rows before."""
    return Feature(
        f"relative_volume_{window}",
        ("volume",),
        window + 1,
        Unit.NUMBER,
        lambda columns: volume_ratio(columns["volume"], window),
    )
