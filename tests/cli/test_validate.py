"""`tradewright validate` as a user runs it: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Inside

SHORT = ("--from", "2016-06-01", "--to", "2016-12-21")
CROSS = ("--strategy", "sma-cross", "--param", "fast=5,10,15", "--param", "slow=20,40")
LEAKY = """
import numpy as np
from dataclasses import dataclass, field
from tradewright import MarketView, Needs, StrategyId, Target
from tradewright.features.feature import Feature, Unit


def tomorrow(columns):
    close = columns["close"]
    moved = np.full(close.shape, np.nan)
    moved[:-1] = close[1:] / close[:-1] - 1
    return moved


@dataclass(frozen=True)
class Leaky:
    id: StrategyId = field(default=StrategyId("leaky"))

    @property
    def needs(self):
        return Needs(features=(Feature("tomorrow", ("close",), 1, Unit.NUMBER, tomorrow),))

    def decide(self, view: MarketView):
        rises = view.feature("tomorrow") > 0
        return [
            Target(self.id, name, view.at, 0.09 if rises[i] else 0.0, "tomorrow")
            for i, name in enumerate(view.universe)
        ]
"""


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def written(inside: Inside, kind: str, body: dict[str, Any]) -> None:
    """The page and the JSON are where the answer says, and hold what it says."""
    page = inside.folder / body["page"]
    assert page.name == f"{kind}.html"
    text = page.read_text(encoding="utf-8")
    assert "SIMULATED DATA" in text
    assert 'data-figure="figure-0"' in text or kind in {"lookahead", "overfitting"}
    kept = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert kept == {key: value for key, value in body.items() if key != "page"}
    assert kept["validation"] == kind
    assert kept["verdict"]


def test_a_strategy_that_ships_is_clean(inside: Inside) -> None:
    body = inside.run("validate", "lookahead", *SHORT, "--cuts", "2", "--json").body()
    assert body["clean"] is True
    assert body["leaks"] == []
    assert body["engines"] == ["events", "arrays"]
    assert len(body["cuts"]) == 2
    written(inside, "lookahead", body)


def test_a_leak_of_ones_own_is_the_exit_code_one(inside: Inside) -> None:
    (inside.folder / "leaky.py").write_text(LEAKY, encoding="utf-8")
    command = ("validate", "lookahead", "--strategy", "./leaky.py", *SHORT, "--cuts", "2")
    told = inside.run(*command, "--json")
    assert told.code == 1
    body = json.loads(told.out)
    assert body["clean"] is False
    assert {"feature", "target", "order"} <= {leak["kind"] for leak in body["leaks"]}
    assert {leak["subject"] for leak in body["leaks"] if leak["kind"] == "feature"} == {"tomorrow"}
    written(inside, "lookahead", body)
    shown = inside.run(*command)
    assert shown.code == 1
    assert "looks ahead" in shown.out
    assert "leaky.py: feature tomorrow of SIM" in shown.out


@pytest.mark.parametrize("scheme", ["rolled", "anchored"])
def test_a_walk_forward_keeps_each_test(inside: Inside, scheme: str) -> None:
    windows = ("--scheme", scheme, "--train", "60", "--test", "40")
    body = inside.run("validate", "walk-forward", *CROSS, *SHORT, *windows, "--json").body()
    assert body["sets"] == 6
    assert body["sessions"] == 83
    assert [len(fold["tested_on"]) for fold in body["folds"]] == [2, 2, 2]
    assert set(body["folds"][0]["chosen"]) == {"fast", "slow"}
    written(inside, "walk-forward", body)


def test_a_combinatorial_walk_has_its_paths(inside: Inside) -> None:
    groups = ("--scheme", "combinatorial", "--groups", "6", "--holding", "2")
    body = inside.run("validate", "walk-forward", *CROSS, *SHORT, *groups, "--json").body()
    assert (body["splits"], body["paths"], len(body["sharpes"])) == (15, 5, 5)
    written(inside, "walk-forward", body)


def test_a_grid_is_doubted(inside: Inside) -> None:
    command = ("validate", "overfitting", *CROSS, *SHORT, "--where", "fast < slow")
    body = inside.run(*command, "--blocks", "8", "--json").body()
    assert (body["trials"], body["splits"]) == (6, 70)
    assert 0 <= body["probability"] <= 1
    assert body["deflated_sharpe"] <= body["probabilistic_sharpe"]
    written(inside, "overfitting", body)
    fewer = inside.run(*command, "--blocks", "8", "--trials", "2", "--json").body()
    assert fewer["deflated_sharpe"] > body["deflated_sharpe"]


def test_a_search_is_doubted(inside: Inside) -> None:
    found = inside.run("search", "run", *CROSS, *SHORT, "--workers", "1", "--json")
    assert found.code == 0, found.err
    command = ("validate", "overfitting", "--search", "latest", "--blocks", "6", "--json")
    body = inside.run(*command).body()
    assert (body["trials"], body["splits"]) == (6, 20)
    assert body["strategy"] == "sma-cross"
    written(inside, "overfitting", body)


def test_a_kept_run_is_looked_at_without_running_it_again(inside: Inside) -> None:
    run = inside.run("backtest", "--json", "--strategy", "sma-cross", *SHORT).body()
    doubted = inside.run("validate", "overfitting", "--run", "latest", "--json").body()
    assert doubted["trials"] == 1
    assert doubted["sharpe"] == pytest.approx(run["sharpe"])
    assert doubted["sessions"] == run["sessions"]
    drawn = inside.run("validate", "monte-carlo", "--run", run["id"], "--paths", "50", "--json")
    assert drawn.body()["draws"]["sessions"]["paths"] == 50
    split = inside.run("validate", "regimes", "--run", "latest", "--json").body()
    assert sum(row["sessions"] for row in split["regimes"]) == run["sessions"]
    carried = inside.run("validate", "capacity", "--run", "latest", "--edge", "return", "--json")
    assert carried.body()["edge_is"] == "return"
    for kind in ("monte-carlo", "regimes", "capacity"):
        (page,) = (inside.folder / "runs" / "validated").glob(f"*-{kind}-*/{kind}.html")
        assert run["id"] in page.read_text(encoding="utf-8")
    # What was looked at is not among the runs.
    assert [one["id"] for one in inside.run("runs", "list", "--json").body()["runs"]] == [run["id"]]


def test_paths_are_the_same_for_the_same_seed(inside: Inside) -> None:
    command = ("validate", "monte-carlo", "--strategy", "sma-cross", *SHORT, "--paths", "60")
    one, again, other = (
        inside.run(*command, "--seed", seed, "--output", f"p{i}", "--json").body()["draws"]
        for i, seed in enumerate(("3", "3", "4"))
    )
    assert one == again != other
    assert set(one) == {"shuffle", "trades", "sessions"}
    assert sorted(path.name for path in (inside.folder / "p0").iterdir()) == [
        "monte-carlo.html",
        "monte-carlo.json",
    ]


def test_sensitivity_varies_each_number_or_what_is_named(inside: Inside) -> None:
    command = ("validate", "sensitivity", "--strategy", "sma-cross", *SHORT, "--json")
    body = inside.run(*command).body()
    assert body["own"] == {"fast": "10", "slow": "30", "invested": "0.98", "band": "1e-06"}
    assert len(body["sets"]) > 15
    written(inside, "sensitivity", body)
    grid = inside.run(*command, "--param", "fast=5,10,15", "--param", "slow=20,30").body()
    assert len(grid["sets"]) == 6
    assert grid["own"] == {"fast": "10", "slow": "30"}
    assert "fast and slow" in (inside.folder / grid["page"]).read_text(encoding="utf-8")


def test_regimes_and_capacity_of_a_new_run(inside: Inside) -> None:
    split = inside.run("validate", "regimes", "--strategy", "sma-cross", *SHORT, "--json").body()
    assert split["benchmark"] == "equal weight"
    written(inside, "regimes", split)
    costs = ("--set", "slippage=square-root", "--edge", "return")
    command = ("validate", "capacity", "--strategy", "sma-cross", *SHORT, *costs, "--json")
    carried = inside.run(*command).body()
    assert carried["size_cost"] > 0
    assert carried["noticed_at"] > 100_000
    written(inside, "capacity", carried)


def test_what_is_shown_is_a_table_a_verdict_and_a_place(inside: Inside) -> None:
    told = inside.run("validate", "regimes", "--strategy", "sma-cross", *SHORT)
    assert told.code == 0
    assert "Regimes: sma-cross" in told.out
    assert "It earned most" in told.out
    assert "picture: " in told.out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("walk-forward",), "--param"),
        (("walk-forward", *CROSS, "--scheme", "sideways"), "--scheme: 'sideways'"),
        (("walk-forward", *CROSS, "--objective", "luck"), "luck"),
        (("walk-forward", *CROSS, *SHORT, "--train", "400"), "train: 400"),
        (("walk-forward", *CROSS, "--set", "fast=5"), "is fixed by --set and varied by --param"),
        (("walk-forward", *CROSS, "--where", "fast > slow"), "leaves no set"),
        (("overfitting", "--search", "latest"), "SEARCH"),
        (("overfitting", "--run", "latest"), "RUN"),
        (("overfitting", *CROSS, *SHORT, "--blocks", "7"), "blocks: 7"),
        (("monte-carlo", *SHORT, "--block", "0.5"), "block: 0.5"),
        (("capacity", *SHORT, "--edge", "beta"), "--edge: 'beta'"),
        (("lookahead", "--strategy", "mommentum"), "strategy: 'mommentum'"),
    ],
)
def test_what_cannot_be_is_one_line(inside: Inside, command: tuple[str, ...], words: str) -> None:
    told = inside.run("validate", *command)
    assert told.code == 2
    assert words in told.err.splitlines()[-1]
    assert not (inside.folder / "runs" / "validated").exists()
