from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tradewright.adapters.csv import CsvStore
from tradewright.adapters.parquet import ParquetStore
from tradewright.bootstrap import load_market
from tradewright.cli.data import app
from tradewright.core.errors import MissingData, QualityFailure
from tradewright.data.sample import sample_market

HEADER = "time,open,high,low,close,volume\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    market = sample_market(sessions=60)
    CsvStore(tmp_path / "source").write(market.frame, market.instruments, market.actions)
    return tmp_path / "source"


def bad_bar(folder: Path) -> None:
    path = folder / "day" / "SIM01.csv"
    path.write_text(path.read_text() + "2030-01-03,1,1,2,1,1\n")


def test_import_then_list_then_check(source: Path, tmp_path: Path) -> None:
    to = tmp_path / "market"
    imported = json.loads(run("import", source, "--to", to, "--json").stdout)
    assert (imported["instruments"], imported["rows"], imported["to"]) == (10, 60, str(to))
    listed = json.loads(run("list", to, "--json").stdout)
    assert [line["symbol"] for line in listed][:2] == ["SIM01", "SIM02"]
    assert {line["last"] for line in listed} == {"2014-03-28", "2014-03-07"}
    checked = run("check", to, "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["errors"] == 0


def test_tables_are_for_people(source: Path, tmp_path: Path) -> None:
    assert "10 instruments, 60 rows" in run("import", source, "--to", tmp_path / "to").stdout
    assert "SIM10" in run("list", source).stdout
    assert "0 errors" in run("check", source).stdout


def test_check_shows_every_bad_instrument_and_exits_with_one(source: Path) -> None:
    bad_bar(source)
    result = run("check", source, "--json")
    assert result.exit_code == 1
    (error,) = [f for f in json.loads(result.stdout)["findings"] if f["severity"] == "error"]
    assert error["where"].endswith("SIM01.csv line 62")
    assert error["what"].startswith("high_below_low")
    assert error["remedy"]


def test_import_of_a_bad_bar_writes_nothing(source: Path, tmp_path: Path) -> None:
    bad_bar(source)
    result = run("import", source, "--to", tmp_path / "market")
    assert isinstance(result.exception, QualityFailure)
    assert not (tmp_path / "market").exists()


def test_import_takes_the_instruments_that_have_the_timeframe(source: Path, tmp_path: Path) -> None:
    (source / "minute").mkdir()
    lines = HEADER + "2014-01-02T14:30:00Z,1,1,1,1,1\n"
    (source / "minute" / "SIM03.csv").write_text(lines)
    to = tmp_path / "market"
    run("import", source, "--timeframe", "minute", "--to", to)
    assert [i.id for i in ParquetStore(to).instruments()] == ["SIM03"]


@pytest.mark.parametrize("command", ["import", "check"])
def test_timeframe_that_is_not_there_is_an_error(source: Path, command: str) -> None:
    result = run(command, source, "--timeframe", "hour")
    assert isinstance(result.exception, MissingData)
    assert "hour bars" in str(result.exception)


def test_folder_without_data_is_an_error(tmp_path: Path) -> None:
    assert isinstance(run("list", tmp_path).exception, MissingData)


def test_sample_writes_a_market_that_says_it_is_simulated(tmp_path: Path) -> None:
    to = tmp_path / "market"
    told = run("sample", "--to", to, "--symbols", 4, "--sessions", 60, "--json")
    assert told.exit_code == 0
    written = json.loads(told.stdout)
    assert (written["instruments"], written["rows"], written["simulated"]) == (4, 60, True)
    market = load_market(to)
    assert market.simulated
    assert len(market.frame) == 60
