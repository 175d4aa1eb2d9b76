"""`tradewright demo`, the main job, in an empty folder."""

from __future__ import annotations

import csv
import json
import math
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.commands import LONG, Running, Told, lean, left_in, run, runs_in
from tradewright.adapters.embedded.process import wait_until

FILES = {
    "costs.csv",
    "equity.csv",
    "fills.csv",
    "orders.csv",
    "paper_fills.csv",
    "paper_orders.csv",
    "paper_refusals.csv",
    "refusals.csv",
    "alerts.csv",
    "report.html",
    "spec.json",
    "statistics.json",
    "summary.json",
}
NUMBERS = {
    "cagr",
    "calmar",
    "hit_rate",
    "max_drawdown",
    "sharpe",
    "sortino",
    "total_return",
    "turnover",
    "volatility",
}
EXACT = {"capital", "dividends", "fees", "final_equity", "financing"}
COUNTS = {"alerts", "fills", "orders", "sessions", "symbols"}
TEXTS = {"first", "id", "label", "last", "strategy"}
REST = {"costs", "paper", "parity", "reconciled", "refusals", "seconds", "simulated"}
STEPS = {"services", "load", "backtest", "exchange", "paper"}
READ_ANYTHING = "+dac_read_search"


class Pair(NamedTuple):
    """A demo, and one that was tried in the same folder at the same time."""

    folder: Path
    first: Told
    meanwhile: Told
    pid: int


@pytest.fixture(scope="module")
def pair(server_ground: Path) -> Pair:
    folder = server_ground / "demo"
    folder.mkdir()
    command = Running(folder, "demo", "--json")
    lock = folder / ".tradewright" / "postgres" / "lock"
    assert wait_until(lambda: lock.exists() and lock.read_text() != "", LONG)
    meanwhile = run(folder, "demo")
    return Pair(folder, command.end(), meanwhile, command.pid)


@pytest.fixture(scope="module")
def body(pair: Pair) -> Any:
    return pair.first.body()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def check_summary(body: Any) -> None:
    """The documented keys, and every number what it says it is."""
    assert set(body) == NUMBERS | EXACT | COUNTS | TEXTS | REST
    assert all(math.isfinite(body[name]) for name in NUMBERS)
    assert all(math.isfinite(float(body[name])) for name in EXACT)
    assert all(isinstance(body[name], int) and body[name] >= 0 for name in COUNTS)
    assert set(body["seconds"]) == STEPS
    assert all(seconds >= 0 for seconds in body["seconds"].values())
    assert set(body["paper"]) == {"sessions", "orders", "fills", "refusals"}
    assert (body["parity"], body["reconciled"], body["paper"]["sessions"]) == (True, True, 5)
    assert body["orders"] >= body["fills"] > 0
    assert body["paper"]["orders"] >= body["paper"]["fills"] > 0
    expected = float(body["final_equity"]) / float(body["capital"]) - 1
    assert body["total_return"] == pytest.approx(expected)
    assert 0 <= body["max_drawdown"] < 1


def check_folder(folder: Path, body: Any) -> None:
    """A whole run folder, which says the same as the summary."""
    run_folder = folder / "runs" / body["id"]
    assert {path.name for path in run_folder.iterdir()} == FILES
    assert json.loads((run_folder / "summary.json").read_text(encoding="utf-8")) == body
    for name, count in {
        "orders": body["orders"],
        "fills": body["fills"],
        "refusals": sum(body["refusals"].values()),
        "equity": body["sessions"] + 1,
        "paper_orders": body["paper"]["orders"],
        "paper_fills": body["paper"]["fills"],
        "paper_refusals": sum(body["paper"]["refusals"].values()),
    }.items():
        assert len(rows(run_folder / f"{name}.csv")) == count, name
    spec = json.loads((run_folder / "spec.json").read_text(encoding="utf-8"))
    assert spec["id"] == body["id"]
    assert spec["spec"]["capital"] == body["capital"]
    report = (run_folder / "report.html").read_text(encoding="utf-8")
    assert report.rstrip().endswith("</html>")
    assert "Plotly.react" in report


def test_summary_is_json_alone_with_the_documented_keys(body: Any) -> None:
    check_summary(body)
    assert body["simulated"] is True
    assert body["label"] == "simulated sample market"


def test_run_folder_is_whole(pair: Pair, body: Any) -> None:
    check_folder(pair.folder, body)
    assert stat.S_IMODE((pair.folder / "runs" / body["id"]).stat().st_mode) & 0o700 == 0o700


def test_second_demo_at_once_says_who_has_the_folder(pair: Pair) -> None:
    line = pair.meanwhile.complaint()
    assert f"in use by process {pair.pid}" in line
    assert "stop that process or choose another state folder" in line


def test_second_demo_in_the_folder_shows_people_the_same(pair: Pair, body: Any) -> None:
    told = run(pair.folder, "demo")
    assert told.code == 0, told.err
    assert "SIMULATED market: 10 symbols, 750 sessions" in told.err
    for step in ("Start PostgreSQL and Redis", "Load the market", "Write the run folder"):
        assert f"✓ {step}" in told.err
    assert "A trading day over simulated sample market" in told.out
    assert "report.html next" in told.out
    assert "NO" not in told.out
    first, second, latest = runs_in(pair.folder)
    assert (first.name, latest.name) == (body["id"], "latest")
    assert latest.readlink() == Path(second.name)
    for name in ("orders.csv", "fills.csv", "equity.csv", "paper_orders.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert left_in(pair.folder) == []


def unprivileged() -> tuple[list[str], pwd.struct_passwd]:
    """How to run a command as nobody; under root, what root can read stays readable."""
    if os.geteuid() != 0:
        pytest.skip("allowed: every test here runs as an unprivileged user")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("allowed: no setpriv to become another user with")
    nobody = pwd.getpwnam("nobody")
    prefix = [setpriv, "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid)]
    # The interpreter may lie in root's home.
    prefix += ["--clear-groups", "--inh-caps", READ_ANYTHING, "--ambient-caps", READ_ANYTHING]
    tried = subprocess.run(
        [*prefix, sys.executable, "-c", ""], check=False, capture_output=True, text=True
    )
    if tried.returncode != 0:
        pytest.skip(f"allowed: nobody cannot run Python here: {tried.stderr.strip()}")
    return prefix, nobody


def test_demo_works_as_an_unprivileged_user(server_ground: Path) -> None:
    prefix, nobody = unprivileged()
    folder = server_ground / "nobody"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    body = Running(folder, "demo", "--json", prefix=prefix).end().body()
    check_summary(body)
    check_folder(folder, body)
    owners = {path.lstat().st_uid for path in folder.rglob("*")}
    assert owners == {nobody.pw_uid}
    assert left_in(folder) == []


def test_demo_over_real_bars(server_ground: Path) -> None:
    data = lean()
    folder = server_ground / "real"
    folder.mkdir()
    body = run(folder, "demo", "--data", data, "--json").body()
    check_summary(body)
    check_folder(folder, body)
    assert (body["simulated"], body["label"], body["symbols"]) == (False, data, 10)
    assert (body["first"], body["last"]) == ("1999-01-05", "2021-03-31")
    assert body["sessions"] > 5500
    assert left_in(folder) == []


def test_a_bad_folder_is_told_before_anything_is_started(tmp_path: Path) -> None:
    assert "nowhere: is not a folder" in run(tmp_path, "demo", "--data", "nowhere").complaint()
    assert list(tmp_path.iterdir()) == []
