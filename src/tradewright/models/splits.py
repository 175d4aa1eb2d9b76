"""Splits of observations in time into what is learned from and what is tested on.

An observation's label may reach into the future: `ends` says how far, and whatever is learned
from reaches into no test. Without `ends` a label is about its own observation alone, and nothing
needs purging; that is right for returns of sessions and wrong for returns over several.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import ceil, comb
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.frames import BoolArray, IntArray

_FEWEST_FOLDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Places of the observations that are learned from and of those tested on, both rising."""

    train: IntArray
    test: IntArray


def walk_forward(count: int, *, train: int, test: int, anchored: bool = False) -> list[Split]:
    """Train on what came before, test on what followed, then move on by the length of a test.

    Args:
        count: Observations, in order of time.
        train: Length of the first training; of every one, unless `anchored`.
        test: Length of each test; what is left at the end is a shorter one.
        anchored: Let every training begin at the first observation.

    Returns:
        Splits whose tests follow one another and cover all observations from `train` on.

    Raises:
        InvalidInput: A length is below 1, or nothing is left to test on.

    Reference:
        R. Pardo, The Evaluation and Optimization of Trading Strategies, 2nd ed., 2008, ch. 11.
    """
    for name, length in (("train", train), ("test", test)):
        if length < 1:
            raise InvalidInput(name, length, "must be at least 1")
    if train >= count:
        rule = f"leaves nothing of {count} observations to test on"
        raise InvalidInput("train", train, rule, "train on less, or give more data")
    return [
        Split(
            np.arange(0 if anchored else first - train, first),
            np.arange(first, min(first + test, count)),
        )
        for first in range(train, count, test)
    ]


def purged_k_fold(
    count: int, folds: int, *, ends: IntArray | None = None, embargo: float = 0.0
) -> list[Split]:
    """Test on each of `folds` stretches in turn, learning from the rest without what leaks.

    Purged is every observation whose label reaches into a test, or at which the label of a test
    is still open; embargoed are ⌈embargo · count⌉ observations after the end of each test's
    labels, since what is learned there was shaped by the test's own days.

    Args:
        count: Observations, in order of time.
        folds: Stretches, as equal as they can be; at least 2.
        ends: Place of the last observation that each label is made of, shape (count,).
        embargo: Fraction of all observations, in [0, 1).

    Returns:
        One split a fold; a training may be empty where labels reach far.

    Raises:
        InvalidInput: There are fewer observations than folds, or a label ends before it begins.

    Reference:
        M. López de Prado, Advances in Financial Machine Learning, 2018, section 7.4.
    """
    groups = _groups(count, folds)
    reach = _reach(count, ends)
    gap = _gap(count, embargo)
    return [_split([(group.start, group.stop)], reach, gap) for group in groups]


@dataclass(frozen=True, slots=True, eq=False)
class Combinations:
    """Every choice of `tested` groups among `groups` as a test, and the paths through them.

    `paths` (paths, groups) says which split tests a group in a path: each split's groups belong
    to one path each, so that every path tests all observations once, by models that had not seen
    them.
    """

    splits: Sequence[Split]
    bounds: Sequence[tuple[int, int]]
    paths: IntArray


def path_count(groups: int, tested: int) -> int:
    """Number of paths, φ[N, k] = k / N · C(N, k).

    Raises:
        InvalidInput: Not 1 <= `tested` < `groups`.
    """
    _tested(groups, tested)
    return comb(groups, tested) * tested // groups


def combinatorial_purged(
    count: int,
    groups: int,
    tested: int = 2,
    *,
    ends: IntArray | None = None,
    embargo: float = 0.0,
) -> Combinations:
    """Test on every choice of `tested` among `groups` stretches, purged and embargoed.

    Args:
        count: Observations, in order of time.
        groups: Stretches, as equal as they can be (N).
        tested: Stretches of a test (k); 1 is `purged_k_fold`.
        ends: As for `purged_k_fold`.
        embargo: As for `purged_k_fold`, after each stretch that is tested.

    Returns:
        C(N, k) splits, and k / N · C(N, k) paths through them.

    Raises:
        InvalidInput: As for `purged_k_fold`, or not 1 <= `tested` < `groups`.

    Reference:
        M. López de Prado, Advances in Financial Machine Learning, 2018, section 12.4.
    """
    _tested(groups, tested)
    bounds = [(group.start, group.stop) for group in _groups(count, groups)]
    reach, gap = _reach(count, ends), _gap(count, embargo)
    chosen = list(combinations(range(groups), tested))
    splits = [_split([bounds[group] for group in some], reach, gap) for some in chosen]
    paths = np.zeros((path_count(groups, tested), groups), dtype=np.int64)
    used = [0] * groups
    for place, some in enumerate(chosen):
        for group in some:
            paths[used[group], group] = place
            used[group] += 1
    return Combinations(splits, bounds, paths)


def _groups(count: int, folds: int) -> list[range]:
    if not _FEWEST_FOLDS <= folds <= count:
        raise InvalidInput("folds", folds, f"must lie between 2 and the {count} observations")
    edges = [round(count * i / folds) for i in range(folds + 1)]
    return [range(first, stop) for first, stop in pairwise(edges)]


def _reach(count: int, ends: IntArray | None) -> IntArray:
    own: IntArray = np.arange(count, dtype=np.int64)
    if ends is None:
        return own
    if len(ends) != count:
        raise InvalidInput("ends", len(ends), f"must be as many as the {count} observations")
    if np.any(ends < own):
        place = int(np.argmax(ends < own))
        raise InvalidInput("ends", int(ends[place]), f"is before its observation ({place})")
    return np.minimum(ends, count - 1)


def _gap(count: int, embargo: float) -> int:
    if not 0 <= embargo < 1:
        raise InvalidInput("embargo", embargo, "must be a fraction in [0, 1)")
    # A product that is off by a rounding is no further observation.
    return ceil(round(embargo * count, 9))


def _tested(groups: int, tested: int) -> None:
    if not 1 <= tested < groups:
        raise InvalidInput("tested", tested, f"must lie between 1 and {groups - 1} of {groups}")


def _split(tests: Sequence[tuple[int, int]], reach: IntArray, gap: int) -> Split:
    count = len(reach)
    place = np.arange(count)
    learned: BoolArray = np.ones(count, dtype=np.bool_)
    tested: BoolArray = np.zeros(count, dtype=np.bool_)
    for first, stop in tests:
        tested[first:stop] = True
        last = int(reach[first:stop].max())
        # Two stretches of time overlap where each begins before the other has ended.
        learned &= ~((place <= last) & (reach >= first))
        if gap:
            learned &= ~((place > last) & (place <= last + gap))
    return Split(np.flatnonzero(learned & ~tested), np.flatnonzero(tested))
