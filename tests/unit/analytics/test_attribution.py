from __future__ import annotations

import math

import numpy as np
import pytest

from tradewright.analytics.attribution import attribute
from tradewright.core.errors import InvalidInput

ONE = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02])
OTHER = np.array([0.0, 0.01, -0.01, 0.02, 0.0, -0.02])


def test_returns_made_of_factors_are_taken_apart() -> None:
    fit = attribute(0.001 + 2 * ONE - 0.5 * OTHER, {"market": ONE, "value": OTHER})
    assert [one.factor for one in fit.loadings] == ["market", "value"]
    assert [one.loading for one in fit.loadings] == pytest.approx([2, -0.5])
    assert fit.alpha == pytest.approx(0.252)
    assert fit.r_squared == pytest.approx(1)
    assert fit.residual == pytest.approx(0, abs=1e-12)


def test_contributions_and_alpha_are_the_mean() -> None:
    returns = np.array([0.02, 0.01, 0.01, -0.03, 0.0, 0.01])
    fit = attribute(returns, {"market": ONE, "value": OTHER})
    assert fit.alpha + sum(one.contribution for one in fit.loadings) == pytest.approx(fit.mean)
    assert fit.mean == pytest.approx(returns.mean() * 252)


def test_sessions_with_a_gap_are_left_out() -> None:
    returns = np.array([0.02, 0.01, 0.01, -0.03, 0.0, 0.01])
    holed = np.append(returns, np.nan)
    with_gap = attribute(holed, {"market": np.append(ONE, 0.01)})
    whole = attribute(returns, {"market": ONE})
    assert with_gap.sessions == 6
    assert with_gap.loadings[0].loading == pytest.approx(whole.loadings[0].loading)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InvalidInput, match="there must be one"):
        attribute(ONE, {})
    with pytest.raises(InvalidInput, match="must be of the same 6 sessions"):
        attribute(ONE, {"market": OTHER[1:]})
    with pytest.raises(InvalidInput, match="more than 2 known sessions"):
        attribute(ONE[:2], {"market": OTHER[:2]})
    with pytest.raises(InvalidInput, match="do not vary apart"):
        attribute(ONE, {"market": OTHER, "twice": 2 * OTHER})


def test_flat_returns_have_nothing_to_explain() -> None:
    assert math.isnan(attribute(np.zeros(6), {"market": ONE}).r_squared)
