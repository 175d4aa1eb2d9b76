"""The ends of a distribution of returns: what a bad session costs, and how bad and good compare.

Losses are positive fractions, as drawdowns are: a value at risk of 0.02 loses two per cent. `tail`
is the part of the sessions that are worse, so that 0.05 is what others call 95 %.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

TAIL: Final = 0.05
_NAN: Final = float("nan")
_FEWEST: Final = 2


def value_at_risk(returns: FloatArray, tail: float = TAIL) -> float:
    """Loss that a part `tail` of the sessions exceeded: minus that percentile of the returns.

    Between two returns the percentile is interpolated linearly.

    Args:
        returns: Simple returns a session, shape (sessions,).
        tail: Part of the sessions, between 0 and 1.

    Returns:
        A positive fraction where the percentile is a loss; NaN without returns or with a NaN.

    Raises:
        InvalidInput: `tail` is not between 0 and 1.
    """
    _within(tail)
    return -float(np.percentile(returns, 100 * tail)) if len(returns) else _NAN


def expected_shortfall(returns: FloatArray, tail: float = TAIL) -> float:
    """Mean loss of the worst sessions, the worst ⌊(n - 1) · tail⌋ + 1 of n.

    Args:
        returns: Simple returns a session, shape (sessions,).
        tail: Part of the sessions, between 0 and 1.

    Returns:
        A positive fraction where they lost; NaN without returns or with a NaN.

    Raises:
        InvalidInput: `tail` is not between 0 and 1.

    Reference:
        C. Acerbi and D. Tasche, "Expected shortfall", Economic Notes 31(2), 2002.
    """
    _within(tail)
    if not len(returns) or np.isnan(returns).any():
        return _NAN
    worst = int((len(returns) - 1) * tail)
    return -float(np.mean(np.partition(returns, worst)[: worst + 1]))


def normal_value_at_risk(returns: FloatArray, tail: float = TAIL) -> float:
    """Value at risk if returns were normal, -(μ + σ z) with z the normal quantile of `tail`.

    Args:
        returns: Simple returns a session, shape (sessions,); σ is their sample deviation.
        tail: Part of the sessions, between 0 and 1.

    Returns:
        A positive fraction where it is a loss; NaN with fewer than two returns or a NaN.

    Raises:
        InvalidInput: `tail` is not between 0 and 1.
    """
    _within(tail)
    if len(returns) < _FEWEST:
        return _NAN
    quantile = NormalDist().inv_cdf(tail)
    return -float(np.mean(returns) + np.std(returns, ddof=1) * quantile)


def normal_expected_shortfall(returns: FloatArray, tail: float = TAIL) -> float:
    """Expected shortfall if returns were normal, -μ + σ φ(z) / tail.

    Args:
        returns: Simple returns a session, shape (sessions,); σ is their sample deviation.
        tail: Part of the sessions, between 0 and 1.

    Returns:
        A positive fraction where it is a loss; NaN with fewer than two returns or a NaN.

    Raises:
        InvalidInput: `tail` is not between 0 and 1.
    """
    _within(tail)
    if len(returns) < _FEWEST:
        return _NAN
    normal = NormalDist()
    density = normal.pdf(normal.inv_cdf(tail))
    return float(-np.mean(returns) + np.std(returns, ddof=1) * density / tail)


def tail_ratio(returns: FloatArray) -> float:
    """Size of the 95th percentile of returns over that of the 5th.

    Args:
        returns: Simple returns a session, shape (sessions,).

    Returns:
        Above 1 where good sessions are larger than bad ones; NaN without returns, with a NaN, or
        with a 5th percentile of zero.
    """
    if not len(returns):
        return _NAN
    good, bad = np.abs(np.percentile(returns, (95, 5)))
    return float(good / bad) if bad > 0 else _NAN


def omega(
    returns: FloatArray, *, required: float = 0.0, sessions_a_year: int = SESSIONS_A_YEAR
) -> float:
    """Sum of what returns are above a threshold, over the sum of what they are below.

    The threshold of a session is (1 + required)^(1/252) - 1.

    Args:
        returns: Simple returns a session, shape (sessions,).
        required: Return that is neither gain nor loss, as a fraction a year above -1.
        sessions_a_year: Sessions that make a year.

    Returns:
        A ratio; NaN with fewer than two returns, a NaN among them, or nothing below.

    Raises:
        InvalidInput: `required` is -1 or less.

    Reference:
        C. Keating and W. F. Shadwick, "A universal performance measure", Journal of Performance
        Measurement 6(3), 2002.
    """
    if required <= -1:
        raise InvalidInput("required", required, "must be above -1")
    excess = returns - ((1 + required) ** (1 / sessions_a_year) - 1)
    if len(returns) < _FEWEST or np.isnan(excess).any():
        return _NAN
    below = -float(np.sum(excess[excess < 0]))
    return float(np.sum(excess[excess > 0])) / below if below > 0 else _NAN


def downside_deviation(
    returns: FloatArray, *, required: float = 0.0, sessions_a_year: int = SESSIONS_A_YEAR
) -> float:
    """Root mean square of what returns are below a threshold, over all sessions, times sqrt(252).

    Args:
        returns: Simple returns a session, shape (sessions,).
        required: Return that is no loss, as a fraction a year.
        sessions_a_year: Sessions that make a year.

    Returns:
        A fraction a year; NaN without returns or with a NaN.
    """
    if not len(returns):
        return _NAN
    short = np.minimum(returns - ((1 + required) ** (1 / sessions_a_year) - 1), 0)
    return float(np.sqrt(np.mean(short**2) * sessions_a_year))


def skewness(returns: FloatArray) -> float:
    """Third central moment over the second to the power of 3/2, both over n.

    Args:
        returns: Simple returns a session, shape (sessions,).

    Returns:
        Negative where the left tail is the longer; NaN without variation or with a NaN.
    """
    return _moment(returns, 3)


def excess_kurtosis(returns: FloatArray) -> float:
    """Fourth central moment over the square of the second, both over n, less the normal's 3.

    Args:
        returns: Simple returns a session, shape (sessions,).

    Returns:
        Positive where the tails are fatter than the normal's; NaN without variation or with a NaN.
    """
    return _moment(returns, 4) - 3


def stability(returns: FloatArray) -> float:
    """R² of a straight line through the cumulative logarithmic returns.

    Args:
        returns: Simple returns a session above -1, shape (sessions,).

    Returns:
        1 for steady growth or decline; NaN with fewer than two returns, a NaN or a total loss
        among them, or no variation.
    """
    if len(returns) < _FEWEST or not np.all(returns > -1):
        return _NAN
    grown = np.cumsum(np.log1p(returns))
    grown = grown - np.mean(grown)
    rows = np.arange(len(grown)) - (len(grown) - 1) / 2
    scale = float(np.sum(grown**2) * np.sum(rows**2))
    return float(np.sum(grown * rows)) ** 2 / scale if scale > 0 else _NAN


def _moment(returns: FloatArray, order: int) -> float:
    if not len(returns) or not np.ptp(returns) > 0:
        return _NAN
    centred = returns - np.mean(returns)
    return float(np.mean(centred**order) / np.mean(centred**2) ** (order / 2))


def _within(tail: float) -> None:
    if not 0 < tail < 1:
        raise InvalidInput("tail", tail, "must lie between 0 and 1", "0.05 is the worst twentieth")
