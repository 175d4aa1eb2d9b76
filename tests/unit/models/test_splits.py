from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import IntArray
from tradewright.models.splits import (
    Split,
    combinatorial_purged,
    path_count,
    purged_k_fold,
    walk_forward,
)


def listed(splits: list[Split]) -> list[tuple[list[int], list[int]]]:
    return [(one.train.tolist(), one.test.tolist()) for one in splits]


def test_a_walk_rolls() -> None:
    assert listed(walk_forward(10, train=4, test=2)) == [
        ([0, 1, 2, 3], [4, 5]),
        ([2, 3, 4, 5], [6, 7]),
        ([4, 5, 6, 7], [8, 9]),
    ]


def test_an_anchored_walk_keeps_its_beginning_and_the_last_test_is_what_is_left() -> None:
    assert listed(walk_forward(7, train=3, test=3, anchored=True)) == [
        ([0, 1, 2], [3, 4, 5]),
        ([0, 1, 2, 3, 4, 5], [6]),
    ]


@given(st.integers(2, 200), st.data())
def test_tests_of_a_walk_follow_one_another_and_learn_from_the_past_alone(
    count: int, data: st.DataObject
) -> None:
    train, test = data.draw(st.integers(1, count - 1)), data.draw(st.integers(1, count))
    anchored = data.draw(st.booleans())
    splits = walk_forward(count, train=train, test=test, anchored=anchored)
    assert np.concatenate([one.test for one in splits]).tolist() == list(range(train, count))
    for one in splits:
        assert one.train[-1] + 1 == one.test[0]
        assert one.train[0] == 0 if anchored else len(one.train) == train


@pytest.mark.parametrize(
    ("train", "test", "field"),
    [(0, 1, "train"), (1, 0, "test"), (10, 1, "train"), (11, 1, "train")],
)
def test_a_walk_that_has_no_step_is_refused(train: int, test: int, field: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{field}: "):
        walk_forward(10, train=train, test=test)


def test_purging_takes_out_labels_that_reach_into_the_test_and_those_that_it_reaches() -> None:
    # Labels of three observations: the one at 3 is made of 3, 4 and 5.
    ends = np.arange(12) + 2
    splits = listed(purged_k_fold(12, 3, ends=ends))
    assert splits[1] == ([0, 1, 10, 11], [4, 5, 6, 7])


def test_an_embargo_comes_after_the_labels_of_the_test() -> None:
    ends = np.arange(20) + 1
    splits = listed(purged_k_fold(20, 4, ends=ends, embargo=0.1))
    # The test is 5 to 9 and its labels end at 10; two observations are a tenth of twenty.
    assert splits[1] == ([0, 1, 2, 3, *range(13, 20)], [5, 6, 7, 8, 9])


@st.composite
def labels(draw: st.DrawFn) -> tuple[int, IntArray, float]:
    count = draw(st.integers(6, 60))
    reach = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    return count, np.arange(count) + np.array(reach), draw(st.sampled_from([0.0, 0.01, 0.1]))


@given(labels(), st.data())
def test_nothing_that_is_learned_overlaps_a_test_and_an_embargo_is_kept(
    given_labels: tuple[int, IntArray, float], data: st.DataObject
) -> None:
    count, ends, embargo = given_labels
    groups = data.draw(st.integers(2, 6))
    tested = data.draw(st.integers(1, groups - 1))
    parts = combinatorial_purged(count, groups, tested, ends=ends, embargo=embargo)
    gap = int(np.ceil(embargo * count))
    for split in parts.splits:
        tests = set(split.test.tolist())
        assert not tests & set(split.train.tolist())
        for first, stop in parts.bounds:
            if first not in tests:
                continue
            last = int(min(ends[first:stop].max(), count - 1))
            for place in split.train.tolist():
                # Neither is open while the other is.
                assert ends[place] < first or place > last
                assert not last < place <= last + gap


@given(st.integers(2, 8), st.data())
def test_paths_are_as_many_as_they_should_be_and_test_everything_once(
    groups: int, data: st.DataObject
) -> None:
    tested = data.draw(st.integers(1, groups - 1))
    parts = combinatorial_purged(10 * groups, groups, tested)
    assert len(parts.splits) == comb(groups, tested)
    assert parts.paths.shape == (path_count(groups, tested), groups)
    assert path_count(groups, tested) == comb(groups, tested) * tested // groups
    used = set()
    for path in parts.paths.tolist():
        for group, split in enumerate(path):
            first, stop = parts.bounds[group]
            assert set(range(first, stop)) <= set(parts.splits[split].test.tolist())
            used.add((group, split))
    # No result out of sample is in two paths.
    assert len(used) == parts.paths.size == comb(groups, tested) * tested


def test_the_paths_of_the_book() -> None:
    # López de Prado 2018, section 12.3: six groups, two tested, are 15 splits and 5 paths.
    assert len(combinatorial_purged(60, 6, 2).splits) == 15
    assert path_count(6, 2) == 5


def test_one_group_tested_is_a_k_fold() -> None:
    ends = np.arange(30) + 2
    parts = combinatorial_purged(30, 5, 1, ends=ends, embargo=0.05)
    assert listed(list(parts.splits)) == listed(purged_k_fold(30, 5, ends=ends, embargo=0.05))
    assert parts.paths.tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"folds": 1}, "folds"),
        ({"folds": 11}, "folds"),
        ({"embargo": 1.0}, "embargo"),
        ({"embargo": -0.1}, "embargo"),
        ({"ends": np.arange(9)}, "ends"),
        ({"ends": np.zeros(10, dtype=np.int64)}, "ends"),
    ],
)
def test_what_makes_no_folds_is_refused(changes: dict[str, object], field: str) -> None:
    given_arguments: dict[str, object] = {"folds": 2} | changes
    with pytest.raises(InvalidInput, match=rf"^{field}: "):
        purged_k_fold(10, **given_arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("tested", [0, 4, 5])
def test_testing_everything_or_nothing_is_refused(tested: int) -> None:
    with pytest.raises(InvalidInput, match=r"^tested: "):
        combinatorial_purged(40, 4, tested)
    with pytest.raises(InvalidInput, match=r"^tested: "):
        path_count(4, tested)
