"""Walk forward: choose parameters on the past, trade the next stretch with them, move on.

Every test begins from cash at the first session after its training, so nothing of it was known
when its parameters were chosen. What a test still holds at its end is worth its last price: the
sale is not paid for, the next test's purchases are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.backtest.choice import Way
from tradewright.backtest.search.evaluation import OF_BOOKS, Evaluation
from tradewright.backtest.search.objective import RISES
from tradewright.core.errors import InvalidInput, MissingData, UnknownName
from tradewright.engine.run import rows_of
from tradewright.models import splits

if TYPE_CHECKING:
    from datetime import date

    from tradewright.backtest.search.evaluation import Outcome
    from tradewright.core.frames import FloatArray
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec
    from tradewright.models.splits import Split

Set: TypeAlias = Mapping[str, str]
Evaluate: TypeAlias = "Callable[[RunSpec, Sequence[Set]], Sequence[Outcome]]"
"""Runs a spec with each of several sets of parameters, which are laid over its own."""

_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Windows:
    """Sessions of a training and of a test; `anchored` trainings all begin at the first session."""

    train: int
    test: int
    anchored: bool = False

    def over(self, sessions: int) -> Sequence[Split]:
        """Return the trainings and tests over so many sessions.

        Raises:
            InvalidInput: A length is below 1, or nothing is left to test on.
        """
        return splits.walk_forward(
            sessions, train=self.train, test=self.test, anchored=self.anchored
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One training and the test after it.

    `chosen` is the set that was best in training, None where none could be measured: then the
    test is spent in cash. `trained` and `tested` are the objective on either side, NaN where
    there is none; `inside` and `outside` the returns of its sessions.
    """

    trained_on: tuple[date, date]
    tested_on: tuple[date, date]
    chosen: Set | None
    trained: float
    tested: float
    measured: int
    inside: FloatArray
    outside: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    """All folds, and the sessions of their tests in one row."""

    objective: str
    sets: Sequence[Set]
    folds: Sequence[Fold]
    dates: Sequence[date]
    returns: FloatArray

    @property
    def equity(self) -> FloatArray:
        """Growth of one over the tests, shape (sessions + 1,)."""
        return np.cumprod(np.append(1.0, 1 + self.returns))

    @property
    def efficiency(self) -> float:
        """Mean return out of sample over mean return in training, of the sets that were chosen.

        NaN where training did not gain: then there is nothing to keep a part of.

        Reference:
            R. Pardo, The Evaluation and Optimization of Trading Strategies, 2nd ed., 2008,
            chapter 11.
        """
        inside = np.concatenate([fold.inside for fold in self.folds])
        gained = float(np.mean(inside)) if len(inside) else 0.0
        return float(np.mean(self.returns)) / gained if gained > 0 else _NAN

    @property
    def annual_mean(self) -> float:
        """Mean return of a session out of sample, times 252."""
        return float(np.mean(self.returns)) * SESSIONS_A_YEAR

    @property
    def positive(self) -> float:
        """Part of the tests that gained."""
        return float(np.mean([np.prod(1 + fold.outside) > 1 for fold in self.folds]))


def walk_forward(
    spec: RunSpec,
    market: MarketData,
    sets: Sequence[Set],
    *,
    windows: Windows,
    objective: str = "sharpe",
    evaluate: Evaluate | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Walk a spec forward over the sessions that it names.

    Args:
        spec: What is run; its parameters are those that are not chosen anew.
        market: What it is run on.
        sets: The parameters that are chosen from.
        windows: How long trainings and tests are.
        objective: What is best, by its key in `summary.json`.
        evaluate: How sets are run; over columns where that is equal, here, unless given.
        progress: Is told folds done and folds in all.

    Raises:
        UnknownName: The objective is not known.
        InvalidInput: There is no set, the lengths leave nothing to test on, or no set is taken by
            the strategy.
        MissingData: The market has nothing in the span.
    """
    if objective not in RISES:
        raise UnknownName("objective", objective, list(RISES))
    if not sets:
        raise InvalidInput("sets", len(sets), "leave nothing to choose from")
    days = sessions_of(spec, market)
    run = evaluate or evaluation(market, objective=objective)
    folds: list[Fold] = []
    parts = windows.over(len(days))
    for part in parts:
        spans = tuple((days[some[0]], days[some[-1]]) for some in (part.train, part.test))
        folds.append(_fold(spec, sets, spans[0], spans[1], (run, objective)))
        if progress is not None:
            progress(len(folds), len(parts))
    first = int(parts[0].test[0])
    return WalkForward(
        objective,
        tuple(sets),
        folds,
        days[first:],
        np.concatenate([fold.outside for fold in folds]),
    )


def evaluation(market: MarketData, way: Way = Way.AUTO, objective: str = "sharpe") -> Evaluate:
    """Return how sets are run over a market, in this process."""

    def run(spec: RunSpec, sets: Sequence[Set]) -> Sequence[Outcome]:
        return Evaluation(spec, market, way, objective in OF_BOOKS)(sets)

    return run


def sessions_of(spec: RunSpec, market: MarketData) -> Sequence[date]:
    """Dates of the sessions in which a spec may trade, in order.

    Raises:
        MissingData: There are none.
    """
    rows = rows_of(spec, market)
    frame = market.frame
    numbers = np.unique(frame.session[rows.first : rows.last + 1])
    return [frame.sessions[number].date for number in numbers.tolist()]


def value_of(outcome: Outcome, objective: str) -> float | None:
    """What an outcome came to, turned so that more is better; None where it has no value."""
    value = outcome.measures.get(objective)
    if value is None:
        return None
    return value if RISES[objective] else -value


def _fold(
    spec: RunSpec,
    sets: Sequence[Set],
    trained_on: tuple[date, date],
    tested_on: tuple[date, date],
    how: tuple[Evaluate, str],
) -> Fold:
    run, objective = how
    outcomes = run(replace(spec, first=trained_on[0], last=trained_on[1]), sets)
    reasons = [one.reason for one in outcomes if one.returns is None]
    if len(reasons) == len(outcomes):
        rule = f"are {len(sets)}, of which none runs: {reasons[0]}"
        raise InvalidInput("sets", "", rule, "choose others")
    known = [
        (value, -place)
        for place, one in enumerate(outcomes)
        if (value := value_of(one, objective)) is not None
    ]
    ahead = replace(spec, first=tested_on[0], last=tested_on[1])
    if not known:
        idle = next(one.returns for one in run(ahead, sets) if one.returns is not None)
        nothing = np.zeros(len(idle))
        return Fold(trained_on, tested_on, None, _NAN, _NAN, 0, np.empty(0), nothing)
    # Of equals the first, so that the answer does not depend on how they were run.
    _, place = max(known)
    chosen, inside = sets[-place], outcomes[-place]
    (outside,) = run(ahead, [chosen])
    if inside.returns is None or outside.returns is None:
        raise MissingData(f"test from {tested_on[0]}", f"cannot be run: {outside.reason}")
    return Fold(
        trained_on,
        tested_on,
        chosen,
        _plain(inside, objective),
        _plain(outside, objective),
        len(known),
        inside.returns,
        outside.returns,
    )


def _plain(outcome: Outcome, objective: str) -> float:
    value = outcome.measures.get(objective)
    return _NAN if value is None else value
