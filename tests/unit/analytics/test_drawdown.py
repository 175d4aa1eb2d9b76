from __future__ import annotations

import math

import numpy as np
import pytest

from tradewright.analytics.drawdown import Drawdown, drawdowns, falls, max_drawdown
from tradewright.core.errors import InvalidInput


def test_depth_is_a_positive_fraction_of_the_highest_value_so_far() -> None:
    equity = np.array([100.0, 120.0, 90.0, 120.0, 60.0])
    assert drawdowns(equity).tolist() == pytest.approx([0, 0, 0.25, 0, 0.5])


def test_falls_are_found_one_by_one_with_their_dates() -> None:
    equity = np.array([100.0, 120.0, 90.0, 108.0, 120.0, 121.0, 110.0, 115.0])
    first, second = falls(equity)
    assert first == Drawdown(0.25, start=1, trough=2, recovery=4, duration=3)
    assert (second.start, second.trough, second.recovery, second.duration) == (5, 6, None, 2)


def test_peak_that_is_held_counts_from_its_last_row() -> None:
    (fall,) = falls(np.array([100.0, 100.0, 100.0, 80.0, 100.0]))
    assert (fall.start, fall.recovery, fall.duration) == (2, 4, 2)


def test_fall_below_the_opening_value_starts_there() -> None:
    assert max_drawdown(np.array([100.0, 75.0])) == Drawdown(0.25, 0, 1, None, 1)


def test_deepest_is_chosen_and_the_first_of_equals() -> None:
    equity = np.array([100.0, 90.0, 100.0, 50.0, 100.0, 50.0, 100.0])
    assert max_drawdown(equity).start == 2


def test_equity_that_never_falls_has_a_drawdown_of_nothing() -> None:
    assert falls(np.array([1.0, 2.0, 2.0])) == []
    assert max_drawdown(np.array([1.0, 2.0, 2.0])) == Drawdown(0.0, 0, 0, 0, 0)


def test_debt_is_a_drawdown_of_more_than_everything() -> None:
    assert max_drawdown(np.array([100.0, -20.0])).depth == pytest.approx(1.2)


def test_gap_hides_what_follows_it() -> None:
    equity = np.array([100.0, 90.0, np.nan, 120.0])
    assert np.isnan(drawdowns(equity)).tolist() == [False, False, True, True]
    assert [(fall.start, fall.recovery) for fall in falls(equity)] == [(0, None)]
    assert math.isnan(max_drawdown(equity).depth)


@pytest.mark.parametrize("equity", [[], [0.0, 1.0], [-5.0, 1.0]])
def test_equity_must_begin_above_zero(equity: list[float]) -> None:
    with pytest.raises(InvalidInput, match="equity"):
        drawdowns(np.array(equity))
