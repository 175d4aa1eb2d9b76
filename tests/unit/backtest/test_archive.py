from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.unit.backtest.builders import (
    EQUITY,
    FIRST,
    PROVENANCE,
    a_market,
    a_paper_side,
    a_refusal,
    a_result,
    a_spec,
)
from tradewright.backtest.archive import LATEST, STRATEGY, RunFolder, library_versions
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.report.kept import KeptRun, Since
from tradewright.backtest.summary import summary
from tradewright.core.errors import ConfigError, InvalidInput
from tradewright.core.events import Alert
from tradewright.core.ids import RunId
from tradewright.core.money import Price
from tradewright.core.records import from_body
from tradewright.data.fingerprint import data_hash
from tradewright.data.history import MarketData
from tradewright.data.sample import sample_market
from tradewright.engine.named import StrategyFile
from tradewright.risk.limits import Limits

METRICS = Path(__file__).parents[3] / "docs" / "metrics.md"


def written(root: Path, run_id: str = "run-1", result: Result | None = None) -> Path:
    market = a_market()
    result = result or a_result(market, refusals=[a_refusal(3)])
    return RunFolder(root, RunId(run_id)).write(result, market, PROVENANCE, title="A run")


def texts(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def test_folder_holds_the_whole_run(tmp_path: Path) -> None:
    folder = written(tmp_path / "runs")
    assert folder == tmp_path / "runs" / "run-1"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("spec.json", "summary.json", "statistics.json", "report.html"),
        *("orders.csv", "fills.csv", "refusals.csv", "alerts.csv", "equity.csv", "costs.csv"),
    }
    papers = METRICS.read_text(encoding="utf-8")
    assert [name for name in names if f"| `{name}` |" not in papers] == []


def test_summary_is_the_summary(tmp_path: Path) -> None:
    market = a_market()
    result = a_result(market)
    stored = json.loads((written(tmp_path, result=result) / "summary.json").read_text())
    assert stored == summary("run-1", result, market, seconds=PROVENANCE.seconds)


def test_spec_says_how_to_do_it_again(tmp_path: Path) -> None:
    stored = json.loads((written(tmp_path) / "spec.json").read_text())
    spec = a_spec()
    assert stored["spec"] == spec.body()
    assert from_body(Limits, stored["spec"]["limits"]) == spec.limits
    assert stored["spec_hash"] == PROVENANCE.spec_hash
    assert stored["data_hash"] == PROVENANCE.data_hash
    assert stored["code_revision"] == PROVENANCE.code_revision
    assert stored["versions"] == {"python": "3.11.7"}


def test_fills_and_orders_read_back_exactly(tmp_path: Path) -> None:
    market = a_market()
    result = a_result(market)
    precise = [replace(result.fills[0], price=Price(Decimal("11.000100"))), *result.fills[1:]]
    folder = written(tmp_path, result=replace(result, fills=precise))
    fills = texts(folder / "fills.csv")
    assert fills["price"].to_list() == ["11.000100", "12"]
    assert fills["fee"].to_list() == ["1.00", "1.01"]
    assert fills["at"].to_list() == ["2020-01-31T14:30:00Z", "2020-02-01T14:30:00Z"]
    orders = texts(folder / "orders.csv")
    assert orders["id"].to_list() == list(result.orders)
    assert orders["average_price"].to_list() == ["11", "12"]
    assert orders["limit"].to_list() == [None, None]
    assert orders["status"].to_list() == ["filled", "filled"]


def test_equity_has_one_line_a_session(tmp_path: Path) -> None:
    equity = pl.read_csv(written(tmp_path) / "equity.csv", try_parse_dates=True)
    assert equity["equity"].to_list() == EQUITY
    assert equity["drawdown"].to_list() == pytest.approx([0, 0, 0.1, 0.1, 0.01])
    assert str(equity["session"][0]) == "2020-01-30"


def test_refusals_carry_their_numbers(tmp_path: Path) -> None:
    refusals = texts(written(tmp_path) / "refusals.csv")
    assert refusals["code"].to_list() == ["order_size"]
    assert json.loads(refusals["context"][0]) == {"limit": "20.50"}


def test_alerts_are_kept_in_their_words(tmp_path: Path) -> None:
    alerts = [Alert("target_unsized", "AAA has no price", FIRST)]
    folder = written(tmp_path, result=a_result(a_market(), alerts=alerts))
    kept = texts(folder / "alerts.csv").row(0)
    assert kept == ("2020-01-30T00:00:00Z", "target_unsized", "AAA has no price")
    assert "AAA has no price" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_text_of_a_strategy_s_file_is_kept_to_the_byte(tmp_path: Path) -> None:
    market, content = a_market(), "x = 1\r\n# µ\n".encode("latin-1")
    own = replace(PROVENANCE, strategy_file=StrategyFile(tmp_path / "mine.py", content))
    spec = a_spec(strategy="./mine.py:Mine")
    folder = RunFolder(tmp_path, RunId("r1")).write(
        a_result(market, spec=spec), market, own, title="A run"
    )
    assert (folder / STRATEGY).read_bytes() == content
    kept = KeptRun(folder).strategy()
    assert kept is not None
    assert kept.again == f"{folder / STRATEGY}:Mine"
    seen = [kept.since]
    for now in (content, content + b"\n"):
        kept.path.write_bytes(now)
        seen.append(kept.since)
    assert seen == [Since.GONE, Since.SAME, Since.CHANGED]
    assert KeptRun(written(tmp_path, "r2")).strategy() is None


def test_run_without_orders_has_empty_tables_with_headings(tmp_path: Path) -> None:
    market = a_market()
    folder = written(tmp_path, result=a_result(market, orders={}, fills=[]))
    assert texts(folder / "fills.csv").columns[:3] == ["at", "id", "order"]
    assert texts(folder / "refusals.csv").is_empty()


def test_paper_side_adds_its_tables(tmp_path: Path) -> None:
    market = a_market()
    result = a_result(market)
    folder = RunFolder(tmp_path, RunId("run-1")).write(
        result, market, PROVENANCE, title="A run", paper=a_paper_side(result)
    )
    assert len(texts(folder / "paper_orders.csv")) == 2
    assert len(texts(folder / "paper_fills.csv")) == 2
    assert texts(folder / "paper_refusals.csv").is_empty()
    assert json.loads((folder / "summary.json").read_text())["parity"] is True


def test_latest_follows_the_last_run(tmp_path: Path) -> None:
    written(tmp_path, "run-1")
    written(tmp_path, "run-2")
    link = tmp_path / LATEST
    assert link.is_symlink()
    assert link.readlink() == Path("run-2")
    assert (link / "summary.json").exists()
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert json.loads((moved / LATEST / "summary.json").read_text())["id"] == "run-2"


def test_run_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    written(tmp_path, "run-1")
    broken = a_result(a_market(), spec=a_spec(parameters={"top": object()}))
    with pytest.raises(InvalidInput, match="cannot be written down"):
        written(tmp_path, "run-2", broken)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LATEST, "run-1"]
    assert (tmp_path / LATEST).readlink() == Path("run-1")


def test_run_is_never_overwritten(tmp_path: Path) -> None:
    folder = written(tmp_path)
    before = (folder / "summary.json").stat().st_mtime_ns
    with pytest.raises(InvalidInput, match=r"run-1.*already"):
        written(tmp_path)
    assert (folder / "summary.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("run_id", ["", "..", "a/b", "/etc", LATEST])
def test_id_that_leads_elsewhere_is_refused(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="run_id"):
        written(tmp_path / "runs", run_id)
    assert not (tmp_path / "runs").exists()


def test_folder_in_the_way_of_the_link_is_named_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / LATEST).mkdir()
    with pytest.raises(InvalidInput, match="in the way"):
        written(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LATEST]


def test_root_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        written(root)


def test_versions_name_python_and_the_libraries() -> None:
    found = library_versions()
    assert {"python", "numpy", "polars", "tradewright"} <= found.keys()


def test_real_run_of_a_sample_market(tmp_path: Path) -> None:
    sample = sample_market(symbols=4, sessions=300)
    market = MarketData(
        sample.frame,
        {instrument.id: instrument for instrument in sample.instruments},
        sample.actions,
        sample.calendar,
        "sample",
        simulated=True,
    )
    sessions = sample.frame.sessions
    span = {"first": sessions[260].date, "last": sessions[-1].date}
    result = Backtest(a_spec(**span, capital=Decimal(100_000)), market).run()
    folder = RunFolder(tmp_path, RunId("run-1")).write(
        result,
        market,
        replace(PROVENANCE, data_hash=data_hash(market.frame, market.actions)),
        title="Sample",
    )
    stored = json.loads((folder / "summary.json").read_text())
    assert stored["fills"] == len(texts(folder / "fills.csv")) == len(result.fills)
    assert stored["sessions"] == len(sessions) - 260
    last = pl.read_csv(folder / "equity.csv")["equity"][-1]
    assert float(stored["final_equity"]) == pytest.approx(last)
    assert stored["total_return"] == pytest.approx(last / 100_000 - 1)
