"""The figures of a search: what each trial came to, by its number and by its parameters.

A heat map shows the mean over all other parameters, not the best: a single lucky set is no
region, and looking at the best alone would show one.
"""

from __future__ import annotations

import html
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.backtest.report.figures import blank_layout, drawn_axis, plain_numbers
from tradewright.backtest.search.objective import RISES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.search.folders import KeptSearch
    from tradewright.backtest.search.trials import Trial
    from tradewright.core.frames import FloatArray, IntArray

_MOST_CELLS: Final = 24
_FEWEST: Final = 2
_SCALE: Final = "Cividis"


def counted(search: KeptSearch) -> list[Trial]:
    """Return the trials that can be compared."""
    return [trial for trial in search.trials if trial.counts]


def trials_figure(search: KeptSearch) -> Figure:
    """Draw the first objective of each trial, and the best so far."""
    known, name = counted(search), search.objectives.names[0]
    numbers = [trial.number for trial in known]
    values = _values(known)
    so_far = np.maximum.accumulate(values) if RISES[name] else np.minimum.accumulate(values)
    points: Figure = {
        "type": "scatter",
        "mode": "markers",
        "name": "Trial",
        "x": numbers,
        "y": plain_numbers(values),
        "text": [_told(trial) for trial in known],
        "hovertemplate": "%{text}<br>%{y:.4~g}<extra></extra>",
        "marker": {"color": "@accent", "size": 6, "opacity": 0.55},
    }
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": "Best so far",
        "x": numbers,
        "y": plain_numbers(so_far),
        "hoverinfo": "skip",
        "line": {"color": "@c1", "width": 2, "shape": "hv"},
    }
    layout = _layout(380, "Trial", title_of(name))
    return {"data": [points, line], "layout": layout}


def slice_figure(search: KeptSearch, parameter: str) -> Figure:
    """Draw the first objective of each trial by the value of one parameter."""
    known, name = counted(search), search.objectives.names[0]
    texts = [trial.parameters[parameter] for trial in known]
    numbers = _numbers(texts)
    points: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": texts if numbers is None else numbers,
        "y": plain_numbers(_values(known)),
        "text": [_told(trial) for trial in known],
        "hovertemplate": "%{text}<br>%{y:.4~g}<extra></extra>",
        "marker": {
            "color": [trial.number for trial in known],
            "colorscale": "Viridis",
            "size": 6,
            "opacity": 0.7,
        },
    }
    layout = _layout(300, parameter, title_of(name))
    layout["xaxis"]["type"] = _axis(search, parameter, numbers)
    layout["showlegend"] = False
    return {"data": [points], "layout": layout}


def heat_figure(search: KeptSearch, first: str, second: str) -> Figure:
    """Draw the mean of the first objective over two parameters; the brighter, the better."""
    known, name = counted(search), search.objectives.names[0]
    columns, across = _cells(search, known, first)
    rows, down = _cells(search, known, second)
    values = _values(known)
    shape = (len(down), len(across))
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (rows, columns), values)
    np.add.at(counts, (rows, columns), 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    heat: Figure = {
        "type": "heatmap",
        "x": across,
        "y": down,
        "z": [plain_numbers(row) for row in means],
        "text": [[f"{count:.0f}" for count in row] for row in counts.tolist()],
        "hovertemplate": f"{_safe(first)} %{{x}}<br>{_safe(second)} %{{y}}<br>"
        "mean %{z:.4~g} of %{text}<extra></extra>",
        "colorscale": _SCALE,
        "reversescale": not RISES[name],
        "colorbar": {"thickness": 12, "outlinewidth": 0},
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
    }
    layout = _layout(400, first, second)
    layout["xaxis"]["type"] = layout["yaxis"]["type"] = "category"
    layout["yaxis"]["domain"] = [0.0, 1.0]
    return {"data": [heat], "layout": layout}


def tradeoff_figure(search: KeptSearch) -> Figure:
    """Draw the first two objectives against each other, those that none beats marked."""
    known = counted(search)
    first, second = search.objectives.names[:2]
    front = {trial.number for trial in search.best}
    traces = []
    for label, color, inside in (("Beaten", "@muted", False), ("Not beaten", "@accent", True)):
        some = [trial for trial in known if (trial.number in front) is inside]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": plain_numbers(_values(some)),
                "y": plain_numbers(_values(some, 1)),
                "text": [_told(trial) for trial in some],
                "hovertemplate": "%{text}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>",
                "marker": {"color": color, "size": 8 if inside else 5},
            }
        )
    return {"data": traces, "layout": _layout(400, title_of(first), title_of(second))}


def influences(search: KeptSearch) -> list[str]:
    """Return the parameters, those whose value says most of the first objective first.

    Told by the part of its variance that lies between the values of a parameter and not within.
    """
    known = counted(search)
    values = _values(known)
    names = [each["name"] for each in search.spec["space"]]
    spread = float(np.var(values)) if len(values) else 0.0
    if not spread > 0:
        return names
    parts: dict[str, float] = {}
    for name in names:
        cells, labels = _cells(search, known, name)
        count = np.bincount(cells, minlength=len(labels))
        means = np.bincount(cells, values, len(labels)) / np.maximum(count, 1)
        parts[name] = float(np.var(means[cells])) / spread
    return sorted(names, key=lambda name: -parts[name])


def title_of(name: str) -> str:
    """Write the name of a number for people."""
    return name.replace("_", " ").capitalize()


def _cells(search: KeptSearch, known: Sequence[Trial], name: str) -> tuple[IntArray, list[str]]:
    # The cell of each trial along one parameter, and the labels of the cells.
    texts = [trial.parameters[name] for trial in known]
    about = _about(search, name)
    steps: list[str] | None = about.get("values")
    if steps is None or len(steps) > _MOST_CELLS:
        numbers = _numbers(texts)
        if numbers is not None and len(set(numbers)) > _MOST_CELLS:
            return _binned(np.array(numbers), log=bool(about.get("log")))
        labels = sorted(set(texts), key=float) if numbers is not None else sorted(set(texts))
        steps = labels
    places = {text: place for place, text in enumerate(steps)}
    return np.array([places[text] for text in texts], dtype=np.int64), list(steps)


def _binned(numbers: FloatArray, *, log: bool) -> tuple[IntArray, list[str]]:
    low, high = float(numbers.min()), float(numbers.max())
    space = np.geomspace if log and low > 0 else np.linspace
    edges = space(low, high, _MOST_CELLS // 2 + 1)
    cells = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    labels = [f"{a:.3g}–{b:.3g}" for a, b in pairwise(edges.tolist())]
    return cells.astype(np.int64), labels


def _about(search: KeptSearch, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(e for e in search.spec["space"] if e["name"] == name)
    return found


def _axis(search: KeptSearch, name: str, numbers: list[float] | None) -> str:
    if numbers is None:
        return "category"
    return "log" if _about(search, name).get("log") else "linear"


def _numbers(texts: Sequence[str]) -> list[float] | None:
    try:
        return [float(text) for text in texts]
    except ValueError:
        return None


def _values(trials: Sequence[Trial], place: int = 0) -> FloatArray:
    return np.array([np.nan if (v := trial.values[place]) is None else v for trial in trials])


def _layout(height: int, across: str, down: str) -> Figure:
    layout = blank_layout(height)
    layout["hovermode"] = "closest"
    layout["xaxis"] |= {"type": "linear", "automargin": True, "exponentformat": "power"}
    layout["xaxis"]["title"] = {"text": _safe(across), "font": {"size": 12, "color": "@muted"}}
    layout["yaxis"] = drawn_axis(_safe(down), [0.0, 1.0])
    return layout


def _told(trial: Trial) -> str:
    chosen = ", ".join(f"{name} {value}" for name, value in trial.parameters.items())
    return _safe(f"#{trial.number} {chosen}")


def _safe(text: str) -> str:
    # Plotly reads a few tags in texts.
    return html.escape(text)
