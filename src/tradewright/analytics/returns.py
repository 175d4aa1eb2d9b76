"""What a series of equity or of returns says about the strategy behind it.

One value a session: intraday equity goes through `session_closes` first, or its ratios are
annualised wrongly. NaN in a series makes every number that would use it NaN, since a gap in an
account's value is not a day without profit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.drawdown import max_drawdown
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.analytics.drawdown import Drawdown
    from tradewright.core.frames import FloatArray, IntArray

SESSIONS_A_YEAR: Final = 252
_NAN: Final = float("nan")


def session_ends(session: IntArray) -> IntArray:
    """Row of the last value of each session.

    Args:
        session: Index of the session of each row, shape (rows,), never falling.

    Returns:
        Rows, shape (sessions that occur,).
    """
    if not len(session):
        return np.zeros(0, dtype=np.int64)
    return np.append(np.flatnonzero(np.diff(session)), len(session) - 1).astype(np.int64)


def session_closes(equity: FloatArray, session: IntArray) -> FloatArray:
    """Last value of each session, shape (sessions that occur,).

    Args:
        equity: Account values, shape (rows,).
        session: Index of the session of each row, shape (rows,), never falling.
    """
    return np.asarray(equity[session_ends(session)])


def simple_returns(equity: FloatArray) -> FloatArray:
    """Change from each value to the next as a fraction of the former, r_t = E_t / E_{t-1} - 1.

    Args:
        equity: Account values, shape (rows,).

    Returns:
        Shape (rows - 1,); NaN where either value is NaN or the former is not positive.
    """
    before = np.where(equity[:-1] > 0, equity[:-1], np.nan)
    return np.asarray(equity[1:] / before - 1)


def total_return(equity: FloatArray) -> float:
    """Change from the first value to the last as a fraction of the first.

    Args:
        equity: Account values, shape (rows,), the first positive.

    Returns:
        A fraction, not annualised; NaN if either end is NaN.

    Raises:
        InvalidInput: `equity` is empty or does not begin with a positive value.
    """
    if not len(equity) or equity[0] <= 0:
        given = equity[0] if len(equity) else "nothing"
        raise InvalidInput("equity", given, "is not a series that begins above zero")
    return float(equity[-1] / equity[0] - 1)


def cagr(equity: FloatArray, sessions_a_year: int = SESSIONS_A_YEAR) -> float:
    """Compound annual growth rate, (E_n / E_0)^(252 / n) - 1 over n returns.

    Args:
        equity: Account values, one a session, shape (sessions,), the first positive.
        sessions_a_year: Sessions that make a year.

    Returns:
        A fraction a year; -1 if nothing or less is left at the end, NaN with fewer than two
        values or a NaN at either end.

    Raises:
        InvalidInput: As for `total_return`.
    """
    grown = 1 + total_return(equity)
    if len(equity) < 2:  # noqa: PLR2004 - growth needs two ends
        return _NAN
    return -1.0 if grown <= 0 else float(grown ** (sessions_a_year / (len(equity) - 1)) - 1)


def annual_volatility(returns: FloatArray, sessions_a_year: int = SESSIONS_A_YEAR) -> float:
    """Sample standard deviation of session returns times sqrt(252).

    Args:
        returns: Simple returns a session, shape (sessions,).
        sessions_a_year: Sessions that make a year.

    Returns:
        A fraction a year; NaN with fewer than two returns or a NaN among them.
    """
    return _deviation(returns) * float(np.sqrt(sessions_a_year))


def sharpe(
    returns: FloatArray, *, risk_free: float = 0.0, sessions_a_year: int = SESSIONS_A_YEAR
) -> float:
    """Mean excess return over its sample standard deviation, times sqrt(252).

    The risk-free rate of a session is (1 + risk_free)^(1/252) - 1.

    Args:
        returns: Simple returns a session, shape (sessions,).
        risk_free: Rate as a fraction a year.
        sessions_a_year: Sessions that make a year.

    Returns:
        Annualised ratio; NaN with fewer than two returns, a NaN among them, or no variation.

    Reference:
        W. F. Sharpe, "The Sharpe ratio", Journal of Portfolio Management 21(1), 1994; annual
        by the square root of time, which takes returns as uncorrelated (A. W. Lo, 2002).
    """
    excess = _excess(returns, risk_free, sessions_a_year)
    return _ratio(excess, _deviation(excess), sessions_a_year)


def sortino(
    returns: FloatArray, *, risk_free: float = 0.0, sessions_a_year: int = SESSIONS_A_YEAR
) -> float:
    """Mean excess return over its downside deviation, times sqrt(252).

    Downside deviation is sqrt(1/n · Σ min(r_t - f, 0)²) over all n sessions, gains included.

    Args:
        returns: Simple returns a session, shape (sessions,).
        risk_free: Least return that is no loss, as a fraction a year.
        sessions_a_year: Sessions that make a year.

    Returns:
        Annualised ratio; NaN without returns, with a NaN among them, or without any loss.

    Reference:
        F. A. Sortino and L. N. Price, "Performance measurement in a downside risk framework",
        Journal of Investing 3(3), 1994.
    """
    excess = _excess(returns, risk_free, sessions_a_year)
    if not len(excess):
        return _NAN
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0) ** 2)))
    return _ratio(excess, downside, sessions_a_year)


def calmar(equity: FloatArray, sessions_a_year: int = SESSIONS_A_YEAR) -> float:
    """Compound annual growth rate over maximum drawdown, both of the whole series.

    Args:
        equity: Account values, one a session, shape (sessions,), the first positive.
        sessions_a_year: Sessions that make a year.

    Returns:
        Annual ratio; NaN with fewer than two values, a NaN among them, or without a drawdown.

    Raises:
        InvalidInput: As for `total_return`.

    Reference:
        T. W. Young, "Calmar ratio: a smoother tool", Futures 20(1), 1991, who takes 36 months.
    """
    depth = max_drawdown(equity).depth
    return cagr(equity, sessions_a_year) / depth if depth else _NAN


def hit_rate(returns: FloatArray) -> float:
    """Part of the sessions with a gain among those with a gain or a loss.

    Args:
        returns: Simple returns a session, shape (sessions,); zeros count on neither side.

    Returns:
        A fraction; NaN with a NaN among the returns or nothing but zeros.
    """
    moved = np.count_nonzero(returns)
    if not moved or np.isnan(returns).any():
        return _NAN
    return float(np.count_nonzero(returns > 0) / moved)


@dataclass(frozen=True, slots=True)
class Performance:
    """The usual numbers of one equity series, named after their functions."""

    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    sortino: float
    calmar: float
    hit_rate: float
    best: float
    worst: float
    drawdown: Drawdown


def performance(
    equity: FloatArray, *, risk_free: float = 0.0, sessions_a_year: int = SESSIONS_A_YEAR
) -> Performance:
    """Measure an equity series; `best` and `worst` are its extreme returns of a session.

    Args:
        equity: Account values, one a session, shape (sessions,), the first positive.
        risk_free: Rate as a fraction a year, for Sharpe and Sortino.
        sessions_a_year: Sessions that make a year.

    Raises:
        InvalidInput: As for `total_return`.
    """
    returns = simple_returns(equity)
    return Performance(
        total_return=total_return(equity),
        cagr=cagr(equity, sessions_a_year),
        volatility=annual_volatility(returns, sessions_a_year),
        sharpe=sharpe(returns, risk_free=risk_free, sessions_a_year=sessions_a_year),
        sortino=sortino(returns, risk_free=risk_free, sessions_a_year=sessions_a_year),
        calmar=calmar(equity, sessions_a_year),
        hit_rate=hit_rate(returns),
        best=float(np.max(returns)) if len(returns) else _NAN,
        worst=float(np.min(returns)) if len(returns) else _NAN,
        drawdown=max_drawdown(equity),
    )


def _excess(returns: FloatArray, risk_free: float, sessions_a_year: int) -> FloatArray:
    return np.asarray(returns - ((1 + risk_free) ** (1 / sessions_a_year) - 1))


def _deviation(returns: FloatArray) -> float:
    if len(returns) < 2:  # noqa: PLR2004 - a sample deviation needs two
        return _NAN
    # Equal returns have a mean that is off by a rounding, which would make a huge ratio.
    return 0.0 if np.ptp(returns) == 0 else float(np.std(returns, ddof=1))


def _ratio(excess: FloatArray, deviation: float, sessions_a_year: int) -> float:
    if not deviation > 0:
        return _NAN
    return float(np.mean(excess)) / deviation * float(np.sqrt(sessions_a_year))
