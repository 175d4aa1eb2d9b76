"""`tradewright search` as a user runs it, kills it and goes on with it."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Inside, Running, Watch, family, interrupt, left_in, run, watched
from tests.contracts.dask_cluster import dask_cluster
from tradewright.adapters.embedded.process import wait_until
from tradewright.backtest.search.trials import read_trials

CROSS = ("--strategy", "sma-cross", "--param", "fast=5:20:5", "--param", "slow=20,40")
SHORT = ("--from", "2016-06-01", "--symbols", "SIM01 SIM02")
LATE = ("--from", "2012-06-01", "--symbols", "SIM01 SIM02")
RULE = ("--where", "fast < slow")
SLOW = (
    *("search", "run", "--strategy", "sma-cross", "--set", "engine=events", "--workers", "2"),
    *("--param", "fast=2:17:1", "--param", "slow=20,30,40", "--json"),
)


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def folder_of(root: Path) -> Path:
    (found,) = (root / "runs" / "searches").iterdir()
    return found


def written(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "trials.jsonl").read_bytes(), (folder / "returns.f64").read_bytes()


def lines(root: Path) -> int:
    found = list((root / "runs").glob("searches/*/trials.jsonl"))
    return found[0].read_bytes().count(b"\n") if found else 0


def test_a_search_is_run_listed_shown_and_its_best_is_run_again(inside: Inside) -> None:
    body = inside.run("search", "run", "--json", *CROSS, *SHORT, *RULE).body()
    assert (body["state"], body["trials"], body["counts"]) == ("all", 7, {"done": 7})
    assert body["objectives"] == ["sharpe"]
    folder = folder_of(inside.folder)
    assert (folder.name, body["folder"]) == (body["id"], f"runs/searches/{body['id']}")
    kept = read_trials(folder)
    best = max(kept.trials, key=lambda trial: trial.objective or -9.0)
    assert body["best"]["number"] == best.number
    assert kept.returns.shape == (body["sessions"], 7)
    (listed,) = inside.run("search", "list", "--json").body()["searches"]
    shown = inside.run("search", "show", "--json").body()
    assert shown.pop("page") == f"{body['folder']}/search.html"
    assert shown == listed == body
    assert "7 sets were tried" in (folder / "search.html").read_text(encoding="utf-8")
    (told,) = inside.run("search", "best", body["id"][:9], "--json").body()["best"]
    again = inside.run(*shlex.split(told["command"])[1:], "--json").body()
    assert again["sharpe"] == pytest.approx(body["best"]["values"][0], rel=1e-9)
    assert again["fills"] == body["best"]["measures"]["fills"]
    # Searches lie beside runs and are none of them.
    assert len(inside.run("runs", "list", "--json").body()["runs"]) == 1


def test_people_get_tables_and_the_command(inside: Inside) -> None:
    told = inside.run("search", "run", *CROSS, *SHORT)
    assert told.code == 0
    assert "8 trials: all sets tried; 7 compared" in told.out
    assert "that the best Sharpe ratio is no luck" in told.out
    assert "✓ Search grid" in told.err
    assert "sma-cross" in inside.run("search", "list").out
    best = inside.run("search", "best").out
    assert "tradewright backtest --strategy sma-cross --symbols 'SIM01 SIM02'" in best
    assert "picture: runs/searches/" in inside.run("search", "show").out


def test_costs_and_other_options_reach_the_run_and_its_command(inside: Inside) -> None:
    options = ("--costs", "pessimistic", "--capital", "50000", "--set", "invested=0.5")
    body = inside.run("search", "run", "--json", *CROSS, *SHORT, *options).body()
    (told,) = inside.run("search", "best", "--json").body()["best"]
    for word in ("--costs pessimistic", "--capital 50000", "--set invested=0.5"):
        assert word in told["command"]
    again = inside.run(*shlex.split(told["command"])[1:], "--json").body()
    assert again["sharpe"] == pytest.approx(body["best"]["values"][0], rel=1e-9)
    assert again["capital"] == "50000"


@pytest.mark.parametrize("sampler", ["random", "bayesian", "genetic"])
def test_samplers_with_continua_several_objectives_and_enough(inside: Inside, sampler: str) -> None:
    options = [*SHORT, "--strategy", "sma-cross", "--param", "fast=int:2:15"]
    options += ["--param", "slow=logint:16:80", "--param", "band=log:0.000001:0.1"]
    options += ["--sampler", sampler, "--trials", "20", "--batch", "8", "--seed", "7"]
    options += ["--objective", "sharpe", "--objective", "max_drawdown", "--min-trades", "2"]
    body = inside.run("search", "run", "--json", *options).body()
    assert (body["state"], body["trials"], body["seed"]) == ("trials", 20, 7)
    front = body["front"]
    assert [one["values"][0] for one in front] == sorted(
        (one["values"][0] for one in front), reverse=True
    )
    more = inside.run("search", "resume", "--json", "--trials", "30").body()
    assert more["trials"] == 30


def test_killed_in_the_middle_and_resumed_is_as_never_killed(tmp_path: Path) -> None:
    watched()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    one_worker = tuple("1" if word == "2" else word for word in SLOW)
    expected = run(whole, *one_worker).body()
    assert expected["trials"] == 48
    command = Running(cut, *SLOW)
    assert wait_until(lambda: lines(cut) > 4, 120)
    there = Watch(family(command.pid))
    command.signal(signal.SIGKILL)
    assert command.end().code == -signal.SIGKILL
    assert there.left(30) == []
    assert 4 < lines(cut) < 48
    assert run(cut, "search", "list", "--json").body()["searches"][0]["state"] == "stopped"
    resumed = run(cut, "search", "resume", "--json").body()
    for body in (expected, resumed):
        del body["id"], body["folder"]
    assert resumed == expected
    assert written(folder_of(cut)) == written(folder_of(whole))
    assert wait_until(lambda: not left_in(cut), 30)


def test_a_worker_that_is_killed_is_told_and_costs_nothing(tmp_path: Path) -> None:
    watched()
    search = tuple(word for word in SLOW if word != "--json")
    command = Running(tmp_path, *search)
    assert wait_until(lambda: lines(tmp_path) > 2, 120)
    workers = [pid for pid in family(command.pid) if "spawn_main" in words_of(pid)]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    told = command.end()
    assert (told.code, lines(tmp_path)) == (0, 48)
    assert "! a worker ended by SIGKILL at piece" in told.err
    states = [trial.state.value for trial in read_trials(folder_of(tmp_path)).trials]
    assert states == ["done"] * 48


def words_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_a_dask_cluster_gives_the_same_files(tmp_path: Path) -> None:
    here, there, home = (tmp_path / name for name in ("here", "there", "home"))
    for folder in (here, there, home):
        folder.mkdir()
    search = ("search", "run", "--json", *CROSS, *SHORT, "--set", "engine=events")
    expected = run(here, *search, "--workers", "1").body()
    with dask_cluster(home) as address:
        found = run(there, *search, "--scheduler", address).body()
    assert found["counts"] == expected["counts"] == {"done": 7, "refused": 1}
    assert written(folder_of(there)) == written(folder_of(here))


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    watched()
    command = Running(tmp_path, *(word for word in SLOW if word != "--json"))
    assert wait_until(lambda: lines(tmp_path) > 1, 120)
    told = interrupt(command, group=True)
    assert told.code == 130
    name = folder_of(tmp_path).name
    assert f"go on with: tradewright search resume {name}" in told.err
    assert "Traceback" not in told.err
    assert wait_until(lambda: not left_in(tmp_path), 30)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--param", "fast=50:5:5"], "--param fast: '50:5:5' does not rise; give the lower end"),
        (["--param", "fast=5"], "--param fast: '5' is one value"),
        ([], "--param: '' is missing: nothing would be searched"),
        (["--param", "fastt=5,6"], "sma-cross parameter: 'fastt' is not known"),
        (["--param", "fast=50,60"], "fast: 50 must lie in [1, 30)"),
        ([*CROSS[2:], "--where", "fast <"], "--where: 'fast <' cannot be read"),
        ([*CROSS[2:], "--where", "speed > 1"], "names speed, which is no parameter here"),
        ([*CROSS[2:], "--sampler", "luck"], "--sampler: 'luck' is not known"),
        ([*CROSS[2:], "--objective", "luck"], "--objective: 'luck' is not known"),
        ([*CROSS[2:], "--trials", "0"], "--trials: 0 is below 1"),
        ([*CROSS[2:], "--workers", "0"], "--workers: 0 is below 1"),
        ([*CROSS[2:], "--max-seconds", "0"], "--max-seconds: 0.0 is not positive"),
        (
            [*CROSS[2:], "--workers", "2", "--scheduler", "tcp://x:1"],
            "does not go with --scheduler",
        ),
        ([*CROSS[2:], "--set", "fast=3"], "fast: '3' is fixed by --set and searched"),
        ([*CROSS[2:], "--set", "engine=fast"], "engine: 'fast' is not known"),
        (["--param", "band=log:0.1:1"], "has no steps, so it makes no grid; write --param band="),
    ],
)
def test_what_cannot_be_searched_is_refused_and_leaves_nothing(
    inside: Inside, options: list[str], said: str
) -> None:
    told = inside.run("search", "run", "--json", "--strategy", "sma-cross", *options)
    assert said in told.complaint()
    assert not (inside.folder / "runs").exists()


@pytest.mark.parametrize("command", ["show", "best", "resume"])
def test_a_search_that_is_not_there_is_refused(inside: Inside, command: str) -> None:
    assert "no search is kept in runs/searches" in inside.run("search", command).complaint()
    assert inside.run("search", "list", "--json").body() == {"searches": []}


def test_a_search_without_a_set_that_counts_fails(inside: Inside) -> None:
    told = inside.run("search", "run", "--json", *CROSS, *SHORT, "--min-trades", "99999")
    assert told.code == 1
    assert json.loads(told.out)["best"] is None
    complaint = inside.run("search", "best").complaint()
    assert "has no trial that can be compared" in complaint


OWN = """
from dataclasses import dataclass, field

from tradewright import MarketView, Needs, StrategyId, Target


@dataclass(frozen=True)
class Own:
    part: float = 0.5
    id: StrategyId = field(default=StrategyId("own"))

    @property
    def needs(self) -> Needs:
        return Needs()

    def decide(self, view: MarketView) -> list[Target]:
        return [Target(self.id, name, view.at, self.part / 10) for name in view.universe]
"""


def test_a_strategy_of_ones_own_is_searched_in_processes_and_held_to_its_text(
    inside: Inside,
) -> None:
    path = inside.folder / "own.py"
    path.write_text(OWN)
    options = ["--strategy", "own.py", "--param", "part=0.1:0.9:0.4", "--workers", "2"]
    body = inside.run("search", "run", "--json", *options, "--from", "2016-11-01").body()
    assert (body["trials"], body["counts"]) == (3, {"done": 3})
    path.write_text(OWN.replace("/ 10", "/ 20"))
    complaint = inside.run("search", "resume", "--json").complaint()
    assert "strategy_sha256 of search" in complaint


def test_a_search_over_other_data_is_not_gone_on_with(inside: Inside) -> None:
    data = inside.folder / "data"
    assert inside.run("data", "sample", "--to", str(data)).code == 0
    options: list[Any] = ["--data", str(data), *CROSS, *LATE]
    assert inside.run("search", "run", "--json", *options).code == 0
    assert inside.run("data", "sample", "--to", str(data), "--seed", "9").code == 0
    assert "data of search" in inside.run("search", "resume", "--json").complaint()
