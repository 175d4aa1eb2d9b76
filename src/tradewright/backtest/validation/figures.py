"""The figures of validations: fans of paths, histograms, lines by date, maps of parameters."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.drawdown import drawdowns
from tradewright.backtest.report.figures import (
    blank_layout,
    drawn_area,
    drawn_axis,
    drawn_line,
    plain_numbers,
)
from tradewright.backtest.validation.monte_carlo import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.validation.monte_carlo import Paths
    from tradewright.backtest.validation.sensitivity import SensitivityMap
    from tradewright.backtest.validation.walk_forward import WalkForward
    from tradewright.core.frames import FloatArray

_BINS: Final = 40
_PATHS: Final = ("Paths", "happened")
_HEIGHT: Final = 380
_MOST_POINTS: Final = 600


def fan_figure(paths: Paths) -> Figure:
    """Draw the quantiles of all paths step by step, and what happened."""
    steps = np.unique(np.linspace(0, paths.steps, min(paths.steps + 1, _MOST_POINTS)).astype(int))
    across = steps.tolist()
    traces: list[Figure] = []
    for outer, (low, high) in ((True, (0, -1)), (False, (1, -2))):
        label = f"{LEVELS[low]:.0%} to {LEVELS[high]:.0%}"
        lower = _line(across, paths.bands[low, steps], "", "@clear", 0)
        upper = _line(across, paths.bands[high, steps], label, "@clear", 0)
        lower |= {"showlegend": False, "hoverinfo": "skip"}
        upper |= {"fill": "tonexty", "fillcolor": "@accent-soft"}
        upper["legendrank"] = 2 if outer else 3
        traces += [lower, upper]
    middle = len(LEVELS) // 2
    traces.append(_line(across, paths.bands[middle, steps], "Median", "@muted", 1.4))
    traces[-1]["line"]["dash"] = "dot"
    traces.append(_line(across, paths.happened[steps], "What happened", "@accent", 2.0))
    what = "Session" if len(paths.sharpe) and np.isfinite(paths.sharpe).any() else "Trade"
    layout = _layout(420, what, "Growth of one")
    layout["hovermode"] = "x unified"
    return {"data": traces, "layout": layout}


def histogram_figure(
    values: FloatArray,
    happened: float,
    title: str,
    *,
    form: str = ".1%",
    told: tuple[str, str] = _PATHS,
) -> Figure:
    """Draw how often values lie where, and where what happened lies among them.

    `told` are what is counted, and what is written at the line.
    """
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if np.isfinite(happened):
        low, high = min(low, happened), max(high, happened)
    edges = np.linspace(low, high if high > low else low + 1e-9, _BINS + 1)
    counts, _ = np.histogram(known, edges)
    bars: Figure = {
        "type": "bar",
        "x": plain_numbers((edges[:-1] + edges[1:]) / 2),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": "@accent", "opacity": 0.55},
        "hovertemplate": f"%{{x:{form}}}: %{{y}}<extra></extra>",
        "name": title,
        "showlegend": False,
    }
    layout = _layout(300, title, told[0])
    layout["xaxis"]["tickformat"] = form
    layout["bargap"] = 0.02
    if np.isfinite(happened):
        layout["shapes"] = [_upright(happened)]
        layout["annotations"] = [
            {"x": happened, "y": 1, "yref": "paper", "text": told[1], "showarrow": False}
            | {"xanchor": "left", "yanchor": "bottom", "font": {"color": "@loss", "size": 12}}
        ]
    return {"data": [bars], "layout": layout}


def walk_figure(walk: WalkForward) -> Figure:
    """Draw growth and drawdown out of sample, with a line where each test begins."""
    days = [day.isoformat() for day in (walk.folds[0].trained_on[1], *walk.dates)]
    equity = walk.equity
    traces = [
        drawn_line(days, equity, "Out of sample", "y", color="@accent", width=2),
        drawn_area(days, -drawdowns(equity), "Drawdown", "y2", "@loss"),
    ]
    traces[0]["hovertemplate"] = "%{y:.3f}"
    traces[1]["hovertemplate"] = "%{y:.1%}"
    layout = blank_layout(460)
    layout["xaxis"] |= {"anchor": "y2", "range": [days[0], days[-1]]}
    layout |= {
        "yaxis": drawn_axis("Growth of one", [0.34, 1.0], tickformat=".3~f"),
        "yaxis2": drawn_axis("Drawdown", [0.0, 0.28], tickformat=".0%", nticks=4),
    }
    layout["shapes"] = [
        {"type": "line", "x0": day, "x1": day, "y0": 0, "y1": 1, "yref": "paper"}
        | {"line": {"color": "@grid", "width": 1, "dash": "dot"}, "layer": "below"}
        for day in (fold.tested_on[0].isoformat() for fold in walk.folds)
    ]
    return {"data": traces, "layout": layout}


def paths_figure(curves: FloatArray, dates: Sequence[date]) -> Figure:
    """Draw several histories of growth over the same sessions, shape (paths, sessions)."""
    days = [day.isoformat() for day in dates]
    traces = [
        drawn_line(days, curve, f"Path {place + 1}", "y", color=f"@c{place % 9}", width=1.2)
        for place, curve in enumerate(curves)
    ]
    layout = blank_layout(420)
    layout["showlegend"] = False
    layout["yaxis"] = drawn_axis("Growth of one", [0.0, 1.0], tickformat=".3~f")
    return {"data": traces, "layout": layout}


def scatter_figure(inside: FloatArray, outside: FloatArray, what: str) -> Figure:
    """Draw each split's ratio out of sample against that in sample."""
    chosen = np.unique(np.linspace(0, len(inside) - 1, min(len(inside), 2000)).astype(int))
    points: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": plain_numbers(inside[chosen]),
        "y": plain_numbers(outside[chosen]),
        "marker": {"color": "@accent", "size": 4, "opacity": 0.35},
        "hovertemplate": "in %{x:.2f}, out %{y:.2f}<extra></extra>",
        "showlegend": False,
    }
    return {"data": [points], "layout": _layout(_HEIGHT, f"{what} in sample", "Out of sample")}


def slice_figure(known: SensitivityMap, name: str) -> Figure:
    """Draw the objective by one parameter, all others as the run has them where they are."""
    mine = known.sets[known.own]
    line = [
        (one[name], value)
        for one, value in zip(known.sets, known.values, strict=True)
        if value is not None
        and all(one[other] == mine[other] for other in known.varied if other != name)
    ]
    numeric = all(_is_number(text) for text, _ in line)
    line.sort(key=lambda pair: float(pair[0]) if numeric else 0.0)
    trace: Figure = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [float(text) if numeric else text for text, _ in line],
        "y": plain_numbers(np.array([value for _, value in line], dtype=np.float64)),
        "line": {"color": "@accent", "width": 1.6},
        "marker": {"color": "@accent", "size": 6},
        "hovertemplate": "%{x}: %{y:.3f}<extra></extra>",
        "showlegend": False,
    }
    layout = _layout(280, name, known.objective.replace("_", " "))
    layout["xaxis"]["type"] = "linear" if numeric else "category"
    if numeric and _is_number(mine[name]):
        layout["shapes"] = [_upright(float(mine[name]))]
    return {"data": [trace], "layout": layout}


def heat_figure(known: SensitivityMap, first: str, second: str) -> Figure:
    """Draw the mean objective over two parameters, the run's own cell marked."""
    across, down = (_labels(known, name) for name in (first, second))
    sums, counts = np.zeros((len(down), len(across))), np.zeros((len(down), len(across)))
    for one, value in zip(known.sets, known.values, strict=True):
        if value is not None:
            cell = down.index(one[second]), across.index(one[first])
            sums[cell] += value
            counts[cell] += 1
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    mine = known.sets[known.own]
    heat: Figure = {
        "type": "heatmap",
        "x": across,
        "y": down,
        "z": [plain_numbers(row) for row in means],
        "colorscale": "RdBu",
        "zmid": 0,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "colorbar": {"thickness": 12, "outlinewidth": 0},
        "hovertemplate": f"{html.escape(first)} %{{x}}, {html.escape(second)} %{{y}}: %{{z:.3f}}"
        "<extra></extra>",
    }
    own: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": [mine[first]],
        "y": [mine[second]],
        "marker": {"symbol": "circle-open", "size": 18, "color": "@ink", "line": {"width": 2}},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    layout = _layout(max(_HEIGHT, 24 * len(down) + 90), first, second)
    layout["xaxis"]["type"] = layout["yaxis"]["type"] = "category"
    return {"data": [heat, own], "layout": layout}


def bars_figure(values: Mapping[str, tuple[float, float]], names: tuple[str, str]) -> Figure:
    """Draw two bars beside each other for each label, as fractions a year."""
    traces: list[Figure] = [
        {
            "type": "bar",
            "name": names[side],
            "x": list(values),
            "y": plain_numbers(np.array([pair[side] for pair in values.values()])),
            "marker": {"color": color},
            "hovertemplate": "%{y:.1%}",
        }
        for side, color in ((0, "@accent"), (1, "@muted"))
    ]
    layout = blank_layout(340)
    layout["xaxis"] |= {"type": "category"}
    layout["yaxis"] = drawn_axis("A year", [0.0, 1.0], tickformat=".0%")
    return {"data": traces, "layout": layout}


def left_figure(capital: FloatArray, left: FloatArray, own: float) -> Figure:
    """Draw the return that is left by the capital that is traded."""
    line = _line(capital.tolist(), left, "Left after size", "@accent", 2.0)
    line["hovertemplate"] = "$%{x:,.3s}: %{y:.2%}<extra></extra>"
    layout = _layout(_HEIGHT, "Capital in dollars", "Return a year")
    layout["xaxis"] |= {"type": "log", "tickformat": "$.2~s"}
    layout["yaxis"]["tickformat"] = ".1%"
    layout["yaxis"]["zeroline"] = True
    layout["shapes"] = [_upright(own)]
    return {"data": [line], "layout": layout}


def _line(
    across: Sequence[float], values: FloatArray, name: str, color: str, width: float
) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(across),
        "y": plain_numbers(np.asarray(values, dtype=np.float64)),
        "line": {"color": color, "width": width},
        "hovertemplate": "%{y:.3f}",
    }


def _layout(height: int, across: str, down: str) -> Figure:
    layout = blank_layout(height)
    layout["hovermode"] = "closest"
    layout["xaxis"] |= {"type": "linear", "automargin": True}
    text = html.escape(across)
    layout["xaxis"]["title"] = {"text": text, "font": {"size": 12, "color": "@muted"}}
    layout["yaxis"] = drawn_axis(html.escape(down), [0.0, 1.0])
    return layout


def _upright(at: float) -> Figure:
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": "@loss", "width": 1.6, "dash": "dash"},
    }


def _labels(known: SensitivityMap, name: str) -> list[str]:
    texts = {one[name] for one in known.sets}
    return sorted(texts, key=float) if all(map(_is_number, texts)) else sorted(texts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
