"""Sketch: lines over dates as a plain SVG, for a notebook or a page that runs no scripts.

A sketch shows a shape and its range and no more; the report's own charts zoom and tell values.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tradewright.core.frames import FloatArray

WIDTH: Final = 760
HEIGHT: Final = 260
_COLORS: Final = ("#2454d6", "#b07a00", "#08804f", "#c42b45", "#7b62b8", "#6c727d")
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 10.0, 34.0, 24.0
_TICKS: Final = 4
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


def lines_svg(
    dates: Sequence[date], lines: Mapping[str, FloatArray], *, title: str = "", form: str = ",.6g"
) -> str:
    """Return lines over dates as an SVG of its own.

    Args:
        dates: One a value, rising.
        lines: Name to values, each of shape (dates,); where one is NaN its line has a gap.
        title: Stands above the lines, with their names.
        form: How a value on the axis is written, as `format` takes it: `.0%`, `,.0f`.

    Raises:
        InvalidInput: There is nothing to draw, or a line is not as long as the dates.
    """
    wrong = [name for name, values in lines.items() if len(values) != len(dates)]
    if wrong:
        raise InvalidInput("lines", wrong[0], f"has not the length of the dates ({len(dates)})")
    known = np.concatenate(
        [np.asarray(values, dtype=np.float64) for values in lines.values()] or [np.empty(0)]
    )
    known = known[np.isfinite(known)]
    if not len(known):
        raise InvalidInput("lines", ", ".join(lines), "hold no number", "give values to draw")
    ticks = _ticks(float(known.min()), float(known.max()))
    low, high = ticks[0], ticks[-1]
    across = np.linspace(_LEFT, WIDTH - _RIGHT, len(dates)) if len(dates) > 1 else np.array([_LEFT])

    def height(value: float) -> float:
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    parts = [_grid(height(tick), format(tick, form)) for tick in ticks]
    parts += [_day(across.item(i), dates[i]) for i in _days(len(dates))]
    parts += _legend(title, list(lines))
    for i, values in enumerate(lines.values()):
        path = _path(across, [height(v) for v in np.asarray(values, dtype=np.float64).tolist()])
        parts.append(f'<path d="{path}" fill="none" stroke="{_color(i)}" stroke-width="1.5"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" style="max-width:100%;height:auto" font-family="system-ui,sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    if low == high:
        low, high = low - abs(low) / 10 - 1e-9, high + abs(high) / 10 + 1e-9
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _days(count: int) -> list[int]:
    return sorted({0, count // 2, count - 1})


def _grid(y: float, text: str) -> str:
    return (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e6e6e1"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#6c727d">'
        f"{html.escape(text)}</text>"
    )


def _day(x: float, day: date) -> str:
    anchor = "start" if x == _LEFT else "end" if x > WIDTH - 2 * _RIGHT else "middle"
    return (
        f'<text x="{x:.1f}" y="{HEIGHT - 7}" text-anchor="{anchor}" fill="#6c727d">'
        f"{day.isoformat()}</text>"
    )


def _legend(title: str, names: Sequence[str]) -> list[str]:
    spans = [f'<tspan font-weight="600" fill="#17191e">{html.escape(title)}</tspan>']
    spans += [
        f'<tspan dx="14" fill="{_color(i)}">{html.escape(name)}</tspan>'
        for i, name in enumerate(names)
    ]
    return [f'<text x="{_LEFT}" y="20">{"".join(spans)}</text>']


def _color(place: int) -> str:
    return _COLORS[place % len(_COLORS)]


def _path(across: FloatArray, heights: Sequence[float]) -> str:
    words, pen = [], "M"
    for x, y in zip(across.tolist(), heights, strict=True):
        if math.isfinite(y):
            words.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)
