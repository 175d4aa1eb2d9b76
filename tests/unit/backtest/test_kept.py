from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.backtest.builders import (
    EQUITY,
    PROVENANCE,
    a_fill,
    a_market,
    a_result,
    a_spec,
    a_state,
    an_order,
)
from tradewright.backtest.archive import RunFolder
from tradewright.backtest.report.comparison import (
    compare_runs,
    comparison_page,
    same,
    verdict,
)
from tradewright.backtest.report.kept import KeptRun, kept_run, kept_runs
from tradewright.backtest.report.markdown import comparison_markdown, run_markdown
from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.ids import RunId
from tradewright.core.orders import Side


def keep(root: Path, name: str, **changes: Any) -> KeptRun:
    market = a_market()
    result = a_result(market, **changes)
    return KeptRun(RunFolder(root, RunId(name)).write(result, market, PROVENANCE, title="A run"))


def test_runs_are_found_by_id_beginning_and_latest(tmp_path: Path) -> None:
    first, second = keep(tmp_path, "2020-a"), keep(tmp_path, "2021-b")
    (tmp_path / "compared").mkdir()
    assert [run.id for run in kept_runs(tmp_path)] == ["2021-b", "2020-a"]
    assert kept_run(tmp_path, "latest").id == second.id
    assert kept_run(tmp_path, "2020").path == first.path
    assert kept_run(tmp_path, "2021-b").path == second.path


@pytest.mark.parametrize("name", ["2019", "", "../2020-a", "compared"])
def test_run_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    keep(tmp_path, "2020-a")
    with pytest.raises(InvalidInput, match="names no run"):
        kept_run(tmp_path, name)


def test_beginning_of_two_runs_is_refused_and_no_runs_are_none(tmp_path: Path) -> None:
    assert kept_runs(tmp_path / "none") == []
    with pytest.raises(InvalidInput, match="no run is kept"):
        kept_run(tmp_path / "none", "latest")
    keep(tmp_path, "2020-a")
    keep(tmp_path, "2020-b")
    with pytest.raises(InvalidInput, match="begins 2 runs"):
        kept_run(tmp_path, "2020")


def test_id_that_begins_another_is_itself(tmp_path: Path) -> None:
    keep(tmp_path, "r1")
    keep(tmp_path, "r10")
    assert kept_run(tmp_path, "r1").id == "r1"


def test_file_that_is_not_there_or_broken_is_named(tmp_path: Path) -> None:
    run = keep(tmp_path, "r1")
    (run.path / "statistics.json").unlink()
    with pytest.raises(MissingData, match=r"statistics\.json"):
        run_markdown(run)
    (run.path / "statistics.json").write_text("{")
    with pytest.raises(MissingData, match="is no JSON"):
        run_markdown(run)


def test_equity_reads_back_exactly(tmp_path: Path) -> None:
    dates, equity = keep(tmp_path, "r1").equity()
    assert (dates[0], dates[-1]) == (date(2020, 1, 30), date(2020, 2, 3))
    assert equity.tolist() == EQUITY


def test_run_beside_itself_is_the_same(tmp_path: Path) -> None:
    known = compare_runs(keep(tmp_path, "r1"), keep(tmp_path, "r2"))
    assert same(known)
    assert known["spec"] == {}
    assert (known["orders"]["same"], known["fills"]["same"]) == (2, 2)
    assert "The runs are the same" in comparison_markdown(known)


def test_differences_are_found_where_they_are(tmp_path: Path) -> None:
    left = keep(tmp_path, "r1")
    bought, sold = an_order(1), an_order(2, side=Side.SELL)
    right = keep(
        tmp_path,
        "r2",
        spec=a_spec(parameters={"top": "2"}),
        orders={bought.id: a_state(bought, "11.5")},
        fills=[a_fill(bought, "11.5"), a_fill(sold, "12", 2, "1.01")],
        equity=np.array([1000.0, 1100.0, 1001.0, 1001.0, 1101.1]),
        final_equity=Decimal("1101.1"),
    )
    known = compare_runs(left, right)
    assert not same(known)
    assert known["spec"] == {"spec.parameters.top": {"left": "1", "right": "2"}}
    assert known["orders"]["changed"][0]["differs"] == {"average_price": ["11", "11.5"]}
    assert [row["side"] for row in known["orders"]["only_left"]] == ["sell"]
    assert known["orders"]["only_right"] == []
    assert known["fills"]["same"] == 1
    (day,) = known["returns"]["days"]
    assert (day["date"], known["returns"]["first_difference"]) == ("2020-02-01", "2020-02-01")
    assert (day["left"], day["right"]) == pytest.approx((-0.1, -0.09))
    assert known["numbers"]["final_equity"] == {"left": "1089.000", "right": "1101.1"}
    assert verdict(known).startswith("0 orders are the same, 2 are not; 1 fills are the same")
    assert "| 2020-02-01 | −10.000% | −9.000% | 1.000% |" in comparison_markdown(known)
    json.dumps(known, allow_nan=False)


def test_page_of_a_comparison_is_whole_and_escapes_what_it_shows(tmp_path: Path) -> None:
    hostile = "</script><b>"
    left = keep(tmp_path, "r1")
    right = keep(tmp_path, "r2", spec=a_spec(parameters={"top": hostile}))
    page = comparison_page(left, right, compare_runs(left, right))
    assert "spec.parameters.top" in page
    assert hostile not in page
    assert page.count("<script") == 3 + page.split("<body>")[1].count('"<script')
    assert page.endswith("</html>\n")


def test_markdown_has_every_group_and_no_broken_row(tmp_path: Path) -> None:
    market = a_market(label="a|b")
    folder = RunFolder(tmp_path, RunId("r1"))
    run = KeptRun(folder.write(a_result(market), market, PROVENANCE, title="A run"))
    text = run_markdown(replace(run))
    for title in ("Against the benchmark: equal weight", "Risk and shape", "Round trips"):
        assert f"## {title}" in text
    assert "| Total return | 8.9% |" in text
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
