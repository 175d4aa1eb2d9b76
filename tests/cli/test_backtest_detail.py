"""`tradewright backtest --detail minute` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Inside, lean, runs_in

WEEK = ("--from", "2013-10-07", "--to", "2013-10-11")
MOMENTUM = ("--set", "top=1", "--set", "rebalance=week")


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def asked(*more: str, symbols: str = "SPY,IBM,BAC") -> tuple[str, ...]:
    return ("backtest", "--data", lean(), "--symbols", symbols, *MOMENTUM, "--detail", "minute") + (
        more or WEEK
    )


def test_a_week_of_minutes_is_a_run_that_says_so(inside: Inside) -> None:
    body = inside.run(*asked(), "--json").body()
    assert (body["detail"], body["detail_findings"], body["sessions"]) == ("minute", 4, 5)
    assert body["fills"] >= 1
    folder = inside.folder / "runs" / body["id"]
    assert json.loads((folder / "spec.json").read_text())["spec"]["detail"] == "minute"
    assert len((folder / "findings.csv").read_text().splitlines()) == 5
    again = inside.run("runs", "show", body["id"], "--json").body()
    assert again["detail"] == "minute"
    shown = inside.run("runs", "show", body["id"]).out
    assert "detail findings" in shown
    assert "fills on minute bars" in inside.run("report", "show", body["id"]).out


def test_people_are_told_where_days_and_minutes_disagree(inside: Inside) -> None:
    told = inside.run(*asked(symbols="IBM,SPY"))
    assert told.code == 0
    assert "IBM at 2013-10-08T13:30:00Z detail_high: the high of its finer bars" in " ".join(
        told.err.split()
    )
    assert "and 3 more like it; findings.csv" in " ".join(told.err.split())


def test_daily_runs_know_nothing_of_it(inside: Inside) -> None:
    body = inside.run("backtest", "--from", "2016-11-01", "--json").body()
    assert "detail" not in body
    folder = inside.folder / "runs" / body["id"]
    assert not (folder / "findings.csv").exists()
    assert json.loads((folder / "spec.json").read_text())["spec"]["detail"] is None


def test_missing_minutes_are_refused_before_anything_runs(inside: Inside) -> None:
    late = ("--from", "2013-10-09", "--to", "2013-10-15")
    line = inside.run(*asked(*late)).complaint()
    assert "minute bars in" in line
    assert "SPY has none on 2 days that it trades: 2013-10-14..2013-10-15" in line
    assert "give --from 2013-10-09 --to 2013-10-11" in line
    assert not runs_in(inside.folder)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--detail", "hour"), "--detail: 'hour' is not known; choose one of: minute"),
        (("--detail", "minute"), "simulated sample market: has no minute bars that add up"),
        (("--detail", "minute", "--set", "engine=arrays"), "simulated sample market"),
    ],
)
def test_what_cannot_be_filled_on_minutes_is_refused(
    inside: Inside, arguments: tuple[str, ...], told: str
) -> None:
    assert told in inside.run("backtest", *arguments).complaint()
    assert not runs_in(inside.folder)


def test_the_compiled_path_refuses_it(inside: Inside) -> None:
    told = inside.run(*asked(), "--set", "engine=arrays")
    assert told.code == 2
    last = told.err.splitlines()[-1]
    assert "cannot run this equally: its orders fill on minute bars; use events" in last
    assert not runs_in(inside.folder)
