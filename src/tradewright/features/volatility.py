"""Volatility of daily returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.features.feature import Feature, Unit
from tradewright.features.trend import rolling_mean

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

SESSIONS_A_YEAR: Final = 252


def realised_volatility(close: FloatArray, window: int) -> FloatArray:
    """Annualised standard deviation of the last `window` daily log returns.

    σ = sqrt(252 / (n - 1) · Σ (r - r̄)²), r the log returns in the window.

    Args:
        close: Prices with dividends reinvested, one row a session, shape (rows, instruments).
        window: Returns in the sample, at least 2.

    Returns:
        Shape (rows, instruments), a fraction a year; NaN in the first `window` rows and where
        a price in the window is NaN.

    Raises:
        InvalidInput: `window` is below 2.
    """
    if window < 2:  # noqa: PLR2004 - a sample deviation needs two
        raise InvalidInput("window", window, "must be at least 2")
    returns = np.full(close.shape, np.nan)
    if len(close) <= window:
        return returns
    returns[1:] = np.log(close[1:] / close[:-1])
    mean = rolling_mean(returns, window)
    squares = np.zeros(close.shape)
    for offset in range(window - 1, -1, -1):
        shifted = np.full(close.shape, np.nan)
        shifted[offset:] = returns[: len(returns) - offset]
        squares += (shifted - mean) ** 2
    return np.sqrt(squares / (window - 1) * SESSIONS_A_YEAR)


def volatility(window: int = 63) -> Feature:
    """Annualised volatility of the adjusted close over `window` sessions."""
    return Feature(
        f"volatility_{window}",
        ("close",),
        window + 1,
        Unit.NUMBER,
        lambda columns: realised_volatility(columns["close"], window),
    )
