from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.unit.backtest.builders import (
    CLOSES,
    EQUITY,
    A,
    B,
    a_fill,
    a_market,
    a_result,
    an_order,
)
from tradewright.backtest.report.charts import MOST_CHARTED, curve_figure, price_charts
from tradewright.backtest.report.figures import Figure
from tradewright.backtest.report.holdings import equal_weight
from tradewright.backtest.summary import session_curve
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, Split
from tradewright.data.history import MarketData


def painted(value: Any) -> Any:
    """The figure with every named colour made one that plotly knows."""
    if isinstance(value, dict):
        return {key: painted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [painted(part) for part in value]
    return "#123456" if isinstance(value, str) and value.startswith("@") else value


def charts_of(market: MarketData, **changes: Any) -> dict[str, Figure]:
    result = a_result(market, **changes)
    charts = price_charts(result, market, session_curve(result, market))
    return {chart.instrument: chart.figure for chart in charts}


def test_plotly_takes_every_figure() -> None:
    market = a_market()
    result = a_result(market)
    curve = session_curve(result, market)
    figures = [curve_figure(curve, market), *charts_of(market).values()]
    for figure in figures:
        assert len(go.Figure(painted(figure)).data) == len(figure["data"])
    assert len(figures) == 2


def test_curve_shows_equity_depth_and_exposure() -> None:
    market = a_market()
    result = a_result(market)
    equity, _, depth, invested = curve_figure(session_curve(result, market), market)["data"]
    assert equity["y"] == EQUITY
    assert depth["y"] == pytest.approx([0, 0, -0.1, -0.1, -0.01])
    assert invested["y"] == pytest.approx([0, 0.5, 1, 0.5, 0.4545])


def test_exposure_of_a_ruined_account_is_a_gap() -> None:
    market = a_market()
    ruined = np.array([1000.0, 500.0, 100.0, 0.0, -50.0])
    curve = session_curve(a_result(market, equity=ruined), market)
    assert curve_figure(curve, market)["data"][3]["y"] == [0.0, 1.1, 9.9, None, None]


def test_equal_weight_leaves_out_what_does_not_trade_and_catches_up() -> None:
    market = a_market()
    curve = session_curve(a_result(market), market)
    values = equal_weight(curve, market)
    # A alone moves on the second day; B's move from 50 to 45 is all the third day's.
    moves = [0.1, (12 / 11 - 1 + 45 / 50 - 1) / 2, (6 / 12 - 1) / 2, (0.1 + 0.2) / 2]
    expected = [1000.0]
    for move in moves:
        expected.append(expected[-1] * (1 + move))
    assert values.tolist() == pytest.approx(expected)


def test_equal_weight_is_blind_to_splits_and_keeps_dividends() -> None:
    actions = (
        Split(A, date(2020, 2, 2), Fraction(2)),
        CashDividend(B, date(2020, 2, 2), Decimal(9)),
    )
    market = a_market(actions=actions)
    values = equal_weight(session_curve(a_result(market), market), market)
    assert values[3] / values[2] - 1 == pytest.approx((0 + 45 / 36 - 1) / 2)


def test_prices_and_fills_are_adjusted_for_splits_and_told_as_they_were() -> None:
    market = a_market(actions=(Split(A, date(2020, 2, 2), Fraction(2)),))
    line, bought, sold = charts_of(market)[A]["data"]
    assert line["y"] == pytest.approx([5, 5.5, 6, 6, 6.6])
    assert (bought["x"], bought["y"]) == (["2020-01-31"], [5.5])
    assert (sold["x"], sold["y"]) == (["2020-02-01"], [6])
    assert bought["text"] == ["2020-01-31: buy 10 AAA @ 11"]


def test_missing_bar_is_a_gap_in_the_line() -> None:
    market = a_market()
    order = an_order(5, instrument=B)
    line = charts_of(market, fills=[a_fill(order, "45", 2)])[B]["data"][0]
    assert line["y"][1] is None


def test_most_traded_come_first_and_no_more_than_fit() -> None:
    names = [InstrumentId(f"N{i:02}") for i in range(MOST_CHARTED + 3)]
    market = a_market(closes=[[10.0] * len(names)] * len(CLOSES), names=names)
    orders = [an_order(i, instrument=name) for i, name in enumerate(names)]
    fills = [a_fill(order, str(10 + i)) for i, order in enumerate(orders)]
    assert list(charts_of(market, fills=fills)) == names[:2:-1]


def test_name_of_an_instrument_is_no_markup() -> None:
    name = InstrumentId("<b>X")
    market = a_market(names=(name, B))
    figure = charts_of(market, fills=[a_fill(an_order(1, instrument=name))])[name]
    assert "&lt;b&gt;X" in figure["data"][1]["text"][0]


def test_run_without_fills_has_no_price_charts() -> None:
    assert charts_of(a_market(), fills=[]) == {}
