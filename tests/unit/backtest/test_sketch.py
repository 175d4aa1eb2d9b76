from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tradewright.backtest.report.sketch import HEIGHT, WIDTH, lines_svg
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray

DATES = [date(2024, 1, 1) + timedelta(days=i) for i in range(5)]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(lines: dict[str, FloatArray], **words: str) -> ET.Element:
    return ET.fromstring(lines_svg(DATES[: len(next(iter(lines.values())))], lines, **words))  # noqa: S314 - our own


def points(path: ET.Element) -> list[list[tuple[float, float]]]:
    strokes = [stroke for stroke in path.attrib["d"].split("M") if stroke]
    return [
        [(float(x), float(y)) for x, y in (point.split() for point in stroke.split("L"))]
        for stroke in strokes
    ]


def test_lines_rise_and_fall_within_the_picture_and_break_where_nothing_is_known() -> None:
    rising, broken = np.arange(5.0), np.array([4.0, 3.0, np.nan, 1.0, 0.0])
    picture = drawn({"up": rising, "down": broken}, title="Two <lines> & more", form=".1f")
    up, down = (points(path) for path in picture.iter(f"{SVG}path"))
    (heights,) = [[y for _, y in stroke] for stroke in up]
    assert heights == sorted(heights, reverse=True)
    assert [len(stroke) for stroke in down] == [2, 2]
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for stroke in up + down for x, y in stroke)
    told = [text for text in picture.itertext() if text.strip()]
    assert {"Two <lines> & more", "up", "down", "0.0", "4.0", "2024-01-01", "2024-01-05"} <= set(
        told
    )


@pytest.mark.parametrize("value", [0.0, 1.0, -1e-7, 1e9])
def test_a_line_that_stands_still_and_a_single_day_are_drawn(value: float) -> None:
    for count in (1, 3):
        picture = drawn({"still": np.full(count, value)})
        (stroke,) = points(next(picture.iter(f"{SVG}path")))
        assert len({y for _, y in stroke}) == 1
        assert len(stroke) == count


def test_marks_are_round_and_hold_the_line() -> None:
    picture = drawn({"x": np.array([0.13, 0.4, 0.87])}, form=".3g")
    marks = [float(t.text or "") for t in picture.iter(f"{SVG}text") if "-" not in (t.text or "-")]
    assert marks == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(InvalidInput, match="hold no number"):
        lines_svg(DATES, {"x": np.full(5, np.nan)})
    with pytest.raises(InvalidInput, match="hold no number"):
        lines_svg(DATES, {})
    with pytest.raises(InvalidInput, match="has not the length"):
        lines_svg(DATES, {"x": np.ones(4)})
