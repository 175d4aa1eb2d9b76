"""The report's figures, as the JSON that plotly.js draws.

Colours are names with an @ in front, since the page has a light and a dark set of them and
puts in the one that is being looked at.
"""

from __future__ import annotations

import html
import math
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from tradewright.analytics.drawdown import drawdowns
from tradewright.core.frames import to_nanos
from tradewright.core.orders import Side
from tradewright.data.adjust import growth, split_growth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.orders import Fill
    from tradewright.data.history import MarketData

Figure: TypeAlias = dict[str, Any]
"""A plotly figure: data and layout."""

MOST_CHARTED: Final = 12
_DECIMALS: Final = 4
_RANGES: Final = (
    {"count": 6, "label": "6m", "step": "month", "stepmode": "backward"},
    {"count": 1, "label": "1y", "step": "year", "stepmode": "backward"},
    {"count": 5, "label": "5y", "step": "year", "stepmode": "backward"},
    {"step": "all", "label": "all"},
)


def curve_figure(curve: SessionCurve, market: MarketData) -> Figure:
    """Draw equity, drawdown and exposure over one axis of time, one value a session."""
    dates = [day.isoformat() for day in curve.dates]
    traces = [
        _line(dates, curve.equity, "Equity", "y", color="@accent", width=2),
        _line(dates, equal_weight(curve, market), "Equal weight", "y", color="@muted", width=1.2),
        _area(dates, -drawdowns(curve.equity), "Drawdown", "y2", "@loss"),
        _area(dates, _exposure(curve), "Invested", "y3", "@accent"),
    ]
    traces[1]["line"]["dash"] = "dot"
    traces[0]["hovertemplate"] = traces[1]["hovertemplate"] = "%{y:,.0f}"
    traces[2]["hovertemplate"] = traces[3]["hovertemplate"] = "%{y:.1%}"
    layout = _layout(560)
    layout["xaxis"] |= {
        "anchor": "y3",
        "range": [dates[0], dates[-1]],
        "rangeselector": {"buttons": list(_RANGES), "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    layout |= {
        "yaxis": _axis("Equity", [0.46, 1.0], tickformat=",.3~s"),
        "yaxis2": _axis("Drawdown", [0.24, 0.41], tickformat=".0%", nticks=4),
        "yaxis3": _axis("Invested", [0.0, 0.19], tickformat=".0%", nticks=4, rangemode="tozero"),
    }
    return {"data": traces, "layout": layout}


def equal_weight(curve: SessionCurve, market: MarketData) -> FloatArray:
    """Equity of holding every instrument that trades at equal weight, set right each session.

    Dividends are reinvested and nothing is paid for trading, so it is a yardstick and no
    strategy. Shape (sessions + 1,), beginning at the curve's first value.
    """
    frame = market.frame
    worth = frame.close * growth(frame, market.actions)
    before = _filled(worth)[curve.rows[:-1]]
    # After a missing bar the next one brings the whole move; after the last there is none.
    moves = worth[curve.rows[1:]] / before - 1
    known = ~np.isnan(moves)
    mean = np.where(known, moves, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(curve.equity[0] * np.cumprod(np.concatenate(([1.0], 1 + mean))))


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
    line = _line(dates, prices, "Close", "y", color="@ink", width=1.3)
    line["hovertemplate"] = "%{x}: %{y:,.2f}<extra></extra>"
    bought = [fill for fill in fills if fill.side is Side.BUY]
    sold = [fill for fill in fills if fill.side is Side.SELL]
    traces = [line]
    for some, label, symbol, color in (
        (bought, "Buy", "triangle-up", "@gain"),
        (sold, "Sell", "triangle-down", "@loss"),
    ):
        rows = _rows(frame.end, some)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": [frame.session_of(row).date.isoformat() for row in rows],
                "y": _numbers(np.array([float(f.price) for f in some]) * scale[rows]),
                "text": [_told(fill) for fill in some],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {
                    "symbol": symbol,
                    "size": 10,
                    "color": color,
                    "line": {"width": 1, "color": "@card"},
                },
            }
        )
    layout = _layout(380)
    layout["hovermode"] = "closest"
    layout["xaxis"] |= {"range": [dates[0], dates[-1]]}
    layout["yaxis"] = _axis("Price, split-adjusted", [0.0, 1.0], tickformat=",.6~g")
    return {"data": traces, "layout": layout}


def _told(fill: Fill) -> str:
    day = fill.at.date().isoformat()
    what = f"{fill.side.value} {fill.quantity:,f} {fill.instrument} @ {fill.price:,f}"
    return html.escape(f"{day}: {what}")


def _value(fills: Sequence[Fill]) -> Decimal:
    return sum((fill.price * fill.quantity for fill in fills), Decimal(0))


def _rows(ends: IntArray, fills: Sequence[Fill]) -> IntArray:
    at = np.array([to_nanos(fill.at) for fill in fills], dtype=np.int64)
    return np.minimum(np.searchsorted(ends, at), len(ends) - 1)


def _exposure(curve: SessionCurve) -> FloatArray:
    solvent = np.where(curve.equity > 0, curve.equity, np.nan)
    return np.asarray(curve.invested / solvent)


def _filled(prices: FloatArray) -> FloatArray:
    known = np.where(np.isnan(prices), 0, np.arange(len(prices))[:, None])
    return np.take_along_axis(prices, np.maximum.accumulate(known), axis=0)


def _numbers(values: FloatArray) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.round(_DECIMALS).tolist()]


def _line(
    dates: list[str], values: FloatArray, name: str, axis: str, *, color: str, width: float
) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": dates,
        "y": _numbers(values),
        "xaxis": "x",
        "yaxis": axis,
        "line": {"color": color, "width": width},
    }


def _area(dates: list[str], values: FloatArray, name: str, axis: str, color: str) -> Figure:
    trace = _line(dates, values, name, axis, color=color, width=1)
    return trace | {"fill": "tozeroy", "fillcolor": f"{color}-soft", "showlegend": False}


def _axis(title: str, domain: list[float], **rest: object) -> Figure:
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12, "color": "@muted"}},
        "domain": domain,
        "gridcolor": "@grid",
        "zeroline": False,
        "automargin": True,
        **rest,
    }


def _layout(height: int) -> Figure:
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 56, "r": 12, "t": 34, "b": 32},
        "paper_bgcolor": "@clear",
        "plot_bgcolor": "@clear",
        "font": {"color": "@ink", "size": 12},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "@card", "bordercolor": "@grid", "font": {"color": "@ink"}},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "xaxis": {"type": "date", "gridcolor": "@grid", "zeroline": False, "showline": False},
    }
