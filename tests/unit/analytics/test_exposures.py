from __future__ import annotations

import numpy as np
import pytest

from tradewright.analytics.exposures import effective_names, exposures, turnover

VALUES = np.array([[60.0, -40.0, np.nan], [0.0, 0.0, 0.0], [50.0, 50.0, 50.0], [1.0, 1.0, 0.0]])
EQUITY = np.array([100.0, 100.0, 100.0, -5.0])


def test_sides_of_a_book() -> None:
    known = exposures(VALUES, EQUITY)
    assert known.long[:3].tolist() == pytest.approx([0.6, 0, 1.5])
    assert known.short[:3].tolist() == pytest.approx([0.4, 0, 0])
    assert known.gross[:3].tolist() == pytest.approx([1, 0, 1.5])
    assert known.net[:3].tolist() == pytest.approx([0.2, 0, 1.5])
    assert known.largest[:3].tolist() == pytest.approx([0.6, 0, 0.5])
    assert np.isnan([known.gross[3], known.net[3], known.largest[3]]).all()


def test_names_that_would_be_as_concentrated() -> None:
    names = effective_names(VALUES)
    assert names[[0, 2, 3]].tolist() == pytest.approx([100**2 / (3600 + 1600), 3, 2])
    assert np.isnan(names[1])


def test_account_without_names_is_exposed_to_nothing() -> None:
    known = exposures(np.empty((2, 0)), np.array([1.0, 1.0]))
    assert known.gross.tolist() == known.largest.tolist() == [0, 0]


def test_whole_account_replaced_is_one() -> None:
    traded = turnover(np.array([200.0, 50.0, 10.0]), np.array([100.0, 100.0, 0.0]))
    assert traded[:2].tolist() == [1, 0.25]
    assert np.isnan(traded[2])
