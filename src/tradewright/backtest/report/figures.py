"""Parts of figures, as the JSON that plotly.js draws.

Colours are names with an @ in front, since the page has a light and a dark set of them and
puts in the one that is being looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray

Figure: TypeAlias = dict[str, Any]
"""A plotly figure: data and layout."""

_DECIMALS: Final = 4
RANGES: Final = (
    {"count": 6, "label": "6m", "step": "month", "stepmode": "backward"},
    {"count": 1, "label": "1y", "step": "year", "stepmode": "backward"},
    {"count": 5, "label": "5y", "step": "year", "stepmode": "backward"},
    {"step": "all", "label": "all"},
)


def plain_numbers(values: FloatArray) -> list[float | None]:
    """Return rounded values with None for what is unknown."""
    return [v if math.isfinite(v) else None for v in values.round(_DECIMALS).tolist()]


def drawn_line(
    dates: list[str], values: FloatArray, name: str, axis: str, *, color: str, width: float
) -> Figure:
    """Return a line over dates; `axis` is a name of plotly's, as y2."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": dates,
        "y": plain_numbers(values),
        "xaxis": "x",
        "yaxis": axis,
        "line": {"color": color, "width": width},
    }


def drawn_area(dates: list[str], values: FloatArray, name: str, axis: str, color: str) -> Figure:
    """Return a line with its area to zero in the soft form of a colour."""
    trace = drawn_line(dates, values, name, axis, color=color, width=1)
    return trace | {"fill": "tozeroy", "fillcolor": f"{color}-soft", "showlegend": False}


def drawn_axis(title: str, domain: list[float], **rest: object) -> Figure:
    """Return an axis that takes the part `domain` of the height."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12, "color": "@muted"}},
        "domain": domain,
        "gridcolor": "@grid",
        "zeroline": False,
        "automargin": True,
        **rest,
    }


def blank_layout(height: int) -> Figure:
    """Return a layout of a height in pixels without axes of values."""
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
        "xaxis": {
            "type": "date",
            "gridcolor": "@grid",
            "zeroline": False,
            "showline": False,
            # A little room, or the first date runs into the lowest value.
            "ticks": "outside",
            "ticklen": 6,
            "tickcolor": "@clear",
        },
    }
