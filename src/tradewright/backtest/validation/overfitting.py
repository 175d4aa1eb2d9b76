"""How likely a Sharpe ratio is skill, given how short the record and how many were tried.

Sharpe ratios here are of one observation (a session), never annualised, and kurtosis is 3 for the
normal distribution: an annual ratio or an excess put in makes every probability wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from math import comb
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.tails import excess_kurtosis, skewness
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradewright.core.frames import FloatArray, IntArray

_NORMAL: Final = NormalDist()
_EULER_GAMMA: Final = 0.5772156649015329
_NAN: Final = float("nan")
_FEWEST: Final = 2
_CELLS: Final = 4_000_000
_MOST_AT_ONCE: Final = 2048
_MOST_BLOCKS: Final = 20
_STILL: Final = 1e-24


@dataclass(frozen=True, slots=True)
class Record:
    """A track record: Sharpe ratio of a session, sessions, skewness and kurtosis of returns."""

    sharpe: float
    sessions: int
    skewness: float = 0.0
    kurtosis: float = 3.0


def track_record(returns: FloatArray) -> Record:
    """Measure returns; the Sharpe ratio has the sample deviation and no risk-free rate.

    Args:
        returns: Simple returns a session, shape (sessions,).

    Returns:
        NaN for what a NaN, fewer than two returns or no variation leave undefined.
    """
    if len(returns) < _FEWEST or not np.ptp(returns) > 0:
        return Record(_NAN, len(returns), _NAN, _NAN)
    ratio = float(np.mean(returns) / np.std(returns, ddof=1))
    return Record(ratio, len(returns), skewness(returns), excess_kurtosis(returns) + 3)


def probabilistic_sharpe(record: Record, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark`.

    PSR(b) = Φ((SR - b) √(n - 1) / √(1 - γ₃ SR + (γ₄ - 1) / 4 · SR²)), with γ₃ the skewness and
    γ₄ the kurtosis of returns.

    Args:
        record: What was observed.
        benchmark: Sharpe ratio of a session to be beaten.

    Returns:
        A probability; NaN with a NaN in the record, fewer than two sessions, or moments that no
        distribution has.

    Reference:
        D. H. Bailey and M. López de Prado, "The Sharpe ratio efficient frontier", Journal of
        Risk 15(2), 2012, equation 11.
    """
    spread = _spread(record)
    if not spread > 0 or record.sessions < _FEWEST:
        return _NAN
    score = (record.sharpe - benchmark) * math.sqrt(record.sessions - 1) / math.sqrt(spread)
    return _NORMAL.cdf(score) if math.isfinite(score) else _NAN


def minimum_track_record(record: Record, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Sessions after which the Sharpe ratio would be above `benchmark` with `confidence`.

    MinTRL = 1 + (1 - γ₃ SR + (γ₄ - 1) / 4 · SR²) (z / (SR - b))², with z the normal quantile of
    the confidence.

    Args:
        record: What was observed; its number of sessions is not used.
        benchmark: Sharpe ratio of a session to be beaten.
        confidence: A probability above one half and below 1.

    Returns:
        Sessions, not rounded; infinite where the ratio is not above the benchmark, NaN with a
        NaN in the record.

    Raises:
        InvalidInput: The confidence is no such probability.

    Reference:
        D. H. Bailey and M. López de Prado, "The Sharpe ratio efficient frontier", Journal of
        Risk 15(2), 2012, equation 13.
    """
    if not 0.5 < confidence < 1:  # noqa: PLR2004 - a half is no confidence
        raise InvalidInput("confidence", confidence, "must lie above 0.5 and below 1")
    above, spread = record.sharpe - benchmark, _spread(record)
    if math.isnan(above) or math.isnan(spread):
        return _NAN
    return math.inf if above <= 0 else 1 + spread * (_NORMAL.inv_cdf(confidence) / above) ** 2


def expected_maximum(trials: int, deviation: float) -> float:
    """Largest Sharpe ratio to be expected of trials without any skill.

    σ ((1 - γ) Φ⁻¹(1 - 1/N) + γ Φ⁻¹(1 - 1/(N e))), with γ Euler's constant.

    Args:
        trials: Independent trials N, at least 1; one trial has nothing to choose from, and 0.
        deviation: Deviation of the trials' Sharpe ratios, σ, in the unit of the answer.

    Raises:
        InvalidInput: There are fewer trials than one, or the deviation is negative.

    Reference:
        D. H. Bailey and M. López de Prado, "The deflated Sharpe ratio", Journal of Portfolio
        Management 40(5), 2014, equation 1.
    """
    if trials < 1:
        raise InvalidInput("trials", trials, "must be at least 1", "count the one that was kept")
    if deviation < 0:
        raise InvalidInput("deviation", deviation, "must not be negative")
    if trials == 1:
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / trials)
    second = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return deviation * ((1 - _EULER_GAMMA) * first + _EULER_GAMMA * second)


def deflated_sharpe(record: Record, trials: int, deviation: float) -> float:
    """Probability that the best of many trials has a true Sharpe ratio above zero.

    The probabilistic Sharpe ratio against what the best of so many trials without skill would
    show by luck.

    Args:
        record: The trial that was chosen.
        trials: Independent trials that it was chosen from; near copies of one are one.
        deviation: Deviation of all trials' Sharpe ratios of a session.

    Returns:
        A probability; NaN as for `probabilistic_sharpe`.

    Raises:
        InvalidInput: As for `expected_maximum`.

    Reference:
        D. H. Bailey and M. López de Prado, "The deflated Sharpe ratio", Journal of Portfolio
        Management 40(5), 2014, equation 2.
    """
    return probabilistic_sharpe(record, expected_maximum(trials, deviation))


@dataclass(frozen=True, slots=True)
class Selection:
    """What choosing the best of several trials is worth.

    `best` is the place of the trial with the highest Sharpe ratio, `deviation` that of the
    trials' ratios, `luck` the ratio to be expected of the best without skill. Ratios are of a
    session.
    """

    best: int
    record: Record
    trials: int
    deviation: float
    luck: float
    probabilistic: float
    deflated: float


def deflated_selection(returns: FloatArray, trials: int | None = None) -> Selection:
    """Deflate the best of all trials.

    Args:
        returns: Simple returns, shape (sessions, trials); a trial with a NaN or without any
            variation counts as tried, and not in the deviation.
        trials: Independent trials; all of them unless given.

    Raises:
        InvalidInput: No trial has a Sharpe ratio, or `trials` is below 1.
    """
    ratios = np.array([track_record(column).sharpe for column in returns.T])
    known = ratios[~np.isnan(ratios)]
    if not len(known):
        raise InvalidInput("returns", returns.shape, "have no trial with a Sharpe ratio")
    best = int(np.nanargmax(ratios))
    count = len(ratios) if trials is None else trials
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    record = track_record(np.ascontiguousarray(returns[:, best]))
    return Selection(
        best,
        record,
        count,
        deviation,
        expected_maximum(count, deviation),
        probabilistic_sharpe(record),
        deflated_sharpe(record, count, deviation),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What became of the trial that was best in sample, over all symmetric splits.

    Attributes:
        probability: Part of the splits in which it was at the median or below out of sample.
        loss: Part of the splits in which it lost out of sample.
        slope: Of its Sharpe ratio out of sample on that in sample, over the splits; NaN where
            the latter is always the same.
        logits: ln(ω / (1 - ω)) of its relative rank ω out of sample, shape (splits,).
        inside, outside: Its Sharpe ratios of a session, shape (splits,).
        chosen: Place of the trial, shape (splits,).
    """

    probability: float
    loss: float
    slope: float
    logits: FloatArray
    inside: FloatArray
    outside: FloatArray
    chosen: IntArray


def overfitting(returns: FloatArray, blocks: int = 16) -> Overfitting:
    """Probability of backtest overfitting, by combinatorially symmetric cross-validation.

    The sessions are cut into S blocks of equal length, the oldest few left out if they do not
    fit; each choice of S/2 blocks is a sample in which the best trial is chosen by its Sharpe
    ratio, and the other half says how it ranks among all of them: ω = rank / (N + 1).

    Args:
        returns: Simple returns of all that was tried, shape (sessions, trials). Without NaN.
        blocks: S, even, from 2 to 20: 16 are 12,870 splits.

    Raises:
        InvalidInput: There are fewer than two trials, too few sessions, an odd number of blocks,
            or a NaN.

    Reference:
        D. H. Bailey, J. Borwein, M. López de Prado and Q. J. Zhu, "The probability of backtest
        overfitting", Journal of Computational Finance 20(4), 2017, sections 2 and 3.
    """
    _check(returns, blocks)
    length = len(returns) // blocks
    cut = returns[len(returns) - length * blocks :].reshape(blocks, length, -1)
    # About a common centre, so that no variance is a difference of large numbers.
    centre = returns.mean(axis=0)
    sums, squares = (cut - centre).sum(axis=1), ((cut - centre) ** 2).sum(axis=1)
    count = length * blocks // 2
    total = comb(blocks, blocks // 2)
    logits, inside, outside = (np.empty(total) for _ in range(3))
    chosen: IntArray = np.empty(total, dtype=np.int64)
    for first, mask in _halves(blocks, returns.shape[1]):
        place = slice(first, first + len(mask))
        own, other = (
            _sharpes(half @ sums, half @ squares, centre, count) for half in (mask, 1 - mask)
        )
        best = np.argmax(own, axis=1)
        line = np.arange(len(mask))
        result = other[line, best][:, None]
        # A rank among equals is the middle one, as if they were drawn apart.
        rank = (other < result).sum(axis=1) + ((other == result).sum(axis=1) + 1) / 2
        share = rank / (returns.shape[1] + 1)
        logits[place] = np.log(share / (1 - share))
        inside[place], outside[place] = own[line, best], result[:, 0]
        chosen[place] = best
    return Overfitting(
        float(np.mean(logits <= 0)),
        float(np.mean(outside < 0)),
        _slope(inside, outside),
        logits,
        inside,
        outside,
        chosen,
    )


def _check(returns: FloatArray, blocks: int) -> None:
    if returns.ndim != 2 or returns.shape[1] < _FEWEST:  # noqa: PLR2004 - sessions and trials
        rule = "are not the sessions of at least two trials"
        raise InvalidInput("returns", returns.shape, rule, "try more than one set of parameters")
    if blocks % 2 or not _FEWEST <= blocks <= _MOST_BLOCKS:
        raise InvalidInput("blocks", blocks, f"must be even and lie in [2, {_MOST_BLOCKS}]")
    if len(returns) < 2 * blocks:
        rule = f"are too few sessions for {blocks} blocks"
        raise InvalidInput("returns", len(returns), rule, "give more data or take fewer blocks")
    if np.isnan(returns).any():
        rule = "has no return in some session"
        trial = int(np.flatnonzero(np.isnan(returns).any(axis=0))[0])
        raise InvalidInput("returns of trial", trial, rule, "leave the trial out")


def _halves(blocks: int, trials: int) -> Iterator[tuple[int, FloatArray]]:
    # As many splits at once as memory bears.
    size = max(min(_CELLS // trials, _MOST_AT_ONCE), 1)
    lines: list[tuple[int, ...]] = []
    first = 0
    for some in combinations(range(blocks), blocks // 2):
        lines.append(some)
        if len(lines) == size:
            yield first, _masked(lines, blocks)
            first += len(lines)
            lines = []
    if lines:
        yield first, _masked(lines, blocks)


def _masked(lines: list[tuple[int, ...]], blocks: int) -> FloatArray:
    mask = np.zeros((len(lines), blocks))
    np.put_along_axis(mask, np.array(lines), 1.0, axis=1)
    return mask


def _sharpes(sums: FloatArray, squares: FloatArray, centre: FloatArray, count: int) -> FloatArray:
    # A trial that does not move has earned nothing for no risk: it ranks as a ratio of zero.
    variance = (squares - sums**2 / count) / (count - 1)
    moving = variance > _STILL
    mean = centre + sums / count
    return np.where(moving, mean / np.sqrt(np.where(moving, variance, 1.0)), 0.0)


def _slope(inside: FloatArray, outside: FloatArray) -> float:
    centred = inside - inside.mean()
    scale = float(np.sum(centred**2))
    return float(np.sum(centred * outside)) / scale if scale > _STILL else _NAN


def _spread(record: Record) -> float:
    ratio = record.sharpe
    return 1 - record.skewness * ratio + (record.kurtosis - 1) / 4 * ratio**2
