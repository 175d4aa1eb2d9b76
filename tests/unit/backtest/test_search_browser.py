"""The picture of a search in a real browser: every figure is drawn and nothing complained of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.backtest.surfaces import FREE, a_search, answering, valley
from tests.unit.backtest.test_report_browser import drawn, needs_browser, shown_by_browser
from tradewright.backtest.search.folders import kept_search
from tradewright.backtest.search.objective import Objectives
from tradewright.backtest.search.page import search_page
from tradewright.backtest.search.search import Search
from tradewright.backtest.search.trials import TrialFolder
from tradewright.core.clock import SystemClock
from tradewright.core.records import Body

pytestmark = needs_browser


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_draws_every_figure(tmp_path: Path, dark: bool) -> None:
    objectives = Objectives.of(["sharpe", "max_drawdown"])
    spec = a_search((*FREE, "top=1:5:1"), "random", trials=60, objectives=objectives)
    days: list[str] = ["2024-01-02", "2024-01-03", "2024-01-04"]
    body: Body = {"sessions": [*days], "search": spec.body(), "data_hash": "ab"}
    folder = TrialFolder.made(tmp_path / "s", body)
    Search(spec, folder, SystemClock()).run(
        answering(lambda chosen: {"sharpe": valley(chosen), "max_drawdown": float(chosen["x"])})
    )
    dom, said = shown_by_browser(search_page(kept_search(tmp_path, "s")), tmp_path, dark=dark)
    names = [
        "trials",
        "tradeoff",
        *(f"slice-{i}" for i in range(4)),
        *(f"heat-{i}" for i in range(6)),
    ]
    for name in names:
        assert drawn(dom, f'data-figure="{name}"'), name
    assert "CONSOLE" not in said
