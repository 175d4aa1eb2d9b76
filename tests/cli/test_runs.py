"""`tradewright runs` and `tradewright report` over runs that a user kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Inside

SHORT = ("backtest", "--json", "--from", "2016-11-01")


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def test_runs_that_were_kept_are_listed_shown_and_reported(inside: Inside) -> None:
    body = inside.run(*SHORT).body()
    listed = inside.run("runs", "list", "--json").body()["runs"]
    assert [one["id"] for one in listed] == [body["id"]]
    assert body["id"] in inside.run("runs", "list").out
    assert inside.run("runs", "show", "--json").body() == body
    shown = inside.run("runs", "show", body["id"])
    assert f"{body['id']}/report.html" in shown.out
    report = inside.run("report", "show", "latest")
    assert (report.code, "## Round trips" in report.out) == (0, True)
    both = inside.run("report", "show", "--json").body()
    assert both["summary"] == body
    assert both["statistics"]["benchmark"]["name"] == "equal weight"


def test_two_runs_are_compared_and_the_exit_code_says_if_they_differ(inside: Inside) -> None:
    left = inside.run(*SHORT).body()["id"]
    again = inside.run(*SHORT, "--set", "top=5").body()["id"]
    told = inside.run("report", "compare", left, again)
    assert told.code == 1
    assert "spec.parameters.top" in told.out
    folder = inside.folder / "runs" / "compared" / f"{left}~{again}"
    assert {path.name for path in folder.iterdir()} == {
        *("compare.html", "compare.md", "compare.json"),
    }
    known = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    assert known["returns"]["days"]
    same = inside.run("report", "compare", left, left, "--json", "--output", "here").body()
    assert same["returns"]["days"] == []
    assert (inside.folder / "here" / "compare.html").is_file()
    assert len(inside.run("runs", "list", "--json").body()["runs"]) == 2


@pytest.mark.parametrize("command", [("runs", "show"), ("report", "show", "2019")])
def test_run_that_is_not_there_is_one_line(inside: Inside, command: tuple[str, ...]) -> None:
    assert "RUN" in inside.run(*command).complaint()


def test_no_runs_are_an_empty_list(inside: Inside) -> None:
    assert inside.run("runs", "list", "--json").body() == {"runs": []}
