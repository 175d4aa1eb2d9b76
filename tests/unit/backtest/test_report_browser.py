"""The report in a real browser, in which it must draw every figure and complain of nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.backtest.builders import PROVENANCE, a_market, a_paper_side, a_result
from tradewright.backtest.archive import RunFolder
from tradewright.backtest.report import report_page
from tradewright.backtest.report.comparison import compare_runs, comparison_page
from tradewright.backtest.report.kept import KeptRun
from tradewright.core.ids import RunId

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"),
)

needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium here: `bash .ci/tools` installs it"
)
pytestmark = needs_browser


def shown_by_browser(page: str, folder: Path, *, dark: bool) -> tuple[str, str]:
    """What the browser made of a page, and what it said."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    shown = subprocess.run(
        [
            str(BROWSER),
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            path.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return shown.stdout, shown.stderr


def drawn(dom: str, place: str) -> bool:
    """Whether the element that carries an attribute holds a figure."""
    before, after = dom.split(place)[:2]
    return "js-plotly-plot" in before.rpartition("<")[2] + after[:200]


@pytest.mark.parametrize("dark", [False, True])
def test_page_draws_every_figure_and_complains_of_nothing(tmp_path: Path, dark: bool) -> None:
    market = a_market()
    result = a_result(market)
    page = report_page(
        result, market, title="A run", paper=a_paper_side(result), provenance=PROVENANCE
    )
    dom, said = shown_by_browser(page, tmp_path, dark=dark)
    assert "CONSOLE" not in said
    figures = ("exposure", "costs", "rolling")
    for place in ('id="curve"', 'id="price"', *(f'data-figure="{name}"' for name in figures)):
        assert drawn(dom, place), place


def test_comparison_is_drawn_without_complaint(tmp_path: Path) -> None:
    market = a_market()
    left, right = (
        KeptRun(
            RunFolder(tmp_path, RunId(name)).write(
                a_result(market), market, PROVENANCE, title="A run"
            )
        )
        for name in ("r1", "r2")
    )
    page = comparison_page(left, right, compare_runs(left, right))
    dom, said = shown_by_browser(page, tmp_path, dark=False)
    assert "CONSOLE" not in said
    assert drawn(dom, 'data-figure="growth"')


def test_complaint_of_a_page_is_heard(tmp_path: Path) -> None:
    _, said = shown_by_browser("<script>throw new Error('x')</script>", tmp_path, dark=False)
    assert "CONSOLE" in said
