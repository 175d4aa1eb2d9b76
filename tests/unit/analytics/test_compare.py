from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tradewright.analytics.compare import compare
from tradewright.analytics.crises import CRISES, crises_within
from tradewright.core.errors import InvalidInput

DAYS = [date(2020, 1, day) for day in (2, 3, 6, 7, 8)]
EQUITY = np.array([100.0, 110.0, 99.0, 99.0, 108.9])


def test_curve_beside_itself_differs_nowhere() -> None:
    same = compare(DAYS, EQUITY, DAYS, EQUITY)
    assert same.first_difference() is None
    assert same.differences.tolist() == [0] * 5
    assert same.correlation == pytest.approx(1)
    assert same.tracking_error == 0


def test_first_difference_is_found() -> None:
    other = EQUITY * np.array([1, 1, 1.01, 1.01, 1.01])
    known = compare(DAYS, EQUITY, DAYS, other)
    assert known.first_difference() == DAYS[2]
    assert known.differences[2] == pytest.approx(0.9 * 0.01)
    assert known.differences[3:].tolist() == pytest.approx([0, 0])


def test_scale_of_an_account_is_no_difference() -> None:
    assert compare(DAYS, EQUITY, DAYS, 7 * EQUITY).first_difference() is None


def test_sessions_that_one_lacks_are_told_and_move_no_return() -> None:
    known = compare(DAYS, EQUITY, [*DAYS[:2], *DAYS[3:]], EQUITY[[0, 1, 3, 4]])
    assert known.only_left == (DAYS[2],)
    assert known.only_right == ()
    assert known.dates == (DAYS[0], DAYS[1], DAYS[3], DAYS[4])
    assert known.first_difference() is None
    assert known.left_returns.tolist() == pytest.approx([0, 0.1, -0.1, 0.1])


def test_runs_of_other_years_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no session in common"):
        compare(DAYS[:2], EQUITY[:2], DAYS[2:], EQUITY[2:])


def test_value_that_is_unknown_differs() -> None:
    holed = EQUITY.copy()
    holed[3] = np.nan
    assert compare(DAYS, EQUITY, DAYS, holed).first_difference() == DAYS[3]


def test_crises_are_in_order_and_chosen_whole() -> None:
    assert all(one.first < one.last and one.source for one in CRISES)
    assert sorted(CRISES, key=lambda one: one.first) == list(CRISES)
    names = [one.name for one in crises_within(date(2018, 1, 26), date(2020, 3, 22))]
    assert names == ["Volatility spike", "Fourth quarter 2018"]
