"""What else might have happened: the same trades in other orders, the same days in other rows.

Shuffling keeps what was earned and changes how it felt; drawing with replacement changes both.
Neither makes a loss that the record has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import to_nanos

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewright.analytics.round_trips import RoundTrip
    from tradewright.core.frames import BoolArray, FloatArray, IntArray

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The parts of all paths that stand below the numbers that are shown."""

_FEWEST: Final = 2
_AT_ONCE: Final = 4_000_000


class Draw(StrEnum):
    """How paths are made: trades in another order, trades anew, or blocks of sessions anew."""

    SHUFFLE = "shuffle"
    TRADES = "trades"
    SESSIONS = "sessions"


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """What many paths came to beside what happened.

    `steps` are trades or sessions. `bands` (levels, steps + 1) are quantiles of the growth of one
    at each step, at `LEVELS`. The others are one value a path: total return and maximum drawdown
    as fractions, and the annual Sharpe ratio, NaN where steps are no sessions.
    """

    draw: Draw
    steps: int
    block: float
    bands: FloatArray
    total_return: FloatArray
    max_drawdown: FloatArray
    sharpe: FloatArray
    happened: FloatArray

    @property
    def loss(self) -> float:
        """Part of the paths that ended below where they began."""
        return float(np.mean(self.total_return < 0))

    def place(self, values: FloatArray, happened: float) -> float:
        """Part of the paths with a value below the one that happened, ties counted as half."""
        below = float(np.mean(values < happened)) + float(np.mean(values == happened)) / 2
        return below if np.isfinite(happened) else float("nan")


def trade_contributions(
    trips: Sequence[RoundTrip], ends: IntArray, equity: FloatArray
) -> FloatArray:
    """What each round trip added to the account, as a fraction of equity when it was opened.

    Args:
        trips: In the order in which they ended.
        ends: Ends of the sessions of the curve in nanoseconds, shape (sessions + 1,).
        equity: Account values at these, the first from before any trip.

    Returns:
        Shape (trips,); NaN where the account was not above zero.
    """
    opened = np.array([to_nanos(trip.opened_at) for trip in trips], dtype=np.int64)
    before = equity[np.maximum(np.searchsorted(ends, opened, side="left") - 1, 0)]
    profits = np.array([float(trip.profit) for trip in trips])
    return np.asarray(profits / np.where(before > 0, before, np.nan))


def trade_paths(
    contributions: FloatArray,
    rng: np.random.Generator,
    *,
    paths: int = 1000,
    shuffle: bool = False,
) -> Paths:
    """Put trades in another order, or draw as many of them with replacement.

    The account grows by Π (1 + c), as if each trade had ended before the next began; dividends,
    interest and what is still held are no part of it.

    Args:
        contributions: What each trade added, as a fraction of the account, shape (trades,).
        rng: Where chance comes from.
        paths: How many.
        shuffle: Another order of the same trades instead of a drawing.

    Raises:
        InvalidInput: There are fewer than two trades, a NaN among them, or no path.
    """
    _check("contributions", contributions, paths)
    count = len(contributions)

    def drawn(size: int) -> IntArray:
        if shuffle:
            return np.argsort(rng.random((size, count)), axis=1)
        return rng.integers(0, count, (size, count))

    kind = Draw.SHUFFLE if shuffle else Draw.TRADES
    return _lived(kind, contributions, drawn, paths, block=1.0)


def session_paths(
    returns: FloatArray,
    rng: np.random.Generator,
    *,
    paths: int = 1000,
    block: float | None = None,
) -> Paths:
    """Draw sessions in blocks of random length, by the stationary bootstrap.

    Blocks begin anywhere and go on past the end at the beginning; their lengths are geometric
    with mean `block`, so that what follows what stays as it was within them.

    Args:
        returns: Simple returns a session, shape (sessions,).
        rng: Where chance comes from.
        paths: How many.
        block: Mean length of a block in sessions, at least 1; n^(1/3) unless given.

    Raises:
        InvalidInput: There are fewer than two sessions, a NaN among them, a block below 1, or no
            path.

    Reference:
        D. N. Politis and J. P. Romano, "The stationary bootstrap", Journal of the American
        Statistical Association 89(428), 1994.
    """
    _check("returns", returns, paths)
    length = usual_block(len(returns)) if block is None else block
    if not 1 <= length <= len(returns):
        raise InvalidInput("block", length, f"must lie between 1 and the {len(returns)} sessions")

    def drawn(size: int) -> IntArray:
        return block_places(len(returns), size, length, rng)

    return _lived(Draw.SESSIONS, returns, drawn, paths, block=length)


def usual_block(sessions: int) -> float:
    """Mean length of a block for so many sessions, n^(1/3) to a whole session.

    Reference:
        P. Hall, J. L. Horowitz and B.-Y. Jing, "On blocking rules for the bootstrap with
        dependent data", Biometrika 82(3), 1995, for the rate.
    """
    return float(max(round(sessions ** (1 / 3)), 1))


def block_places(sessions: int, paths: int, block: float, rng: np.random.Generator) -> IntArray:
    """Places that the stationary bootstrap draws, shape (paths, sessions)."""
    steps: IntArray = np.arange(sessions, dtype=np.int64)
    begins: BoolArray = rng.random((paths, sessions)) < 1 / block
    begins[:, 0] = True
    starts = rng.integers(0, sessions, (paths, sessions))
    began = np.maximum.accumulate(np.where(begins, steps, 0), axis=1)
    return np.asarray((np.take_along_axis(starts, began, axis=1) + steps - began) % sessions)


def _check(name: str, values: FloatArray, paths: int) -> None:
    if len(values) < _FEWEST:
        raise InvalidInput(name, len(values), "are too few to draw from", "give a longer run")
    if np.isnan(values).any():
        place = int(np.argmax(np.isnan(values)))
        raise InvalidInput(name, "NaN", f"stands in place {place}", "give a run without gaps")
    if paths < 1:
        raise InvalidInput("paths", paths, "must be at least 1")


def _lived(
    draw: Draw,
    changes: FloatArray,
    drawn: Callable[[int], IntArray],
    paths: int,
    *,
    block: float,
) -> Paths:
    count = len(changes)
    growth = np.empty((paths, count + 1), dtype=np.float32)
    total, deepest, ratios = (np.empty(paths) for _ in range(3))
    size = max(_AT_ONCE // count, 1)
    for first in range(0, paths, size):
        part = slice(first, min(first + size, paths))
        moves = changes[drawn(part.stop - part.start)]
        curve = _curve(moves)
        growth[part] = curve
        total[part] = curve[:, -1] - 1
        deepest[part] = _deepest(curve)
        ratios[part] = _sharpes(moves) if draw is Draw.SESSIONS else np.nan
    bands = np.quantile(growth, LEVELS, axis=0).astype(np.float64)
    return Paths(draw, count, block, bands, total, deepest, ratios, _curve(changes[None, :])[0])


def _curve(moves: FloatArray) -> FloatArray:
    # An account that lost everything stays there.
    factors = np.maximum(1 + moves, 0.0)
    ones = np.ones((len(moves), 1))
    return np.concatenate([ones, np.cumprod(factors, axis=1)], axis=1)


def _deepest(curves: FloatArray) -> FloatArray:
    peaks = np.maximum.accumulate(curves, axis=1)
    return np.asarray((1 - curves / peaks).max(axis=1))


def _sharpes(moves: FloatArray) -> FloatArray:
    deviation = moves.std(axis=1, ddof=1)
    moving = deviation > 0
    ratio = moves.mean(axis=1) / np.where(moving, deviation, 1.0) * np.sqrt(SESSIONS_A_YEAR)
    return np.where(moving, ratio, np.nan)
