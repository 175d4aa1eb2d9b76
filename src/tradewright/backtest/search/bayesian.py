"""The Bayesian sampler: Optuna's tree-structured Parzen estimator, asked in batches.

Optuna decides and nothing else: what was tried and what it came to is kept by the search, not in
a study's storage. Sets that break a rule or do not count are told as worse than all others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from tradewright.backtest.search.samplers import Drawn
from tradewright.backtest.search.space import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import Trial

    from tradewright.backtest.search.samplers import Gains
    from tradewright.backtest.search.space import Parameter, Set, Space

_FIRST: Final = 10
_TRIES: Final = 8


class Bayesian:
    """Batches of `batch` sets: the first ten drawn at random, then where the best are likely.

    Reference:
        J. Bergstra et al., "Algorithms for hyper-parameter optimization", Advances in Neural
        Information Processing Systems 24, 2011; S. Watanabe, "Tree-structured Parzen estimator",
        arXiv:2304.11127, 2023.
    """

    def __init__(self, space: Space, seed: int, batch: int, objectives: int) -> None:
        """Begin with a seed."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=_FIRST, multivariate=True, constant_liar=True
        )
        self._study = optuna.create_study(sampler=sampler, directions=["maximize"] * objectives)
        self._space = space
        self._batch = batch
        self._drawn = Drawn(space, np.random.default_rng(seed))
        self._asked: deque[Trial] = deque()
        # With several objectives Optuna knows no rank for a trial without values.
        self._worse = TrialState.PRUNED if objectives == 1 else TrialState.FAIL
        self._distributions = {each.name: _distribution(each) for each in space.parameters}

    def ask(self) -> Sequence[Set]:
        """Return the next batch; smaller where there is nothing left to try."""
        found: list[Set] = []
        while len(found) < self._batch:
            chosen = self._proposed() or self._random()
            if chosen is None:
                break
            found.append(chosen)
        return found

    def tell(self, batch: Sequence[Set], gains: Sequence[Gains]) -> None:
        """Tell the study what each set came to."""
        for _, gain in zip(batch, gains, strict=True):
            trial = self._asked.popleft()
            if gain is None:
                self._study.tell(trial, state=self._worse)
            else:
                self._study.tell(trial, list(gain))

    def _proposed(self) -> Set | None:
        for _ in range(_TRIES):
            trial = self._study.ask(self._distributions)
            chosen = {
                each.name: _text(each, trial.params[each.name]) for each in self._space.parameters
            }
            if self._drawn.takes(chosen):
                self._asked.append(trial)
                return chosen
            # What was tried before may be the best there is: its place is not told as bad.
            seen = self._drawn.has(chosen)
            self._study.tell(trial, state=TrialState.FAIL if seen else self._worse)
        return None

    def _random(self) -> Set | None:
        chosen = self._drawn.one()
        if chosen is not None:
            self._study.enqueue_trial(_params(self._space.parameters, chosen))
            self._asked.append(self._study.ask(self._distributions))
        return chosen


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Steps):
        if parameter.ordered:
            return IntDistribution(0, parameter.size - 1)
        return CategoricalDistribution(parameter.values)
    if parameter.whole:
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _text(parameter: Parameter, value: Any) -> str:  # noqa: ANN401 - of Optuna's kinds
    if isinstance(parameter, Steps):
        return parameter.values[value] if parameter.ordered else str(value)
    return parameter.text(float(value))


def _params(parameters: Sequence[Parameter], chosen: Set) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in parameters:
        text = chosen[each.name]
        if isinstance(each, Steps):
            found[each.name] = each.index(text) if each.ordered else text
        else:
            found[each.name] = int(text) if each.whole else float(text)
    return found
