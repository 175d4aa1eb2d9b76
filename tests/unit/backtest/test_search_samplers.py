"""Each sampler finds the best of a known surface, the same by the same seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.unit.backtest.surfaces import (
    AT,
    FREE,
    GRID,
    Measured,
    a_search,
    answering,
    begun,
    hill,
    searched,
    valley,
    written,
)
from tradewright.backtest.search.evaluation import Outcome
from tradewright.backtest.search.objective import Objectives, fronts
from tradewright.backtest.search.plan import SAMPLERS
from tradewright.backtest.search.search import Search, Why
from tradewright.backtest.search.space import Set
from tradewright.backtest.search.trials import State, read_trials
from tradewright.core.clock import ManualClock
from tradewright.core.errors import ConfigError, InvalidInput, UnknownName

LEARNS = ("bayesian", "genetic")


def test_a_grid_tries_all_and_finds_the_top(tmp_path: Path) -> None:
    ended = searched(a_search(GRID), tmp_path / "s", at_once=100)
    assert (ended.why, len(ended.trials)) == (Why.ALL, 40 * 36)
    assert ended.best[0].parameters == {"fast": "12", "slow": "42"}


@pytest.mark.parametrize(
    ("sampler", "trials"), [("random", 400), ("bayesian", 120), ("genetic", 200)]
)
@pytest.mark.parametrize(("texts", "surface"), [(GRID, hill), (FREE, valley)])
def test_a_sampler_comes_near_the_top(
    sampler: str, trials: int, texts: Sequence[str], surface: Measured, tmp_path: Path
) -> None:
    spec = a_search(texts, sampler, trials=trials)
    ended = searched(spec, tmp_path / "s", surface)
    assert (ended.why, len(ended.trials)) == (Why.TRIALS, trials)
    value = ended.best[0].objective
    assert value is not None
    assert value > (-0.25 if sampler == "random" else -0.08)
    sets = {tuple(trial.parameters.values()) for trial in ended.trials}
    assert len(sets) == trials


@pytest.mark.parametrize("sampler", LEARNS)
def test_what_learns_does_better_than_chance(sampler: str, tmp_path: Path) -> None:
    def mean_of_last(name: str) -> float:
        spec = a_search(FREE, name, trials=96, seed=5)
        ended = searched(spec, tmp_path / name, valley)
        return float(np.mean([trial.objective for trial in ended.trials[-32:]]))

    assert mean_of_last(sampler) > mean_of_last("random") / 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_rules_are_kept_and_a_small_space_is_used_up(sampler: str, tmp_path: Path) -> None:
    spec = a_search(("fast=1:5:1", "slow=2:6:1"), sampler, ("fast < slow",), batch=4)
    ended = searched(spec, tmp_path / "s", hill)
    assert (ended.why, len(ended.trials)) == (Why.ALL, 15)
    assert all(int(t.parameters["fast"]) < int(t.parameters["slow"]) for t in ended.trials)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_rule_that_leaves_little_is_no_obstacle(sampler: str, tmp_path: Path) -> None:
    texts = ("fast=1:40:1", "slow=1:40:1")
    spec = a_search(texts, sampler, ("slow == fast + 1", "fast % 2 == 0"), trials=15)
    assert len(searched(spec, tmp_path / "s", hill).trials) == 15


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_decides_and_nothing_else(sampler: str, tmp_path: Path) -> None:
    texts = GRID if sampler == "grid" else FREE
    surface = hill if sampler == "grid" else valley
    spec = a_search(texts, sampler, trials=60, seed=3)
    for name, at_once in (("one", 1), ("two", 7)):
        searched(spec, tmp_path / name, surface, at_once=at_once)
    assert written(tmp_path / "one") == written(tmp_path / "two")
    searched(replace(spec, seed=4), tmp_path / "other", surface)
    assert (written(tmp_path / "other") == written(tmp_path / "one")) is (sampler == "grid")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("lines", [0, 23])
def test_a_search_cut_anywhere_ends_as_if_it_had_not_been(
    sampler: str, lines: int, tmp_path: Path
) -> None:
    texts, surface = (GRID, hill) if sampler == "grid" else (FREE, valley)
    spec = a_search(texts, sampler, trials=40, seed=1, patience=30)
    searched(spec, tmp_path / "whole", surface)
    searched(spec, tmp_path / "cut", surface)
    folder = tmp_path / "cut"
    content = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    # Killed while it wrote: a line without its end, and returns that no line tells of.
    torn = b"".join(content[:lines]) + b"".join(content[lines:])[:50]
    (folder / "trials.jsonl").write_bytes(torn)
    ended = searched(spec, folder, surface)
    assert written(folder) == written(tmp_path / "whole")
    assert [t.body() for t in ended.trials] == [
        t.body() for t in read_trials(tmp_path / "whole").trials
    ]


@pytest.mark.parametrize("sampler", ["random", *LEARNS])
def test_more_trials_go_on_where_fewer_ended(sampler: str, tmp_path: Path) -> None:
    spec = a_search(FREE, sampler, trials=25)
    searched(spec, tmp_path / "s", valley)
    more = replace(spec, trials=50)
    searched(more, tmp_path / "s", valley)
    searched(more, tmp_path / "once", valley)
    assert written(tmp_path / "s") == written(tmp_path / "once")


def test_patience_ends_a_search_at_the_same_trial(tmp_path: Path) -> None:
    spec = a_search(("fast=1:40:1", "slow=42,44"), patience=5)
    for name, at_once in (("one", 1), ("many", 50)):
        ended = searched(spec, tmp_path / name, at_once=at_once)
        # The best is fast 12, slow 42, the 23rd.
        assert (ended.why, len(ended.trials)) == (Why.PATIENCE, 28)
    assert written(tmp_path / "one") == written(tmp_path / "many")


def test_time_ends_a_search_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    spec = a_search(GRID, trials=50)
    clock = ManualClock(AT)
    budget = Search(
        spec, begun(tmp_path / "s"), clock, at_once=5, max_seconds=10, progress=_ticks(clock)
    )
    ended = budget.run(answering(hill))
    assert (ended.why, len(ended.trials)) == (Why.TIME, 15)
    assert searched(spec, tmp_path / "s").why is Why.TRIALS
    searched(spec, tmp_path / "once")
    assert written(tmp_path / "s") == written(tmp_path / "once")


def _ticks(clock: ManualClock) -> Callable[..., None]:
    def tick(_done: int, _best: object) -> None:
        clock.set(datetime.fromtimestamp(clock.monotonic() + 3, tz=UTC))

    return tick


def test_sets_that_do_not_count_are_kept_with_the_reason_and_never_best(tmp_path: Path) -> None:
    def surface(chosen: Set) -> float | Mapping[str, float | None] | Outcome:
        fast = int(chosen["fast"])
        if fast == 1:
            return Outcome(State.REFUSED, reason="fast: 1 is too quick")
        if fast == 2:
            return Outcome(State.FAILED, reason="ZeroDivisionError: by zero")
        return {"sharpe": None if fast == 3 else float(-fast), "fills": 0.0 if fast == 4 else 9.0}

    spec = a_search(("fast=1:6:1",), min_trades=5)
    ended = searched(spec, tmp_path / "s", surface)
    assert [(t.state.value, t.counts) for t in ended.trials] == [
        ("refused", False),
        ("failed", False),
        ("done", False),
        ("thin", False),
        ("done", True),
        ("done", True),
    ]
    assert ended.best[0].parameters == {"fast": "5"}
    kept = read_trials(tmp_path / "s")
    assert kept.trials[0].reason == "fast: 1 is too quick"
    assert "at least 5 wanted" in kept.trials[3].reason
    assert kept.returns.shape == (3, 4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_space_without_a_good_set_is_searched_to_its_end(sampler: str, tmp_path: Path) -> None:
    spec = a_search(("fast=1:6:1", "slow=1:6:1"), sampler, trials=20, batch=5)
    ended = searched(spec, tmp_path / "s", lambda _: Outcome(State.REFUSED, reason="no"))
    assert (len(ended.trials), ended.best) == (20, [])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_several_objectives_give_the_sets_that_none_beats(sampler: str, tmp_path: Path) -> None:
    def two(chosen: Set) -> Mapping[str, float]:
        x, y = int(chosen["x"]), int(chosen["y"])
        return {"sharpe": float(x - y), "max_drawdown": x / 100 + y / 50}

    objectives = Objectives.of(["sharpe", "max_drawdown"])
    spec = a_search(("x=0:9:1", "y=0:9:1"), sampler, objectives=objectives, trials=100)
    ended = searched(spec, tmp_path / "s", two)
    assert len(ended.trials) == 100
    assert [tuple(t.parameters.values()) for t in ended.best] == [
        (str(x), "0") for x in range(9, -1, -1)
    ]


def test_fronts_are_peeled_one_by_one() -> None:
    assert fronts([(1, 1), (2, 0), (0, 0), (0, 2), (-1, -1)]) == [0, 0, 1, 0, 2]
    assert fronts([(3,), (1,), (3,), (2,)]) == [0, 2, 0, 1]


def test_bad_plans_are_refused() -> None:
    with pytest.raises(UnknownName, match="choose one of: bayesian, genetic, grid, random"):
        a_search(GRID, "annealing")
    whole = a_search(GRID)
    for name in ("trials", "batch", "patience"):
        with pytest.raises(InvalidInput, match=f"--{name}: 0 is below"):
            replace(whole, **{name: 0})  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="--objective: 'luck' is not known"):
        Objectives.of(["luck"])
    with pytest.raises(InvalidInput, match="are not different"):
        Objectives.of(["sharpe", "sharpe"])


def test_trials_that_are_not_asked_for_again_are_not_taken(tmp_path: Path) -> None:
    spec = a_search(FREE, "random", trials=10)
    searched(spec, tmp_path / "s", valley)
    with pytest.raises(ConfigError, match="trial 0 of s is not asked for again"):
        searched(replace(spec, seed=9), tmp_path / "s", valley)
