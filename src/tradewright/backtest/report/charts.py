"""The figures of equity and of prices with their fills; every date is a session's."""

from __future__ import annotations

import html
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.drawdown import drawdowns
from tradewright.backtest.report.figures import (
    RANGES,
    blank_layout,
    drawn_area,
    drawn_axis,
    drawn_line,
    plain_numbers,
)
from tradewright.backtest.report.holdings import MARKET, benchmark, equal_weight, fill_rows
from tradewright.core.orders import Side
from tradewright.data.adjust import split_growth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.frames import FloatArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.orders import Fill
    from tradewright.data.history import MarketData

MOST_CHARTED: Final = 12


def curve_figure(curve: SessionCurve, market: MarketData) -> Figure:
    """Draw equity, drawdown and exposure over one axis of time, one value a session."""
    dates = [day.isoformat() for day in curve.dates]
    traces = [
        drawn_line(dates, curve.equity, "Equity", "y", color="@accent", width=2),
        drawn_line(
            dates, equal_weight(curve, market), "Equal weight", "y", color="@muted", width=1.2
        ),
        drawn_area(dates, -drawdowns(curve.equity), "Drawdown", "y2", "@loss"),
        drawn_area(dates, _exposure(curve), "Invested", "y3", "@accent"),
    ]
    traces[1]["line"]["dash"] = "dot"
    name, returns = benchmark(curve, market)
    if name == MARKET:
        held = curve.equity[0] * np.cumprod(np.append(1.0, 1 + returns))
        traces.append(drawn_line(dates, held, MARKET, "y", color="@warn-line", width=1.2))
        traces[-1]["hovertemplate"] = "%{y:,.0f}"
    traces[0]["hovertemplate"] = traces[1]["hovertemplate"] = "%{y:,.0f}"
    traces[2]["hovertemplate"] = traces[3]["hovertemplate"] = "%{y:.1%}"
    layout = blank_layout(560)
    layout["xaxis"] |= {
        "anchor": "y3",
        "range": [dates[0], dates[-1]],
        "rangeselector": {"buttons": list(RANGES), "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    layout |= {
        "yaxis": drawn_axis("Equity", [0.46, 1.0], tickformat=",.3~s"),
        "yaxis2": drawn_axis("Drawdown", [0.24, 0.41], tickformat=".0%", nticks=4),
        "yaxis3": drawn_axis(
            "Invested", [0.0, 0.19], tickformat=".0%", nticks=4, rangemode="tozero"
        ),
    }
    return {"data": traces, "layout": layout}


@dataclass(frozen=True, slots=True)
class PriceChart:
    """One instrument's price with its fills marked."""

    instrument: InstrumentId
    fills: int
    figure: Figure


def price_charts(result: Result, market: MarketData, curve: SessionCurve) -> list[PriceChart]:
    """Draw the most traded instruments, at most twelve, by value and most traded first.

    Prices are adjusted for splits to the last session's shares; the note at a fill has the
    price and quantity as they were.
    """
    fills: dict[InstrumentId, list[Fill]] = defaultdict(list)
    for fill in result.fills:
        fills[fill.instrument].append(fill)
    chosen = sorted(fills, key=lambda name: (-_value(fills[name]), name))[:MOST_CHARTED]
    if not chosen:
        return []
    splits = split_growth(market.frame, market.actions)
    dates = [day.isoformat() for day in curve.dates]
    return [
        PriceChart(
            name,
            len(fills[name]),
            _prices(market, fills[name], splits[:, market.frame.index(name)], curve, dates),
        )
        for name in chosen
    ]


def _prices(
    market: MarketData,
    fills: Sequence[Fill],
    splits: FloatArray,
    curve: SessionCurve,
    dates: list[str],
) -> Figure:
    frame, name = market.frame, fills[0].instrument
    scale = splits / splits[curve.rows[-1]]
    prices = (frame.close[:, frame.index(name)] * scale)[curve.rows]
    line = drawn_line(dates, prices, "Close", "y", color="@ink", width=1.3)
    line["hovertemplate"] = "%{x}: %{y:,.2f}<extra></extra>"
    bought = [fill for fill in fills if fill.side is Side.BUY]
    sold = [fill for fill in fills if fill.side is Side.SELL]
    traces = [line]
    for some, label, symbol, color in (
        (bought, "Buy", "triangle-up", "@gain"),
        (sold, "Sell", "triangle-down", "@loss"),
    ):
        rows = fill_rows(frame.end, some)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": [frame.session_of(row).date.isoformat() for row in rows],
                "y": plain_numbers(np.array([float(f.price) for f in some]) * scale[rows]),
                "text": [_told(fill) for fill in some],
                "hovertemplate": "%{text}<extra></extra>",
                "cliponaxis": False,
                "marker": {
                    "symbol": symbol,
                    "size": 10,
                    "color": color,
                    "line": {"width": 1, "color": "@card"},
                },
            }
        )
    layout = blank_layout(380)
    layout["hovermode"] = "closest"
    layout["xaxis"] |= {"range": [dates[0], dates[-1]]}
    layout["yaxis"] = drawn_axis("Price, split-adjusted", [0.0, 1.0], tickformat=",.6~g")
    return {"data": traces, "layout": layout}


def _told(fill: Fill) -> str:
    day = fill.at.date().isoformat()
    what = f"{fill.side.value} {fill.quantity:,f} {fill.instrument} @ {fill.price:,f}"
    return html.escape(f"{day}: {what}")


def _value(fills: Sequence[Fill]) -> Decimal:
    return sum((fill.price * fill.quantity for fill in fills), Decimal(0))


def _exposure(curve: SessionCurve) -> FloatArray:
    solvent = np.where(curve.equity > 0, curve.equity, np.nan)
    return np.asarray(curve.invested / solvent)
