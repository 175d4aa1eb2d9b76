"""`tradewright backtest` on the simulated market and on real bars."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Inside, lean, run, runs_in

FREE = ("--set", "commission=none", "--set", "slippage_bps=0")


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def spec_of(folder: Path, body: Any) -> Any:
    return json.loads((folder / "runs" / body["id"] / "spec.json").read_text())["spec"]


def test_sma_cross_over_the_simulated_market_as_a_user_runs_it(tmp_path: Path) -> None:
    body = run(tmp_path, "backtest", "--strategy", "sma-cross", "--json").body()
    assert (body["strategy"], body["simulated"], body["symbols"]) == ("sma-cross", True, 10)
    assert body["fills"] > 50
    assert Decimal(body["fees"]) > 0
    assert "parity" not in body
    folder, latest = runs_in(tmp_path)
    assert (folder.name, latest.name) == (body["id"], "latest")
    assert json.loads((folder / "summary.json").read_text()) == body
    assert not list(folder.glob("paper_*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_momentum_with_dates_capital_and_parameters(inside: Inside) -> None:
    options = ["--from", "2016-03-01", "--to", "2016-06-30", "--capital", "25000.50"]
    options += ["--set", "top=2", "--set", "rebalance=week", "--symbols", "sim01, SIM02 sim04"]
    body = inside.run("backtest", "--json", *options, "--symbols", "SIM05").body()
    assert (body["strategy"], body["symbols"], body["capital"]) == ("momentum", 4, "25000.50")
    assert (body["first"], body["last"]) == ("2016-03-01", "2016-06-30")
    assert body["sessions"] == 86
    spec = spec_of(inside.folder, body)
    assert spec["parameters"] == {"top": "2", "rebalance": "week"}
    assert (spec["first"], spec["last"]) == ("2016-03-01", "2016-06-30")


def test_costs_are_what_was_set(inside: Inside) -> None:
    short = ("backtest", "--json", "--from", "2016-01-04")
    usual = inside.run(*short).body()
    free = inside.run(*short, *FREE).body()
    assert (Decimal(usual["fees"]) > 0, free["fees"]) == (True, "0")
    assert Decimal(free["final_equity"]) > Decimal(usual["final_equity"])
    choices = ("--set", "commission=percent", "--set", "slippage_bps=5")
    dear = inside.run(*short, *choices, "--set", "volume_share=0.1").body()
    spec = spec_of(inside.folder, dear)
    assert (spec["commission"], spec["slippage_bps"]) == ("percent", "5")
    assert spec["volume_share"] == "0.1"
    assert spec["parameters"] == {}
    assert dear["fees"] not in {usual["fees"], "0"}
    assert len(runs_in(inside.folder)) == 4


def test_models_are_chosen_by_name_and_by_preset(inside: Inside) -> None:
    short = ("backtest", "--json", "--from", "2016-01-04")
    body = inside.run(*short, "--costs", "realistic", "--commission", "ib-tiered").body()
    spec = spec_of(inside.folder, body)
    names = ("commission", "slippage", "fees", "impact", "borrow", "margin")
    assert [spec[name] for name in names] == [
        *("ib-tiered", "square-root:spread_bps=4", "us-sales", "none"),
        *("flat:rate=0.03", "flat:rate=0.08"),
    ]
    parts = {name: Decimal(amount) for name, amount in body["costs"].items()}
    assert parts["commission"] + parts["fees"] == Decimal(body["fees"])
    assert parts["slippage"] > parts["fees"] > 0
    assert (parts["impact"], body["financing"]) == (Decimal(0), "0")
    folder = inside.folder / "runs" / body["id"]
    lines = (folder / "costs.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "fill,order,instrument,commission,fees,slippage,impact"
    assert len(lines) == body["fills"] + 1
    total = sum(Decimal(line.split(",")[5]) for line in lines[1:])
    assert abs(total - parts["slippage"]) <= Decimal("0.005")
    dear = inside.run(*short, "--costs", "pessimistic", "--slippage", "half-spread").body()
    assert spec_of(inside.folder, dear)["slippage"] == "half-spread"
    assert Decimal(dear["final_equity"]) < Decimal(body["final_equity"])


def test_people_get_a_table_and_where_to_look(inside: Inside) -> None:
    told = inside.run("backtest", "--from", "2016-11-01")
    assert told.code == 0
    assert "momentum over simulated sample market" in told.out
    folder = runs_in(inside.folder)[0]
    assert f"report: runs/{folder.name}/report.html" in told.out
    assert "✓ Load the market" in told.err
    assert "\n\n" not in told.err


def test_runs_go_where_the_settings_say(inside: Inside, tmp_path: Path) -> None:
    inside.set(TRADEWRIGHT_RUNS_DIR=str(tmp_path / "kept" / "here"))
    body = inside.run("backtest", "--json", "--from", "2016-11-01").body()
    assert (tmp_path / "kept" / "here" / body["id"] / "summary.json").is_file()
    assert not (tmp_path / "runs").exists()


def test_one_symbol_of_the_real_bars(inside: Inside) -> None:
    options = ["--data", lean(), "--symbols", "SPY", "--strategy", "sma-cross"]
    span = ["--from", "2013-01-02", "--to", "2013-12-31"]
    body = inside.run("backtest", "--json", *options, *span).body()
    assert (body["symbols"], body["simulated"], body["sessions"]) == (1, False, 252)
    assert body["fills"] > 2
    assert Decimal(body["dividends"]) > 0
    orders = (inside.folder / "runs" / body["id"] / "orders.csv").read_text().splitlines()
    assert len(orders) == body["orders"] + 1
    assert all(",SPY," in line for line in orders[1:])
