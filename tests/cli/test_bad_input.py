"""Bad input is one line that says what, where and how to mend; exit 2, and nothing half written."""

from __future__ import annotations

import shutil
import socket
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.commands import LEAN, Inside, lean, left_in, run
from tradewright.core.clock import SystemClock

SECONDS = 20.0
HEADER = "time,open,high,low,close,volume"
GOOD = "2013-10-08,100,101,99,100.5,1000"
# In LEAN's files prices are in ten-thousandths of a dollar.
LEAN_GOOD = "20131008 00:00,1000000,1010000,990000,1005000,1000"


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    folder = tmp_path / "work"
    folder.mkdir()
    return Inside(folder, capsys, monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for market data, outside of the one that is worked in."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def csv(folder: Path, *lines: str, symbol: str = "AAA") -> None:
    (folder / "day").mkdir(exist_ok=True)
    path = folder / "day" / f"{symbol}.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")


def lean_zip(folder: Path, *lines: str) -> None:
    path = folder / "equity" / "usa" / "daily" / "aaa.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("aaa.csv", "\n".join(lines) + "\n")


def refused(inside: Inside, *arguments: str, words: Sequence[str]) -> None:
    """Check that a command is refused in these words, and that its folder is as it was."""
    before = sorted(inside.folder.rglob("*"))
    line = inside.run(*arguments).complaint()
    for word in words:
        assert word in line
    assert sorted(inside.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "ZZZ"], ["symbol: 'ZZZ' is not known", "choose one of: SIM01"]),
        (["--data", "nowhere"], ["nowhere: is not a folder", "give the folder"]),
        (["--data", "."], ["holds no market data in a known format", "equity/usa"]),
        (["--capital", "much"], ["--capital: 'much' is not a decimal number", "write it as"]),
        (["--capital", "-1"], ["--capital: '-1' must be positive"]),
        (["--capital", "0"], ["--capital: '0' must be positive"]),
        (["--capital", "nan"], ["--capital: 'nan' is not finite"]),
        (["--capital", "Infinity"], ["--capital: 'Infinity' is not finite"]),
        (["--from", "soon"], ["--from: 'soon' is not a date", "write it as 2020-08-31"]),
        (["--to", "2016-02-30"], ["--to: '2016-02-30' is not a date"]),
        (["--from", "2016-05-02", "--to", "2016-05-01"], ["--to: '2016-05-01' is before --from"]),
        (["--from", "2030-01-02"], ["--from: '2030-01-02' is after the last session"]),
        (["--from", "2016-05-07", "--to", "2016-05-08"], ["no bars between", "choose --from"]),
        (["--to", "2013-01-01"], ["--to: '2013-01-01' is before --from"]),
        (["--set", "top"], ["--set: 'top' is not name=value", "write it as top=5"]),
        (["--set", "=5"], ["--set: '=5' is not name=value"]),
        (["--set", "top=many"], ["momentum.top: 'many' is not a whole number"]),
        (["--set", "top=0"], ["top: 0 must be at least 1"]),
        (["--set", "rebalance=year"], ["momentum.rebalance: 'year'", "choose one of: day, week"]),
        (["--set", "colour=red"], ["momentum parameter: 'colour' is not known", "invested"]),
        (["--set", "invested=nan"], ["invested: 'nan' is not a finite number"]),
        (["--set", "slippage_bps=-1"], ["slippage_bps: '-1' must not be negative"]),
        (["--set", "volume_share=0"], ["volume_share: '0' must be positive"]),
        (["--set", "commission=free"], ["commission: 'free' is not known", "choose one of"]),
        (["--commission", "free"], ["commission: 'free' is not known", "ib-tiered"]),
        (["--slippage", "none"], ["slippage: 'none' is not known", "square-root"]),
        (["--slippage", "linear:size=1"], ["'size=1' is no number of the model", "coefficient"]),
        (["--costs", "cheap"], ["costs: 'cheap' is not known", "ib-tiered", "realistic"]),
        (["--costs", "alpaca", "--set", "costs=schwab"], ["--costs: 'alpaca' is given twice"]),
        (["--set", "impact=none:x=1"], ["impact: 'x=1' is no number", "nothing"]),
        (
            ["--slippage", "linear", "--set", "slippage_bps=1"],
            ["slippage_bps: '1' does not go with slippage=linear"],
        ),
        (
            ["--slippage", "linear", "--set", "impact=almgren"],
            ["impact: 'almgren' does not go with", "count size twice", "half-spread"],
        ),
        (["--costs", "realistic", "--set", "engine=arrays"], ["cannot run this equally", "events"]),
        (["--strategy", "luck"], ["strategy: 'luck' is not known", "momentum, pairs, sma-cross"]),
        (["--strategy", "sma-cross", "--set", "fast=30"], ["fast: 30 must lie in [1, 30)"]),
    ],
    ids=" ".join,
)
def test_options_of_a_backtest(inside: Inside, arguments: list[str], words: list[str]) -> None:
    refused(inside, "backtest", "--json", *arguments, words=words)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["2013-10-08,100,98,99,98,1000"], ["AAA.csv line 2", "high"]),
        ([GOOD, "2013-10-09,100,101,nan,100,1000"], ["AAA.csv line 3"]),
        ([GOOD, "2013-10-09,-100,101,-100,100,1000"], ["AAA.csv line 3"]),
        ([GOOD, "2013-10-09,100,inf,99,100,1000"], ["AAA.csv line 3"]),
        ([GOOD, "2013-10-09,0,101,0,100,1000"], ["AAA.csv line 3"]),
        ([GOOD, "2013-10-09,100,101,99,100,-1"], ["AAA.csv line 3"]),
        ([GOOD, "2013-10-09,hundred,101,99,100,1000"], ["AAA.csv line 3", "four prices"]),
        ([GOOD, "2013-10-09,100,101"], ["AAA.csv line 3"]),
        ([GOOD, "2013-10-12,100,101,99,100,1000"], ["AAA.csv line 3", "2013-10-12"]),
        ([GOOD, GOOD], ["AAA.csv line 3", "does not come after"]),
    ],
)
def test_bars_of_a_csv_file(inside: Inside, data: Path, lines: list[str], words: list[str]) -> None:
    csv(data, *lines)
    refused(inside, "backtest", "--json", "--data", str(data), words=[*words, "correct the line"])


@pytest.mark.parametrize(
    "line",
    [
        "20131009 00:00,1000000,980000,990000,985000,1000",
        "20131009 00:00,1000000,1010000,NaN,1005000,1000",
        "20131009 00:00,1000000,1010000,-990000,1005000,1000",
        "20131009 00:00,1000000,1010000",
        "20131009 00:00,1000000,1010000,990000,1005000,many",
    ],
    ids=["high below low", "NaN", "negative price", "short line", "no number"],
)
def test_bars_of_a_lean_zip(inside: Inside, data: Path, line: str) -> None:
    lean_zip(data, LEAN_GOOD, line)
    refused(inside, "backtest", "--json", "--data", str(data), words=["aaa.zip", "line 2"])


def test_torn_zip(inside: Inside, data: Path) -> None:
    lean()
    for name in ("daily/spy.zip", "factor_files/spy.csv", "map_files/spy.csv"):
        to = data / "equity" / "usa" / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(LEAN / "equity" / "usa" / name, to)
    path = data / "equity" / "usa" / "daily" / "spy.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for command in ("backtest", "paper-run"):
        options = ("--json", "--symbols", "SPY", "--data", str(data))
        refused(inside, command, *options, words=["spy.zip"])


def test_folder_of_one_session(inside: Inside, data: Path) -> None:
    csv(data, GOOD)
    for command in ("backtest", "paper-run"):
        options = ("--json", "--symbols", "AAA", "--data", str(data))
        refused(inside, command, *options, words=[str(data), "leaves nothing to decide on"])


def test_file_that_cannot_be_read(inside: Inside, data: Path) -> None:
    (data / "day" / "AAA.csv").mkdir(parents=True)
    refused(
        inside, "backtest", "--json", "--data", str(data), words=["AAA.csv: cannot be read", "give"]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--capital", "x"], ["--capital: 'x' is not a decimal number"]),
        (["--max-position-size", "-5"], ["--max-position-size: '-5' must be positive"]),
        (["--symbols", "SIM01,MSFT"], ["symbol: 'MSFT' is not known"]),
        (["--output", "nowhere/out.json"], ["--output: 'nowhere/out.json'", "make nowhere first"]),
        (["--output", "."], ["--output: '.' is a folder", "name a file in it"]),
        (["--output", "/"], ["--output: '/' is a folder", "name a file in it"]),
        (["--output", "/dev/null/out.json"], ["--output: '/dev/null/out.json'"]),
    ],
    ids=" ".join,
)
def test_options_of_a_paper_run(inside: Inside, arguments: list[str], words: list[str]) -> None:
    refused(inside, "paper-run", "--json", *arguments, words=words)


def test_symbol_that_is_not_among_the_real_bars(inside: Inside) -> None:
    # MSFT is one of the defaults.
    refused(
        inside,
        *("paper-run", "--json", "--data", lean()),
        words=["symbol: 'MSFT' is not known; choose one of: AAPL"],
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"TRADEWRIGHT_FOO": "1"}, ["unknown setting 'TRADEWRIGHT_FOO'", "`.env.example`"]),
        ({"PAPER_RUN_CAPITAL": "lots"}, ["PAPER_RUN_CAPITAL"]),
        ({"PAPER_RUN_SYMBOLS": " , "}, ["PAPER_RUN_SYMBOLS"]),
        ({"ALPACA_BASE_URL": "https://api.alpaca.markets"}, ["LIVE_TRADING_CONFIRM"]),
        (
            {"ALPACA_BASE_URL": "https://api.alpaca.markets", "DRY_RUN": "false"},
            ["LIVE_TRADING_CONFIRM"],
        ),
        ({"ALPACA_API_KEY_ID": "PK1"}, ["must be given together"]),
        ({"DATABASE_URL": ""}, ["DATABASE_URL is a placeholder or blank"]),
    ],
)
@pytest.mark.parametrize("command", ["demo", "backtest", "paper-run"])
def test_settings(inside: Inside, command: str, settings: dict[str, str], words: list[str]) -> None:
    inside.set(**settings)
    refused(inside, command, "--json", words=words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"FOO = 1\n", ["unknown setting 'FOO' in tradewright.toml"]),
        (b"[tables]\nx = 1\n", ["unknown setting 'tables' in tradewright.toml"]),
        (b"DRY_RUN = \n", ["tradewright.toml: not TOML", "line 1"]),
        (b"ENVIRONMENT = 'd\xe9v'\n", ["tradewright.toml: byte 16 is not UTF-8"]),
    ],
)
def test_settings_file(inside: Inside, content: bytes, words: list[str]) -> None:
    (inside.folder / "tradewright.toml").write_bytes(content)
    refused(inside, "backtest", "--json", words=words)


def test_runs_that_cannot_be_written(inside: Inside) -> None:
    (inside.folder / "runs").write_text("in the way")
    refused(inside, "backtest", "--json", words=["runs/", "cannot be written", "make room"])


DEAD = [
    pytest.param(
        {"DATABASE_URL": "postgresql://127.0.0.1:1/x"},
        ["no PostgreSQL for database 'x' at 127.0.0.1:1", "mend DATABASE_URL"],
        id="PostgreSQL",
    ),
    pytest.param(
        {"REDIS_URL": "redis://127.0.0.1:1/0"},
        ["no Redis at 127.0.0.1:1", "mend REDIS_URL"],
        id="Redis",
    ),
    pytest.param(
        {"DATABASE_URL": "postgresql://u:secret@[nonsense"},
        ["the database URL cannot be read", "write DATABASE_URL as"],
        id="no URL of PostgreSQL",
    ),
    pytest.param(
        {"REDIS_URL": "http://u:secret@127.0.0.1"},
        ["the Redis URL cannot be read", "write REDIS_URL as"],
        id="no URL of Redis",
    ),
]


@pytest.mark.parametrize(("settings", "words"), DEAD)
@pytest.mark.parametrize("command", ["demo", "paper-run"])
def test_database_that_does_not_answer(
    inside: Inside, command: str, settings: dict[str, str], words: list[str]
) -> None:
    inside.set(**settings)
    clock = SystemClock()
    began = clock.monotonic()
    refused(inside, command, "--json", words=words)
    assert clock.monotonic() - began < SECONDS
    assert left_in(inside.folder) == []


def test_database_that_is_silent_is_given_up_in_seconds(inside: Inside) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        inside.set(REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        refused(inside, "demo", "--json", words=["no Redis at 127.0.0.1", "Timeout"])


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["backtest", "--symbols", "ZZZ"], {}, "symbol: 'ZZZ' is not known"),
        (["demo", "--data", "nowhere"], {"TRADEWRIGHT_FOO": "1"}, "TRADEWRIGHT_FOO"),
        (["demo", "--json"], {"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "no PostgreSQL"),
        (["demo", "--json", "--data", "nowhere"], {}, "nowhere: is not a folder"),
    ],
    ids=["symbol", "setting", "database", "folder"],
)
def test_as_a_user_sees_it(
    server_ground: Path, arguments: list[str], settings: dict[str, str], words: str
) -> None:
    folder = server_ground / "bad"
    folder.mkdir(exist_ok=True)
    line = run(folder, *arguments, settings=settings).complaint()
    assert words in line
    assert not (folder / "runs").exists()
    assert left_in(folder) == []


@pytest.mark.parametrize(
    "arguments",
    [["trade"], ["demo", "--fast"], ["backtest", "extra"], ["exchange", "serve"], ["data"]],
    ids=" ".join,
)
def test_command_that_is_not_there_says_how_to_get_help(
    inside: Inside, arguments: list[str]
) -> None:
    told = inside.run(*arguments)
    assert told.code == 2
    assert "--help" in told.err + told.out
    assert list(inside.folder.iterdir()) == []
