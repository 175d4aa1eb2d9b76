from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.unit.backtest.builders import (
    EQUITY,
    A,
    B,
    a_fill,
    a_market,
    a_result,
    an_order,
)
from tradewright.analytics.crises import CRISES
from tradewright.analytics.exposures import exposures
from tradewright.backtest.backtest import Backtest
from tradewright.backtest.report.holdings import benchmark, factors, holdings, payouts
from tradewright.backtest.report.panels import (
    exposure_figure,
    rolling_figure,
    rolling_window,
    trading_figure,
)
from tradewright.backtest.report.statistics import GROUPS, statistics
from tradewright.backtest.summary import session_curve
from tradewright.bootstrap import load_market
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Delisting, Split
from tradewright.core.orders import Side
from tradewright.engine.run import RunSpec
from tradewright.risk.limits import Limits

METRICS = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_every_key_and_every_crisis_is_defined_in_the_papers() -> None:
    market = a_market()
    result = a_result(market)
    known = statistics(result, market, session_curve(result, market))
    papers = METRICS.read_text(encoding="utf-8")
    keys = {key for part in known.values() if isinstance(part, dict) for key in part}
    assert [key for key in keys | known.keys() if f"`{key}`" not in papers] == []
    for one in CRISES:
        assert f"| {one.name} | {one.first} | {one.last} | {one.source} |" in papers


def test_every_row_of_the_page_has_its_number() -> None:
    market = a_market()
    result = a_result(market)
    known = statistics(result, market, session_curve(result, market))
    for name, (_, rows) in GROUPS.items():
        assert {row.key for row in rows} <= known[name].keys()


def test_numbers_of_a_small_run_by_hand() -> None:
    market = a_market()
    # A closes at 11, 12, 6 and 6.6 and ten are held over the first of these alone.
    result = a_result(market)
    curve = session_curve(result, market)
    held = holdings(result, market, curve)
    assert held.names == (A,)
    assert held.values[:, 0].tolist() == [0, 110, 0, 0, 0]
    known = statistics(result, market, curve)
    assert known["exposure"]["gross"] == pytest.approx(110 / 1100 / 4)
    # Bought at 11, sold at 12, with fees of 1.00 and 1.01.
    assert known["round_trips"]["trips"] == 1
    assert known["round_trips"]["expectancy"] == pytest.approx((10 - 2.01) / 110)
    assert known["round_trips"]["kelly"] is None
    assert known["benchmark"]["name"] == "equal weight"
    assert known["attribution"]["sessions"] == 4
    assert known["crises"] == []
    json.dumps(known, allow_nan=False)


def test_short_of_a_split_share_is_worth_the_same() -> None:
    market = a_market(actions=(Split(A, date(2020, 2, 2), Fraction(2)),))
    short = replace(a_fill(an_order(1, side=Side.SELL)))
    result = a_result(market, fills=[short])
    values = holdings(result, market, session_curve(result, market)).values
    assert values[:, 0].tolist() == pytest.approx([0, -110, -120, -120, -132])


def test_delisting_pays_what_is_held_and_ends_a_trip() -> None:
    market = a_market(actions=(Delisting(A, date(2020, 2, 1)),))
    result = a_result(market, fills=[a_fill(an_order(1))])
    assert [(one.instrument, one.price) for one in payouts(result, market)] == [(A, Decimal(12))]
    curve = session_curve(result, market)
    assert holdings(result, market, curve).values[:, 0].tolist() == [0, 110, 120, 0, 0]
    assert statistics(result, market, curve)["round_trips"]["trips"] == 1


def test_market_is_the_benchmark_where_it_trades_in_every_session() -> None:
    spy, iwm = InstrumentId("SPY"), InstrumentId("IWM")
    closes = [[10.0, 50.0], [11.0, 49.0], [12.0, 45.0], [6.0, 45.0], [6.6, 54.0]]
    market = a_market(closes=closes, names=(spy, iwm))
    result = a_result(market, fills=[a_fill(an_order(1, instrument=spy))])
    curve = session_curve(result, market)
    name, returns = benchmark(curve, market)
    assert name == "SPY"
    assert returns.tolist() == pytest.approx([0.1, 12 / 11 - 1, -0.5, 0.1])
    assert list(factors(curve, market)) == ["market (SPY)", "small less large (IWM − SPY)"]
    late = a_market(closes=[[np.nan, 50.0], *closes[1:]], names=(spy, iwm))
    assert benchmark(curve, late)[0] == "equal weight"


def test_holdings_add_up_to_what_the_engine_had_invested() -> None:
    market = load_market(None)
    days = [session.date for session in market.frame.sessions]
    spec = RunSpec(
        "momentum",
        {"top": "3"},
        days[260],
        days[-1],
        Decimal(100_000),
        Limits.of_capital(Decimal(100_000)),
    )
    result = Backtest(spec, market).run()
    curve = session_curve(result, market)
    gross = exposures(holdings(result, market, curve).values, curve.equity).gross
    # A split's fraction of a share is paid in cash by the ledger and counted as held here.
    np.testing.assert_allclose(gross, curve.invested / curve.equity, atol=2e-3)
    assert len(result.fills) > 20


def test_figures_say_what_was_held_and_traded() -> None:
    market = a_market()
    result = a_result(market)
    curve = session_curve(result, market)
    gross, net, name = exposure_figure(result, market, curve)["data"]
    assert gross["y"] == net["y"] == name["y"] == [0, 0.1, 0, 0, 0]
    bars, fees = trading_figure(result, market, curve)["data"]
    assert bars["x"] == ["2020-01-01", "2020-02-01"]
    assert bars["y"] == pytest.approx([110 / 2 / 1100, 120 / 2 / np.mean(EQUITY[2:])], abs=1e-4)
    assert fees["y"] == [1, 2.01]


def test_rolling_window_is_half_a_year_or_a_third_of_less() -> None:
    assert [rolling_window(n) for n in (2520, 300, 10)] == [126, 100, 21]
    market = a_market()
    curve = session_curve(a_result(market), market)
    assert rolling_figure(curve, market)["data"][0]["y"] == [None] * curve.sessions


def test_names_beyond_those_that_fit_are_one_band() -> None:
    names = [InstrumentId(f"N{i:02}") for i in range(11)]
    market = a_market(closes=[[10.0] * 11] * 5, names=names)
    fills = [a_fill(an_order(i, instrument=name), "10") for i, name in enumerate(names)]
    result = a_result(market, fills=fills)
    traces = exposure_figure(result, market, session_curve(result, market))["data"]
    assert [trace["name"] for trace in traces][-1] == "3 others"
    assert traces[-1]["y"][1] == pytest.approx(300 / 1100, abs=1e-4)
    assert B not in [trace["name"] for trace in traces]
