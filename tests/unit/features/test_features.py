"""Features against their formulas, computed the slow way."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.builders import NAN
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray
from tradewright.features.feature import Feature, Unit, feature_columns
from tradewright.features.returns import momentum, skipped_return
from tradewright.features.trend import rolling_mean, sma, sma_gap
from tradewright.features.volatility import realised_volatility, volatility

CLOSES = np.array([[10.0, 5.0], [11.0, 5.5], [12.1, NAN], [11.5, 5.2], [12.0, 5.3], [12.6, 5.4]])


def column(values: FloatArray, index: int = 0) -> list[float]:
    return [float(v) for v in values[:, index]]


def test_the_mean_of_the_last_rows() -> None:
    means = rolling_mean(CLOSES, 3)
    assert np.isnan(means[:2, 0]).all()
    assert column(means)[2:] == [
        (10.0 + 11.0 + 12.1) / 3,
        (11.0 + 12.1 + 11.5) / 3,
        (12.1 + 11.5 + 12.0) / 3,
        (11.5 + 12.0 + 12.6) / 3,
    ]


def test_a_window_with_a_missing_price_has_no_mean() -> None:
    means = column(rolling_mean(CLOSES, 3), 1)
    assert [math.isnan(mean) for mean in means] == [True, True, True, True, True, False]
    assert means[5] == pytest.approx(5.3)


def test_a_return_leaves_out_the_last_rows() -> None:
    returns = column(skipped_return(CLOSES, 3, 1))
    assert np.isnan(returns[:3]).all()
    assert returns[3:] == [12.1 / 10.0 - 1, 11.5 / 11.0 - 1, 12.0 / 12.1 - 1]
    assert column(skipped_return(CLOSES, 1, 0))[1] == 11.0 / 10.0 - 1


def test_a_return_needs_both_its_prices_and_no_other() -> None:
    returns = column(skipped_return(CLOSES, 3, 1), 1)
    assert [math.isnan(r) for r in returns] == [True, True, True, True, False, True]


def test_volatility_is_the_annualised_sample_deviation_of_log_returns() -> None:
    window = 3
    logs = [math.log(b / a) for a, b in zip(column(CLOSES), column(CLOSES)[1:], strict=False)]
    expected = [
        math.sqrt(252) * float(np.std(logs[end - window : end], ddof=1))
        for end in range(window, len(logs) + 1)
    ]
    found = column(realised_volatility(CLOSES, window))
    assert np.isnan(found[:window]).all()
    assert found[window:] == pytest.approx(expected, rel=1e-12)


def test_a_price_that_grows_evenly_has_no_volatility() -> None:
    even = np.array([[2.0**row] for row in range(6)])
    assert column(realised_volatility(even, 3))[3:] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    "compute",
    [
        lambda values: rolling_mean(values, 5),
        lambda values: skipped_return(values, 5, 2),
        lambda values: realised_volatility(values, 5),
        lambda values: realised_volatility(values, 10),
    ],
    ids=["mean", "return", "volatility", "longer volatility"],
)
def test_history_shorter_than_the_window_is_not_a_number(
    compute: Callable[[FloatArray], FloatArray], rows: int
) -> None:
    values = compute(CLOSES[:rows])
    assert values.shape == (rows, 2)
    assert np.isnan(values).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: rolling_mean(CLOSES, 0),
        lambda: skipped_return(CLOSES, 3, 3),
        lambda: skipped_return(CLOSES, 3, -1),
        lambda: realised_volatility(CLOSES, 1),
        lambda: Feature("empty", ("close",), 0, Unit.NUMBER, lambda columns: columns["close"]),
    ],
    ids=["mean", "no stretch", "future", "one return", "no window"],
)
def test_a_window_that_holds_nothing_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        make()


@pytest.mark.parametrize(
    ("feature", "name", "window", "unit"),
    [
        (momentum(), "momentum_252_21", 253, Unit.NUMBER),
        (momentum(20, 5), "momentum_20_5", 21, Unit.NUMBER),
        (sma(30), "sma_30", 30, Unit.PRICE),
        (sma_gap(10, 30), "sma_gap_10_30", 30, Unit.PRICE),
        (volatility(), "volatility_63", 64, Unit.NUMBER),
    ],
)
def test_what_a_feature_says_of_itself(
    feature: Feature, name: str, window: int, unit: Unit
) -> None:
    assert (feature.name, feature.window, feature.unit) == (name, window, unit)
    assert feature.inputs == ("close",)


def test_features_are_computed_by_name_and_read_only() -> None:
    computed = feature_columns([sma(2), sma_gap(2, 3), momentum(2, 1)], {"close": CLOSES})
    assert set(computed) == {"sma_2", "sma_gap_2_3", "momentum_2_1"}
    gap = computed["sma_gap_2_3"]
    assert gap[5, 0] == (12.0 + 12.6) / 2 - (11.5 + 12.0 + 12.6) / 3
    assert all(not values.flags.writeable for values in computed.values())
    with pytest.raises(ValueError, match="read-only"):
        gap[0, 0] = 1.0


def test_a_feature_gets_only_the_columns_it_names() -> None:
    seen: list[set[str]] = []

    def spy(columns: object) -> FloatArray:
        assert isinstance(columns, dict)
        seen.append(set(columns))
        return CLOSES

    feature_columns(
        [Feature("spy", ("close",), 1, Unit.NUMBER, spy)], {"close": CLOSES, "open": CLOSES}
    )
    assert seen == [{"close"}]
