"""The figures of exposure, of rolling ratios and of trading.

A month of trading is half of what was bought and sold in it over its mean equity; fees are what
the ledger booked, added up.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.exposures import exposures
from tradewright.analytics.returns import simple_returns
from tradewright.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from tradewright.backtest.report.figures import (
    blank_layout,
    drawn_area,
    drawn_axis,
    drawn_line,
    plain_numbers,
)
from tradewright.backtest.report.holdings import benchmark, holdings

if TYPE_CHECKING:
    from tradewright.backtest.backtest import Result
    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.frames import FloatArray
    from tradewright.data.history import MarketData

WINDOW: Final = 126
_LEAST_WINDOW: Final = 21
_MOST_NAMES: Final = 8


def rolling_window(sessions: int) -> int:
    """Sessions that rolling ratios are over: half a year, or a third of a run that is shorter."""
    return max(_LEAST_WINDOW, min(WINDOW, sessions // 3))


def exposure_figure(result: Result, market: MarketData, curve: SessionCurve) -> Figure:
    """Draw gross and net exposure, and below them the weight of each name."""
    dates = [day.isoformat() for day in curve.dates]
    held = holdings(result, market, curve)
    known = exposures(held.values, curve.equity)
    traces = [
        drawn_area(dates, known.gross, "Gross", "y", "@accent") | {"showlegend": True},
        drawn_line(dates, known.net, "Net", "y", color="@ink", width=1.4),
    ]
    weights = held.values / np.where(curve.equity > 0, curve.equity, np.nan)[:, None]
    size = np.nansum(np.abs(weights), axis=0)
    order = np.argsort(-size, kind="stable").tolist()
    for place, column in enumerate(order[:_MOST_NAMES]):
        traces.append(_band(dates, weights[:, column], held.names[column], f"@c{place}"))
    rest = order[_MOST_NAMES:]
    if rest:
        traces.append(_band(dates, weights[:, rest].sum(axis=1), f"{len(rest)} others", "@c8"))
    for trace in traces:
        trace["hovertemplate"] = "%{y:.1%}"
    layout = blank_layout(460)
    layout["xaxis"] |= {"anchor": "y2", "range": [dates[0], dates[-1]]}
    layout |= {
        "yaxis": drawn_axis("Of equity", [0.58, 1.0], tickformat=".0%", nticks=5),
        "yaxis2": drawn_axis("By name", [0.0, 0.5], tickformat=".0%", nticks=5),
    }
    return {"data": traces, "layout": layout}


def rolling_figure(curve: SessionCurve, market: MarketData) -> Figure:
    """Draw Sharpe ratio, volatility and beta over a window that moves."""
    dates = [day.isoformat() for day in curve.dates[1:]]
    returns, window = simple_returns(curve.equity), rolling_window(curve.sessions)
    name, against = benchmark(curve, market)
    slope = rolling_beta(returns, against, window)
    traces = [
        drawn_line(
            dates, rolling_sharpe(returns, window), "Sharpe", "y", color="@accent", width=1.6
        ),
        drawn_line(
            dates, rolling_volatility(returns, window), "Volatility", "y2", color="@c1", width=1.6
        ),
        drawn_line(dates, slope, f"Beta to {name}", "y3", color="@c2", width=1.6),
    ]
    forms = ("%{y:.2f}", "%{y:.1%}", "%{y:.2f}")
    for trace, form in zip(traces, forms, strict=True):
        trace["hovertemplate"] = form
    layout = blank_layout(460)
    layout["xaxis"] |= {"anchor": "y3", "range": [dates[0], dates[-1]]}
    zero = {"zeroline": True, "zerolinecolor": "@muted", "zerolinewidth": 1}
    layout |= {
        "yaxis": drawn_axis("Sharpe", [0.7, 1.0], nticks=7) | zero,
        "yaxis2": drawn_axis("Volatility", [0.35, 0.65], tickformat=".0%", nticks=4)
        | {"rangemode": "tozero"},
        "yaxis3": drawn_axis("Beta", [0.0, 0.3], nticks=6) | zero,
    }
    return {"data": traces, "layout": layout}


def trading_figure(result: Result, market: MarketData, curve: SessionCurve) -> Figure:
    """Draw turnover of each month, and fees added up."""
    traded: dict[str, float] = defaultdict(float)
    fees: dict[str, float] = defaultdict(float)
    for fill in result.fills:
        month = f"{fill.at:%Y-%m}-01"
        scale = market.instruments[fill.instrument].multiplier
        traded[month] += float(fill.price * fill.quantity * scale)
        fees[month] += float(fill.fee.amount)
    months, equity = _monthly(curve)
    turnover = np.array([traded[month] / 2 for month in months]) / equity
    paid = np.cumsum([fees[month] for month in months])
    bars: Figure = {
        "type": "bar",
        "name": "Turnover",
        "x": months,
        "y": plain_numbers(turnover),
        "yaxis": "y",
        "marker": {"color": "@accent"},
        "hovertemplate": "%{y:.1%}",
    }
    line = drawn_line(months, paid, "Fees so far", "y2", color="@loss", width=1.8)
    line["hovertemplate"] = "%{y:,.2f}"
    layout = blank_layout(300)
    layout["bargap"] = 0.25
    layout |= {
        "yaxis": drawn_axis("Turnover a month", [0.0, 1.0], tickformat=".0%", nticks=5),
        "yaxis2": drawn_axis("Fees", [0.0, 1.0], tickformat=",.3~s", nticks=5)
        | {"overlaying": "y", "side": "right", "showgrid": False, "rangemode": "tozero"},
    }
    return {"data": [bars, line], "layout": layout}


def _monthly(curve: SessionCurve) -> tuple[list[str], FloatArray]:
    values: dict[str, list[float]] = defaultdict(list)
    for day, value in zip(curve.dates[1:], curve.equity[1:].tolist(), strict=True):
        values[f"{day:%Y-%m}-01"].append(value)
    means = np.array([sum(some) / len(some) for some in values.values()])
    return list(values), np.where(means > 0, means, np.nan)


def _band(dates: list[str], weights: FloatArray, name: str, color: str) -> Figure:
    # Long and short weights are summed apart, or a short would cut into the longs beside it.
    side = "short" if np.nansum(weights) < 0 else "long"
    band = drawn_line(dates, weights, name, "y2", color=color, width=0.5)
    return band | {"stackgroup": side, "fillcolor": color}
