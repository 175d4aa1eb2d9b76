from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.unit.backtest.test_report_browser import drawn, needs_browser, shown_by_browser
from tradewright.backtest.choice import Way
from tradewright.backtest.validation import estimates, findings
from tradewright.backtest.validation.capacity import Capacity
from tradewright.backtest.validation.cross_validation import cross_validate
from tradewright.backtest.validation.lookahead import Examination, Kind, Leak
from tradewright.backtest.validation.monte_carlo import session_paths, trade_paths
from tradewright.backtest.validation.overfitting import (
    Record,
    deflated_selection,
    overfitting,
)
from tradewright.backtest.validation.regimes import InCrisis, InRegime, Regime, RegimeSplit
from tradewright.backtest.validation.sensitivity import SensitivityMap
from tradewright.backtest.validation.sheet import Section, Sheet, Subject, Tile, sheet_page
from tradewright.backtest.validation.walk_forward import Fold, WalkForward
from tradewright.backtest.validation.worlds import Future

DAY = date(2020, 1, 2)
DAYS = [DAY + timedelta(days=i) for i in range(120)]
RETURNS = 0.001 + 0.01 * np.random.default_rng(1).standard_normal((120, 4))
SETS = [{"fast": str(i), "<b>": "&"} for i in range(4)]
SUBJECT = Subject("<i>mine</i>", {"top": "3"}, "2020-01-02", "2020-04-30", "by & hand", True)


def a_walk() -> WalkForward:
    def fold(first: int, chosen: dict[str, str] | None) -> Fold:
        inside, outside = RETURNS[first : first + 40, 0], RETURNS[first + 40 : first + 80, 0]
        spans = (DAYS[first], DAYS[first + 39]), (DAYS[first + 40], DAYS[first + 79])
        return Fold(*spans, chosen, 1.0, math.nan, 4, inside, outside)

    folds = [fold(0, SETS[0]), fold(40, None)]
    return WalkForward("sharpe", SETS, folds, DAYS[40:], RETURNS[40:, 0])


def a_map(*, grid: bool = True) -> SensitivityMap:
    sets = [{"fast": f, "kind": k} for f in ("5", "10") for k in ("a", "b")]
    values = [0.5, None, 0.8, -0.1]
    if not grid:
        sets, values = sets[:1], [-0.5]
    reasons = ["" if value is not None else "refused: <no>" for value in values]
    return SensitivityMap("sharpe", ("fast", "kind"), sets, values, reasons, 0)


def a_leak() -> Leak:
    at = datetime(2020, 1, 2, 21, tzinfo=UTC)
    words = ("<was>", "<became>")
    return Leak(
        "mine", Way.EVENTS, Kind.TARGET, "target", at, "AAA", at, Future.MIRRORED, *words, 3, 0
    )


def a_split() -> RegimeSplit:
    rows = [
        InRegime(one, 30, 0.1, 0.2, 0.15, 1.3, 0.55, 0.05, 0.25)
        for one in (Regime.RISING_CALM, Regime.FALLING_WILD)
    ]
    rows.append(InRegime(Regime.UNKNOWN, 1, *([math.nan] * 7)))
    crisis = InCrisis("Covid-19", DAY, DAYS[50], -0.2, 0.25, -0.3)
    return RegimeSplit("SPY", [Regime.UNKNOWN], rows, [crisis])


def a_capacity(edge: float = 0.05, gone: float = 2e7) -> Capacity:
    capital = np.geomspace(1e4, 1e8, 9)
    left = edge - 0.05 * np.sqrt(capital / 2e7)
    return Capacity(1e5, edge, 0.001, gone, gone * 4 / 9, 1e5, 3e6, 0.9, capital, left)


def sheets() -> dict[str, Sheet]:
    rng = np.random.default_rng(0)
    clean = Examination("mine", (Way.EVENTS,), (), 5, 10, ())
    leaky = Examination("mine", (Way.EVENTS, Way.ARRAYS), (a_leak().at,), 5, 10, (a_leak(),))
    drawn_paths = [
        trade_paths(RETURNS[:, 0], rng, paths=40, shuffle=True),
        session_paths(RETURNS[:, 0], rng, paths=40),
    ]
    luck = {"luck": 0.05, "probabilistic": 0.9, "deflated": 0.4}
    nothing = dict.fromkeys(luck, math.nan)
    trials = findings.told_overfitting(overfitting(RETURNS, 6), deflated_selection(RETURNS), SETS)
    return {
        "clean": findings.told_leaks(clean),
        "leaky": findings.told_leaks(leaky),
        "walk": findings.told_walk(a_walk()),
        "paths": findings.told_paths(cross_validate(RETURNS, groups=5), SETS, DAYS),
        "record": findings.told_record(Record(0.05, 500), 20, luck),
        "no record": findings.told_record(Record(math.nan, 1, math.nan, math.nan), 1, nothing),
        "overfitting": trials,
        "monte carlo": estimates.told_monte_carlo(drawn_paths),
        "sensitivity": estimates.told_sensitivity(a_map()),
        "no map": estimates.told_sensitivity(a_map(grid=False)),
        "regimes": estimates.told_regimes(a_split()),
        "no regimes": estimates.told_regimes(RegimeSplit("SPY", [], [], [])),
        "capacity": estimates.told_capacity(a_capacity(), "alpha"),
        "no capacity": estimates.told_capacity(a_capacity(-0.01, 0.0), "alpha"),
        "no end": estimates.told_capacity(a_capacity(0.05, math.inf), "return"),
    }


@pytest.mark.parametrize("name", sheets())
def test_a_page_is_whole_and_its_json_has_no_number_that_is_none(name: str) -> None:
    sheet = sheets()[name]
    json.dumps(sheet.body, allow_nan=False)
    page = sheet_page(sheet, SUBJECT)
    figures = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert figures is not None
    held = json.loads(figures.group(1))
    assert len(held) == sum(one.figure is not None for one in sheet.sections)
    assert all(f'data-figure="{figure}"' in page for figure in held)
    assert sheet.verdict
    # What a run brings along is text.
    for text in ("<i>mine", "<b> &", "<was>", "<became>", "<no>"):
        assert text not in page
    assert "&lt;i&gt;mine" in page
    assert "by &amp; hand" in page


def test_verdicts_say_what_was_found() -> None:
    told = {name: sheet.verdict for name, sheet in sheets().items()}
    assert "depends on what came after" in told["clean"]
    assert "mine looks ahead: target changed" in told["leaky"]
    assert "5 paths" not in told["walk"]
    assert "Over 4 paths" in told["paths"]
    assert "does not stand up: 40.0%" in told["record"]
    assert told["no record"] == "There is no Sharpe ratio to judge."
    assert told["sensitivity"].startswith("A plateau: one step away the Sharpe ratio is 160%")
    assert "gives no plateau" in told["no map"]
    assert "rising, calm" in told["regimes"]
    assert "begins too late" in told["no regimes"]
    assert "gone at $20.0 m" in told["capacity"]
    assert "no edge" in told["no capacity"]
    assert "no capital within reason" in told["no end"]


def test_a_leak_is_one_line_on_a_terminal() -> None:
    (line,) = sheets()["leaky"].lines
    assert line == (
        "mine: target of AAA at 2020-01-02 21:00 UTC was <was> and became <became> "
        "with mirrored after 2020-01-02 21:00"
    )
    assert not sheets()["clean"].lines


def test_halves_stand_in_pairs() -> None:
    sections = [
        Section("a", half=True),
        Section("b", half=True),
        Section("c"),
        Section("d", half=True),
    ]
    page = sheet_page(Sheet("t", "v", [Tile("n", "1")], sections, {}), SUBJECT)
    body = page[page.index("<h1>") : page.index("What was looked at")]
    shape = re.findall(r'<div class="pair">|<h2>(\w)</h2>|</section></div>', body)
    assert shape == ["", "a", "b", "", "c", "", "d", ""]


@needs_browser
@pytest.mark.parametrize("name", ["walk", "overfitting", "monte carlo", "sensitivity", "capacity"])
def test_a_browser_draws_every_figure_and_complains_of_nothing(tmp_path: Path, name: str) -> None:
    sheet = sheets()[name]
    dom, said = shown_by_browser(sheet_page(sheet, SUBJECT), tmp_path, dark=name == "walk")
    for place, section in enumerate(sheet.sections):
        if section.figure is not None:
            assert drawn(dom, f'data-figure="figure-{place}"')
    assert "CONSOLE" not in said
    if name in {"monte carlo", "capacity"}:
        # The line that marks what happened has the page's colour of a loss.
        assert "rgb(196, 43, 69)" in dom
