from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import a_market, a_spec, flat_bars
from tradewright.backtest.backtest import Backtest
from tradewright.cli.keep import keep_run
from tradewright.core.errors import ConfigError


def test_kept_run_says_where_its_numbers_come_from(tmp_path: Path) -> None:
    market = a_market({"AAA": flat_bars([100.0, 101.0, 102.0, 103.0, 99.0, 98.0])})
    choices = {"fast": "1", "slow": "2"}
    spec = a_spec(market, strategy="sma-cross", parameters=choices)
    result = Backtest(spec, market).run()
    folder, body = keep_run(tmp_path / "runs", result, market, {"load": 1.5, "backtest": 0.25})
    assert (folder.parent, folder.name) == (tmp_path / "runs", body["id"])
    assert json.loads((folder / "summary.json").read_text()) == body
    assert body["seconds"] == {"load": 1.5, "backtest": 0.25}
    kept = json.loads((folder / "spec.json").read_text())
    assert kept["spec_hash"] == spec.hash
    assert len(kept["data_hash"]) == 64
    assert kept["code_revision"]
    assert {"tradewright", "python", "numpy"} <= set(kept["versions"])
    assert "sma-cross over test market" in (folder / "report.html").read_text()


def test_run_that_cannot_be_kept_leaves_nothing(tmp_path: Path) -> None:
    market = a_market({"AAA": flat_bars([100.0, 101.0, 102.0])})
    choices = {"fast": "1", "slow": "2"}
    result = Backtest(a_spec(market, strategy="sma-cross", parameters=choices), market).run()
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        keep_run(tmp_path / "runs", result, market, {})
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
