"""What returns say beside those of a benchmark.

Both series are simple returns of the same sessions, row by row; NaN in either makes every number
NaN. A benchmark of total returns is meant: one without its dividends makes every alpha too good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

_NAN: Final = float("nan")
_FEWEST: Final = 2
_STILL: Final = 1e-30


def beta(returns: FloatArray, benchmark: FloatArray) -> float:
    """Slope of the returns on the benchmark's, cov(r, b) / var(b).

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.

    Returns:
        NaN with fewer than two returns, a NaN among them, or a benchmark that never varies.

    Raises:
        InvalidInput: The series differ in length.
    """
    _same(returns, benchmark)
    if len(returns) < _FEWEST:
        return _NAN
    centred = benchmark - np.mean(benchmark)
    variance = float(np.mean(centred**2))
    return float(np.mean(centred * returns)) / variance if variance > _STILL else _NAN


def alpha(
    returns: FloatArray,
    benchmark: FloatArray,
    *,
    risk_free: float = 0.0,
    sessions_a_year: int = SESSIONS_A_YEAR,
) -> float:
    """Return a year that beta does not explain, compounded.

    (1 + mean(r_t - f - β (b_t - f)))^252 - 1, with f = (1 + risk_free)^(1/252) - 1.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.
        risk_free: Rate as a fraction a year.
        sessions_a_year: Sessions that make a year.

    Returns:
        A fraction a year; NaN as for `beta`.

    Raises:
        InvalidInput: As for `beta`.

    Reference:
        M. C. Jensen, "The performance of mutual funds", Journal of Finance 23(2), 1968.
    """
    rate = (1 + risk_free) ** (1 / sessions_a_year) - 1
    slope = beta(returns, benchmark)
    if not len(returns):
        return _NAN
    left = float(np.mean(returns - rate - slope * (benchmark - rate)))
    return float((1 + left) ** sessions_a_year - 1)


def tracking_error(
    returns: FloatArray, benchmark: FloatArray, sessions_a_year: int = SESSIONS_A_YEAR
) -> float:
    """Sample standard deviation of r_t - b_t, times sqrt(252).

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.
        sessions_a_year: Sessions that make a year.

    Returns:
        A fraction a year; NaN with fewer than two returns or a NaN among them.

    Raises:
        InvalidInput: As for `beta`.
    """
    _same(returns, benchmark)
    if len(returns) < _FEWEST:
        return _NAN
    active = returns - benchmark
    spread = 0.0 if np.ptp(active) == 0 else float(np.std(active, ddof=1))
    return spread * float(np.sqrt(sessions_a_year))


def information_ratio(
    returns: FloatArray, benchmark: FloatArray, sessions_a_year: int = SESSIONS_A_YEAR
) -> float:
    """Mean of r_t - b_t a year over the tracking error.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.
        sessions_a_year: Sessions that make a year.

    Returns:
        Annualised ratio; NaN as for `tracking_error`, and where that is zero.

    Raises:
        InvalidInput: As for `beta`.

    Reference:
        R. C. Grinold and R. N. Kahn, "Active portfolio management", 2nd ed., 2000, chapter 5.
    """
    error = tracking_error(returns, benchmark, sessions_a_year)
    if not error > 0:
        return _NAN
    return float(np.mean(returns - benchmark)) * sessions_a_year / error


def correlation(returns: FloatArray, benchmark: FloatArray) -> float:
    """Pearson's correlation of the two series.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.

    Returns:
        From -1 to 1; NaN with fewer than two returns, a NaN among them, or no variation.

    Raises:
        InvalidInput: As for `beta`.
    """
    _same(returns, benchmark)
    if len(returns) < _FEWEST:
        return _NAN
    one, other = returns - np.mean(returns), benchmark - np.mean(benchmark)
    scale = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other)) / scale if scale > _STILL else _NAN


def capture(
    returns: FloatArray,
    benchmark: FloatArray,
    *,
    rising: bool,
    sessions_a_year: int = SESSIONS_A_YEAR,
) -> float:
    """Growth a year over the benchmark's, in sessions in which the benchmark rose, or fell.

    With m such sessions, growth is Π(1 + r_t)^(252 / m) - 1. A session in which the benchmark
    stood still is in neither.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.
        rising: Whether to take sessions of gains or of losses.
        sessions_a_year: Sessions that make a year.

    Returns:
        1.0 where the returns do as the benchmark does; NaN with a NaN among the returns or no
        such session.

    Raises:
        InvalidInput: As for `beta`.
    """
    _same(returns, benchmark)
    if np.isnan(returns).any() or np.isnan(benchmark).any():
        return _NAN
    chosen = benchmark > 0 if rising else benchmark < 0
    if not chosen.any():
        return _NAN
    power = sessions_a_year / int(np.count_nonzero(chosen))
    own, theirs = (float(np.prod(1 + some[chosen])) ** power - 1 for some in (returns, benchmark))
    return float(own / theirs)


def batting_average(returns: FloatArray, benchmark: FloatArray) -> float:
    """Part of the sessions in which the returns were above the benchmark's.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.

    Returns:
        A fraction; NaN without returns or with a NaN among them.

    Raises:
        InvalidInput: As for `beta`.
    """
    _same(returns, benchmark)
    active = returns - benchmark
    if not len(active) or np.isnan(active).any():
        return _NAN
    return float(np.mean(active > 0))


@dataclass(frozen=True, slots=True)
class Relative:
    """The numbers of returns beside a benchmark's, named after their functions."""

    alpha: float
    beta: float
    correlation: float
    tracking_error: float
    information_ratio: float
    up_capture: float
    down_capture: float
    batting_average: float


def relative(
    returns: FloatArray,
    benchmark: FloatArray,
    *,
    risk_free: float = 0.0,
    sessions_a_year: int = SESSIONS_A_YEAR,
) -> Relative:
    """Measure returns beside a benchmark's.

    Args:
        returns: Simple returns a session, shape (sessions,).
        benchmark: The benchmark's, same shape.
        risk_free: Rate as a fraction a year, for alpha.
        sessions_a_year: Sessions that make a year.

    Raises:
        InvalidInput: As for `beta`.
    """
    year = sessions_a_year
    return Relative(
        alpha=alpha(returns, benchmark, risk_free=risk_free, sessions_a_year=year),
        beta=beta(returns, benchmark),
        correlation=correlation(returns, benchmark),
        tracking_error=tracking_error(returns, benchmark, year),
        information_ratio=information_ratio(returns, benchmark, year),
        up_capture=capture(returns, benchmark, rising=True, sessions_a_year=year),
        down_capture=capture(returns, benchmark, rising=False, sessions_a_year=year),
        batting_average=batting_average(returns, benchmark),
    )


def _same(returns: FloatArray, benchmark: FloatArray) -> None:
    if len(returns) != len(benchmark):
        raise InvalidInput(
            "benchmark", f"{len(benchmark)} returns", f"must be of the same {len(returns)} sessions"
        )
