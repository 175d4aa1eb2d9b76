"""Paths through a combinatorial cross-validation: many histories out of sample instead of one.

Parameters are chosen on the sessions of a training and earn what they earned in the others. Each
path is made of all sessions once, and none of it was chosen by what it shows; how far the paths'
ratios lie apart is what one walk forward cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.analytics.returns import sharpe
from tradewright.core.errors import InvalidInput
from tradewright.models.splits import combinatorial_purged

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewright.core.frames import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """What was chosen in each split, and the paths.

    `chosen` (splits,) are places of trials; `returns` (paths, sessions) those of the sessions out
    of sample; `sharpes` (paths,) are annual, NaN where a path does not move.
    """

    chosen: IntArray
    returns: FloatArray
    sharpes: FloatArray

    @property
    def loss(self) -> float:
        """Part of the paths that ended below where they began."""
        return float(np.mean(np.prod(1 + self.returns, axis=1) < 1))


def cross_validate(
    returns: FloatArray,
    *,
    groups: int = 10,
    tested: int = 2,
    embargo: float = 0.01,
    holding: int = 0,
    score: Callable[[FloatArray], float] = sharpe,
) -> CrossValidation:
    """Choose the best trial on each training and follow it through each test.

    Args:
        returns: Simple returns of all that was tried, shape (sessions, trials). Without NaN.
        groups: Stretches that the sessions are cut into (N).
        tested: Stretches of a test (k).
        embargo: Fraction of all sessions that is left out after a test.
        holding: Sessions that a decision reaches ahead, purged before a test.
        score: What is best: a function of the returns of a training, where NaN is worst.

    Returns:
        k / N · C(N, k) paths of all sessions.

    Raises:
        InvalidInput: There is no trial, a NaN, a negative holding, or the groups do not fit; or
            purging leaves nothing to learn from.

    Reference:
        M. López de Prado, Advances in Financial Machine Learning, 2018, section 12.4.
    """
    if returns.ndim != 2 or not returns.shape[1]:  # noqa: PLR2004 - sessions and trials
        raise InvalidInput("returns", returns.shape, "are not the sessions of trials")
    if np.isnan(returns).any():
        raise InvalidInput("returns", "NaN", "stands among them", "leave that trial out")
    if holding < 0:
        raise InvalidInput("holding", holding, "must not be negative")
    count = len(returns)
    ends = np.arange(count) + holding
    parts = combinatorial_purged(count, groups, tested, ends=ends, embargo=embargo)
    chosen = np.zeros(len(parts.splits), dtype=np.int64)
    for place, split in enumerate(parts.splits):
        if not len(split.train):
            rule = f"leaves nothing to learn from in split {place}"
            raise InvalidInput("holding", holding, rule, "take fewer groups or a shorter reach")
        scores = np.array([score(column) for column in returns[split.train].T])
        chosen[place] = int(np.argmax(np.where(np.isnan(scores), -np.inf, scores)))
    paths = np.empty((len(parts.paths), count))
    for line, path in enumerate(parts.paths.tolist()):
        for group, (first, stop) in enumerate(parts.bounds):
            paths[line, first:stop] = returns[first:stop, chosen[path[group]]]
    return CrossValidation(chosen, paths, np.array([sharpe(path) for path in paths]))
