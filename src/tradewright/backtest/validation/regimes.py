"""In which weather a strategy earned: returns by the market's trend and unrest, and by crisis.

The weather of a session is what was known at the close before it, so that it could have been
acted on. The crises were named afterwards: they are for looking back.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.crises import crises_within
from tradewright.analytics.drawdown import max_drawdown
from tradewright.analytics.returns import SESSIONS_A_YEAR, hit_rate, sharpe, total_return
from tradewright.backtest.report.holdings import benchmark
from tradewright.backtest.summary import SessionCurve
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tradewright.core.frames import FloatArray
    from tradewright.data.history import MarketData

TREND: Final = 200
UNREST: Final = 63
_FEWEST_MEASURES: Final = 21
_NAN: Final = float("nan")


class Regime(StrEnum):
    """The market's trend, up or down, and whether it is calmer or wilder than it mostly was."""

    RISING_CALM = "rising, calm"
    RISING_WILD = "rising, wild"
    FALLING_CALM = "falling, calm"
    FALLING_WILD = "falling, wild"
    UNKNOWN = "not known yet"


@dataclass(frozen=True, slots=True)
class InRegime:
    """What a strategy did in the sessions of one regime.

    `growth` is compounded over them, `mean` their mean return times 252, `part` theirs of the sum
    of logarithmic returns. NaN where there is nothing to divide by.
    """

    regime: Regime
    sessions: int
    growth: float
    mean: float
    volatility: float
    sharpe: float
    hit_rate: float
    benchmark: float
    part: float


@dataclass(frozen=True, slots=True)
class InCrisis:
    """What a strategy did in a crisis that it lived through wholly."""

    name: str
    first: date
    last: date
    growth: float
    max_drawdown: float
    benchmark: float


@dataclass(frozen=True, slots=True, eq=False)
class RegimeSplit:
    """Returns by regime and by crisis; `labels` (sessions,) say which each session was in."""

    benchmark: str
    labels: Sequence[Regime]
    regimes: Sequence[InRegime]
    crises: Sequence[InCrisis]


def market_weather(
    returns: FloatArray, *, trend: int = TREND, unrest: int = UNREST
) -> list[Regime]:
    """Regime of each session, from the returns of the sessions before it.

    Rising is a level at or above its mean over the last `trend` closes. Wild is a deviation of
    the last `unrest` returns above the median of all such deviations so far, of which there must
    be 21.

    Args:
        returns: Simple returns a session of the market, shape (sessions,). Without NaN.
        trend: Closes in the mean, at least 2.
        unrest: Returns in a deviation, at least 2.

    Returns:
        One regime a session; not known in the first ones.

    Raises:
        InvalidInput: A window is below 2.
    """
    for name, window in (("trend", trend), ("unrest", unrest)):
        if window < 2:  # noqa: PLR2004 - one value is no trend and has no deviation
            raise InvalidInput(name, window, "must be at least 2")
    level = np.cumprod(np.append(1.0, 1 + returns))
    sums = np.append(0.0, np.cumsum(level))
    deviations: list[float] = []
    latest, found = _NAN, []
    for session in range(len(returns)):
        # `level[session]` is the close before this session.
        if session >= unrest:
            latest = float(np.std(returns[session - unrest : session], ddof=1))
            insort(deviations, latest)
        if session + 1 < trend or len(deviations) < _FEWEST_MEASURES:
            found.append(Regime.UNKNOWN)
            continue
        mean = (sums[session + 1] - sums[session + 1 - trend]) / trend
        middle = len(deviations) // 2
        median = (deviations[middle] + deviations[~middle]) / 2
        found.append(_regime(rising=level[session] >= mean, wild=latest > median))
    return found


def split_by_regime(
    dates: Sequence[date],
    equity: FloatArray,
    market: MarketData,
    *,
    trend: int = TREND,
    unrest: int = UNREST,
) -> RegimeSplit:
    """Split a run by the weather of its market.

    The market is SPY where the data has it in every session, and else the equally weighted pool;
    what the data has from before the run tells the weather of its first sessions.

    Args:
        dates: Dates of the equity values, shape (sessions + 1,), the first before any trade.
        equity: Account values, all above zero.
        market: The data that the run was on.
        trend: As for `market_weather`.
        unrest: As for `market_weather`.

    Raises:
        InvalidInput: A session of the run is not in the data, or the account fell to nothing.
    """
    if np.isnan(equity).any() or np.any(equity <= 0):
        raise InvalidInput("equity", "", "is not above zero throughout", "split another run")
    whole = _whole_curve(market, dates[-1])
    name, theirs = benchmark(whole, market)
    place = {day: i for i, day in enumerate(whole.dates)}
    absent = [day for day in dates[1:] if day not in place]
    if absent:
        what = f"is not among the sessions of {market.label}"
        raise InvalidInput("session", str(absent[0]), what, "give the data that the run was on")
    # The return of the session at place i of the curve stands at i - 1.
    where = np.array([place[day] for day in dates[1:]]) - 1
    if np.any(where < 0):
        raise InvalidInput("session", str(dates[1]), f"is the first of {market.label}")
    weather = market_weather(theirs, trend=trend, unrest=unrest)
    labels = [weather[i] for i in where.tolist()]
    returns = equity[1:] / equity[:-1] - 1
    rows = [_in_regime(one, labels, returns, theirs[where]) for one in Regime]
    curve = np.cumprod(np.append(1.0, 1 + theirs[where]))
    return RegimeSplit(
        name, labels, [one for one in rows if one.sessions], _crises(dates, equity, curve)
    )


def _whole_curve(market: MarketData, last: date) -> SessionCurve:
    # One row a session from the first of the data on, whatever the run began with.
    frame = market.frame
    ends = np.append(np.flatnonzero(np.diff(frame.session)), len(frame) - 1)
    days = tuple(frame.session_of(row).date for row in ends.tolist())
    count = sum(day <= last for day in days)
    ones = np.ones(count)
    return SessionCurve(ends[:count], days[:count], ones, np.zeros(count))


def _regime(*, rising: bool, wild: bool) -> Regime:
    if rising:
        return Regime.RISING_WILD if wild else Regime.RISING_CALM
    return Regime.FALLING_WILD if wild else Regime.FALLING_CALM


def _in_regime(
    regime: Regime, labels: Sequence[Regime], returns: FloatArray, theirs: FloatArray
) -> InRegime:
    inside = np.array([label is regime for label in labels], dtype=np.bool_)
    own = returns[inside]
    total = float(np.sum(np.log1p(returns)))
    return InRegime(
        regime,
        len(own),
        float(np.prod(1 + own) - 1),
        float(np.mean(own)) * SESSIONS_A_YEAR if len(own) else _NAN,
        float(np.std(own, ddof=1)) * SESSIONS_A_YEAR**0.5 if len(own) > 1 else _NAN,
        sharpe(own),
        hit_rate(own),
        float(np.prod(1 + theirs[inside]) - 1),
        float(np.sum(np.log1p(own))) / total if total else _NAN,
    )


def _crises(dates: Sequence[date], equity: FloatArray, curve: FloatArray) -> list[InCrisis]:
    found = []
    for one in crises_within(dates[0], dates[-1]):
        known = [i for i, day in enumerate(dates) if one.first <= day <= one.last]
        before = [i for i, day in enumerate(dates) if day <= one.first]
        part = slice(before[-1], known[-1] + 1)
        found.append(
            InCrisis(
                one.name,
                one.first,
                one.last,
                total_return(equity[part]),
                max_drawdown(equity[part]).depth,
                total_return(curve[part]),
            )
        )
    return found
