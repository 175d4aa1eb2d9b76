from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest

from tradewright.analytics.returns import sharpe, simple_returns
from tradewright.backtest.choice import Way, run_backtest
from tradewright.backtest.search.evaluation import Outcome
from tradewright.backtest.search.trials import State
from tradewright.backtest.summary import session_curve
from tradewright.backtest.validation.cross_validation import cross_validate
from tradewright.backtest.validation.walk_forward import (
    Windows,
    evaluation,
    sessions_of,
    walk_forward,
)
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.frames import FloatArray
from tradewright.data.history import MarketData
from tradewright.data.sample import sample_market
from tradewright.engine.run import RunSpec
from tradewright.models.splits import path_count
from tradewright.risk.limits import Limits

SETS: Sequence[Mapping[str, str]] = ({"fast": "5"}, {"fast": "10"}, {"fast": "15"})


@cache
def market() -> MarketData:
    made = sample_market(symbols=4, sessions=240)
    names = {one.id: one for one in made.instruments}
    return MarketData(made.frame, names, made.actions, made.calendar, "sample", simulated=True)


def a_run() -> RunSpec:
    days = [session.date for session in market().frame.sessions]
    return RunSpec("sma-cross", {"slow": "20"}, days[30], days[-1], Decimal(100_000), Limits())


def returns_of(parameters: Mapping[str, str], first: date, last: date) -> FloatArray:
    spec = a_run()
    spec = replace(spec, first=first, last=last, parameters={**spec.parameters, **parameters})
    result = run_backtest(spec, market())
    return simple_returns(session_curve(result, market()).equity)


def test_each_test_is_traded_with_what_was_best_in_the_training_before_it() -> None:
    found = walk_forward(a_run(), market(), SETS, windows=Windows(80, 50))
    days = sessions_of(a_run(), market())
    assert len(days) == 210
    assert [fold.tested_on for fold in found.folds] == [
        (days[80], days[129]),
        (days[130], days[179]),
        (days[180], days[209]),
    ]
    assert [fold.trained_on[0] for fold in found.folds] == [days[0], days[50], days[100]]
    for fold in found.folds:
        scores = [sharpe(returns_of(one, *fold.trained_on)) for one in SETS]
        assert fold.chosen == SETS[int(np.argmax(scores))]
        assert fold.trained == pytest.approx(max(scores))
        assert fold.measured == len(SETS)
        assert fold.outside == pytest.approx(returns_of(fold.chosen, *fold.tested_on))
    assert found.returns == pytest.approx(np.concatenate([one.outside for one in found.folds]))
    assert found.dates == days[80:]
    assert found.equity[-1] == pytest.approx(np.prod(1 + found.returns))


def test_an_anchored_walk_learns_from_more_and_more() -> None:
    found = walk_forward(a_run(), market(), SETS, windows=Windows(80, 50, anchored=True))
    assert len({fold.trained_on[0] for fold in found.folds}) == 1
    assert [len(fold.inside) for fold in found.folds] == [80, 130, 180]


def test_both_engines_walk_the_same_way() -> None:
    one, other = (
        walk_forward(
            a_run(), market(), SETS, windows=Windows(100, 60), evaluate=evaluation(market(), way)
        )
        for way in (Way.EVENTS, Way.ARRAYS)
    )
    assert [fold.chosen for fold in one.folds] == [fold.chosen for fold in other.folds]
    assert one.returns == pytest.approx(other.returns, rel=1e-9)


class Made:
    """Outcomes by set and by whether a span is a training, instead of runs."""

    def __init__(self, returns: Mapping[str, tuple[float, float]]) -> None:
        self._returns = returns
        self.asked: list[tuple[date, date]] = []

    def __call__(self, spec: RunSpec, sets: Sequence[Mapping[str, str]]) -> list[Outcome]:
        self.asked.append((spec.first, spec.last))
        count = len(sessions_of(spec, market()))
        found = []
        for one in sets:
            inside, outside = self._returns[one["fast"]]
            mean = inside if count > 50 else outside
            measures = {"sharpe": None if mean == 0 else mean, "max_drawdown": -mean}
            found.append(Outcome(State.DONE, measures, np.full(count, mean)))
        return found


def test_efficiency_is_what_was_kept_of_the_training() -> None:
    made = Made({"5": (0.002, 0.001), "10": (0.001, 0.005), "15": (0.0, 0.0)})
    found = walk_forward(a_run(), market(), SETS, windows=Windows(80, 50), evaluate=made)
    assert {fold.chosen["fast"] for fold in found.folds if fold.chosen} == {"5"}
    assert found.efficiency == pytest.approx(0.5)
    assert found.annual_mean == pytest.approx(0.252)
    assert found.positive == 1
    assert all(
        one[1] < other[0] for one, other in zip(made.asked[::2], made.asked[1::2], strict=True)
    )


def test_an_objective_that_is_better_when_lower_is_made_low() -> None:
    made = Made({"5": (0.001, 0.0), "10": (0.003, 0.0), "15": (0.002, 0.0)})
    found = walk_forward(
        a_run(), market(), SETS, windows=Windows(80, 50), evaluate=made, objective="max_drawdown"
    )
    assert {fold.chosen["fast"] for fold in found.folds if fold.chosen} == {"10"}
    assert {fold.trained for fold in found.folds} == {-0.003}


def test_of_equals_the_first_is_chosen() -> None:
    made = Made({"5": (0.0, 0.1), "10": (0.001, 0.1), "15": (0.001, 0.2)})
    found = walk_forward(a_run(), market(), SETS, windows=Windows(80, 50), evaluate=made)
    assert {fold.chosen["fast"] for fold in found.folds if fold.chosen} == {"10"}


def test_a_training_that_shows_nothing_is_followed_by_cash() -> None:
    made = Made(dict.fromkeys(("5", "10", "15"), (0.0, 0.01)))
    found = walk_forward(a_run(), market(), SETS, windows=Windows(80, 50), evaluate=made)
    assert all(fold.chosen is None for fold in found.folds)
    assert not found.returns.any()
    assert len(found.returns) == 130
    assert math.isnan(found.efficiency)


def test_sets_that_the_strategy_refuses_are_left_out_and_all_of_them_are_too_many() -> None:
    spec = a_run()
    mixed = [{"fast": "30"}, {"fast": "10"}]
    found = walk_forward(spec, market(), mixed, windows=Windows(100, 60))
    assert {fold.measured for fold in found.folds} == {1}
    with pytest.raises(InvalidInput, match="of which none runs: fast: 30"):
        walk_forward(spec, market(), mixed[:1], windows=Windows(100, 60))


def test_progress_is_told_fold_by_fold() -> None:
    told: list[tuple[int, int]] = []
    made = Made(dict.fromkeys(("5", "10", "15"), (0.1, 0.1)))
    walk_forward(
        a_run(),
        market(),
        SETS,
        windows=Windows(80, 50),
        evaluate=made,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_walked_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^sets: 0"):
        walk_forward(a_run(), market(), [], windows=Windows(80, 50))
    with pytest.raises(InvalidInput, match=r"^train: 500"):
        walk_forward(a_run(), market(), SETS, windows=Windows(500, 50))
    with pytest.raises(UnknownName, match=r"^objective: 'luck'"):
        walk_forward(a_run(), market(), SETS, windows=Windows(80, 50), objective="luck")


def some_trials(seed: int = 0) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).standard_normal((300, 8))


def test_every_path_is_made_of_what_others_chose() -> None:
    returns = some_trials()
    found = cross_validate(returns, groups=6, tested=2, embargo=0.0)
    assert found.returns.shape == (path_count(6, 2), 300)
    assert len(found.chosen) == 15
    # Split 0 tests the first two groups, so its choice is the best of the last four.
    best = int(np.argmax([sharpe(column) for column in returns[100:].T]))
    assert found.chosen[0] == best
    assert np.array_equal(found.returns[0, :50], returns[:50, best])
    assert found.sharpes == pytest.approx([sharpe(path) for path in found.returns])
    assert found.loss == np.mean([np.prod(1 + path) < 1 for path in found.returns])


def test_a_trial_that_dominates_is_every_path() -> None:
    returns = some_trials()
    returns[:, 3] += 0.01
    found = cross_validate(returns, groups=5, tested=2)
    assert set(found.chosen.tolist()) == {3}
    assert all(np.array_equal(path, returns[:, 3]) for path in found.returns)
    assert found.loss == 0


def test_a_holding_period_is_purged() -> None:
    returns = some_trials()
    # In the sessions just before each test one trial shines: learned from, it would be chosen.
    returns[:, 5] -= 0.002
    for first in range(60, 300, 60):
        returns[first - 5 : first, 5] += 0.2
    leaky = cross_validate(returns, groups=5, tested=4, embargo=0.0)
    purged = cross_validate(returns, groups=5, tested=4, embargo=0.0, holding=5)
    assert (leaky.chosen == 5).sum() > (purged.chosen == 5).sum()


@pytest.mark.parametrize(
    ("returns", "changes"),
    [
        (np.empty((100, 0)), {}),
        (np.full((100, 2), np.nan), {}),
        (some_trials(), {"holding": -1}),
        (some_trials(), {"holding": 299}),
        (some_trials(), {"groups": 1}),
        (some_trials(), {"tested": 10}),
    ],
)
def test_what_cannot_be_cross_validated_is_refused(
    returns: FloatArray, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        cross_validate(returns, **changes)
