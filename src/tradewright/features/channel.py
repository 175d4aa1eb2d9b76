"""Channels: where a price stands against the highest and the lowest of the rows before it.

The row itself is never part of its channel: a close cannot break out of a range that it is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tradewright.core.errors import InvalidInput
from tradewright.features.feature import Feature, Unit

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

_ROWS: Final = -1


def earlier_highest(values: FloatArray, window: int) -> FloatArray:
    """Highest of the `window` rows before each row.

    Returns:
        The shape of `values`, (rows, instruments); NaN in the first `window` rows and where a
        number in the window is missing.

    Raises:
        InvalidInput: `window` is below 1.
    """
    return -earlier_lowest(-values, window)


def earlier_lowest(values: FloatArray, window: int) -> FloatArray:
    """Lowest of the `window` rows before each row; otherwise as `earlier_highest`.

    Raises:
        InvalidInput: `window` is below 1.
    """
    if window < 1:
        raise InvalidInput("window", window, "must be at least 1")
    result = np.full(values.shape, np.nan)
    if len(values) > window:
        result[window:] = sliding_window_view(values[:-1], window, axis=0).min(axis=_ROWS)
    return result


def break_above(window: int = 20) -> Feature:
    """Adjusted close over the highest high of the `window` rows before, less one."""
    return Feature(
        f"break_above_{window}",
        ("close", "high"),
        window + 1,
        Unit.NUMBER,
        lambda columns: columns["close"] / earlier_highest(columns["high"], window) - 1.0,
    )


def break_below(window: int = 20) -> Feature:
    """Adjusted close over the lowest low of the `window` rows before, less one."""
    return Feature(
        f"break_below_{window}",
        ("close", "low"),
        window + 1,
        Unit.NUMBER,
        lambda columns: columns["close"] / earlier_lowest(columns["low"], window) - 1.0,
    )


def channel_width(window: int = 20) -> Feature:
    """Highest high over lowest low of the `window` rows before, less one."""
    return Feature(
        f"channel_width_{window}",
        ("high", "low"),
        window + 1,
        Unit.NUMBER,
        lambda columns: (
            earlier_highest(columns["high"], window) / earlier_lowest(columns["low"], window) - 1.0
        ),
    )
