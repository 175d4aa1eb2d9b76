"""Ratios over a window that moves through the sessions.

The value in a row is over the window that ends there, so it knows nothing of later sessions. The
first rows, whose window would begin before the series, are NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

_FEWEST = 2


def rolling_volatility(
    returns: FloatArray, window: int, sessions_a_year: int = SESSIONS_A_YEAR
) -> FloatArray:
    """Sample standard deviation of the last `window` returns times sqrt(252).

    Args:
        returns: Simple returns a session, shape (sessions,).
        window: Returns that each value is over, at least 2.
        sessions_a_year: Sessions that make a year.

    Returns:
        A fraction a year, shape (sessions,); NaN where the window is not full or holds a NaN.

    Raises:
        InvalidInput: `window` is below 2.
    """
    _, deviation = _moments(returns, window)
    return np.asarray(deviation * np.sqrt(sessions_a_year))


def rolling_sharpe(
    returns: FloatArray,
    window: int,
    *,
    risk_free: float = 0.0,
    sessions_a_year: int = SESSIONS_A_YEAR,
) -> FloatArray:
    """Sharpe ratio of the last `window` returns, as `returns.sharpe` defines it.

    Args:
        returns: Simple returns a session, shape (sessions,).
        window: Returns that each value is over, at least 2.
        risk_free: Rate as a fraction a year.
        sessions_a_year: Sessions that make a year.

    Returns:
        Annualised, shape (sessions,); NaN where the window is not full, holds a NaN, or does not
        vary.

    Raises:
        InvalidInput: `window` is below 2.
    """
    rate = (1 + risk_free) ** (1 / sessions_a_year) - 1
    mean, deviation = _moments(returns, window)
    known = np.where(deviation > 0, deviation, np.nan)
    return np.asarray((mean - rate) / known * np.sqrt(sessions_a_year))


def rolling_beta(returns: FloatArray, benchmark: FloatArray, window: int) -> FloatArray:
    """Beta of the last `window` returns, as `benchmark.beta` defines it.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.
        window: Returns that each value is over, at least 2.

    Returns:
        Shape (sessions,); NaN where the window is not full, holds a NaN, or the benchmark stood
        still.

    Raises:
        InvalidInput: `window` is below 2, or the series differ in length.
    """
    if len(returns) != len(benchmark):
        given = f"{len(benchmark)} returns"
        raise InvalidInput("benchmark", given, f"must be of the same {len(returns)} sessions")
    own, theirs = _windows(returns, window), _windows(benchmark, window)
    centred = theirs - theirs.mean(axis=1, keepdims=True)
    variance = np.mean(centred**2, axis=1)
    covariance = np.mean(centred * own, axis=1)
    known = np.where(np.ptp(theirs, axis=1) > 0, variance, np.nan)
    return _behind(np.asarray(covariance / known), len(returns))


def _moments(returns: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    windows = _windows(returns, window)
    # Equal returns have a mean that is off by a rounding, which would make a huge ratio.
    deviation = np.where(np.ptp(windows, axis=1) == 0, 0.0, np.std(windows, axis=1, ddof=1))
    count = len(returns)
    return _behind(np.asarray(windows.mean(axis=1)), count), _behind(deviation, count)


def _windows(returns: FloatArray, window: int) -> FloatArray:
    if window < _FEWEST:
        raise InvalidInput("window", window, "must be 2 or more")
    if len(returns) < window:
        return np.empty((0, window))
    return np.lib.stride_tricks.sliding_window_view(returns, window)


def _behind(values: FloatArray, count: int) -> FloatArray:
    return np.concatenate((np.full(count - len(values), np.nan), values))
