"""`tradewright strategy`: the list, and a strategy of one's own from the first file to a run."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.cli.commands import Inside, run
from tradewright.strategies.registry import MADE_OF, STRATEGIES, parameters_of


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def test_the_list_names_every_strategy_its_rule_and_its_parameters(inside: Inside) -> None:
    listed = {
        one.pop("name"): one
        for one in inside.run("strategy", "list", "--json").body()["strategies"]
    }
    assert set(listed) == set(STRATEGIES)
    for name, told in listed.items():
        assert told["rule"].endswith(".")
        assert set(told["parameters"]) == {*MADE_OF.get(name, ()), *parameters_of(STRATEGIES[name])}
    assert listed["momentum"]["parameters"]["top"] == "3"
    assert listed["ensemble"]["parameters"]["members"] == "momentum,sma-cross"
    table = inside.run("strategy", "list")
    assert (table.code, table.err) == (0, "")
    assert all(name in table.out for name in STRATEGIES)


def test_a_new_strategy_runs_at_once_and_passes_its_test_and_our_rules(tmp_path: Path) -> None:
    told = run(tmp_path, "strategy", "new", "my-idea")
    assert (told.code, told.err) == (0, "")
    assert "run it: tradewright backtest --strategy ./my_idea.py:MyIdea" in told.out
    names = ("my_idea.py", "test_my_idea.py")
    assert sorted(path.name for path in tmp_path.iterdir()) == list(names)

    body = run(
        tmp_path,
        *("backtest", "--strategy", "./my_idea.py:MyIdea", "--set", "window=30", "--json"),
    ).body()
    assert body["strategy"] == "./my_idea.py:MyIdea"
    assert body["fills"] > 50

    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", names[1]]
    ran = subprocess.run(tests, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "2 passed" in ran.stdout
    config = str(ROOT / "pyproject.toml")
    for words in (["check", "--ignore", "S101,INP001"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--config", config, *names]
        found = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout


def test_a_run_keeps_the_text_of_its_strategy_and_tells_when_the_file_has_changed(
    inside: Inside,
) -> None:
    inside.run("strategy", "new", "mine")
    path = inside.folder / "mine.py"
    text = path.read_bytes()
    asked = ("backtest", "--from", "2016-11-01", "--json", "--strategy")
    first = inside.run(*asked, "./mine.py:Mine").body()["id"]
    kept = inside.folder / "runs" / first / "strategy.py"
    assert kept.read_bytes() == text
    spec = json.loads((kept.parent / "spec.json").read_text(encoding="utf-8"))
    sha256 = hashlib.sha256(text).hexdigest()
    own = {"path": str(path), "sha256": sha256, "kept": str(kept), "since": "same"}
    assert spec["spec"]["strategy_sha256"] == sha256
    assert inside.run("runs", "show", "--json").body()["strategy_file"] == own
    shown = inside.run("runs", "show").out
    assert f"strategy: {path}, kept as it was run: {kept}" in shown
    assert "mind:" not in shown

    path.write_bytes(text.replace(b"window: int = 50", b"window: int = 20"))
    changed = f"mind: {path} has changed since this run; what was run is --strategy {kept}:Mine"
    assert changed in inside.run("runs", "show").out
    assert changed in inside.run("report", "show").out
    own["since"] = "changed"
    assert inside.run("report", "show", "--json").body()["strategy_file"] == own
    second = inside.run(*asked, "./mine.py:Mine").body()["id"]
    assert "spec.strategy_sha256" in inside.run("report", "compare", first, second).out
    again = inside.run(*asked, f"{kept}:Mine").body()["id"]
    assert inside.run("report", "compare", first, again).code == 0

    path.unlink()
    assert f"mind: {path} is no longer there" in inside.run("runs", "show", first).out
    inside.run("backtest", "--from", "2016-12-20", "--json")
    assert "strategy_file" not in inside.run("runs", "show", "--json").body()


def test_what_is_there_is_not_written_over(inside: Inside) -> None:
    (inside.folder / "test_mine.py").write_text("kept", encoding="utf-8")
    assert "is there already" in inside.run("strategy", "new", "mine").complaint()
    assert [path.name for path in inside.folder.iterdir()] == ["test_mine.py"]


@pytest.mark.parametrize("name", ["My-Idea", "1st", "a_b", "a-", "../a"])
def test_a_name_that_makes_no_file_is_refused(inside: Inside, name: str) -> None:
    assert (
        "is not small letters, digits and hyphens"
        in inside.run("strategy", "new", name).complaint()
    )


def test_a_folder_that_is_none_is_refused(inside: Inside) -> None:
    assert "is not a folder" in inside.run("strategy", "new", "a", "--folder", "none").complaint()


def test_a_fault_in_a_strategy_s_file_is_told_with_its_line(inside: Inside) -> None:
    (inside.folder / "mine.py").write_text("x = 1\ny = x / 0\n", encoding="utf-8")
    said = inside.run("backtest", "--strategy", "./mine.py").complaint()
    assert "'mine.py' line 2: ZeroDivisionError" in said
