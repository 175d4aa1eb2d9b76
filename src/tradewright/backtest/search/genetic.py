"""The genetic sampler: sets that did well are crossed and changed a little, by generations.

Parents are chosen from the best that were found so far, so a good set is never lost. A gene is
a parameter's place in [0, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.backtest.search.objective import fronts
from tradewright.backtest.search.samplers import Drawn
from tradewright.backtest.search.space import Span, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.search.samplers import Gains
    from tradewright.backtest.search.space import Parameter, Set, Space
    from tradewright.core.frames import FloatArray

_RIVALS: Final = 3
_BLENDED: Final = 0.25
_CHANGED: Final = 0.3
_WIDTH: Final = 0.15
_TRIES: Final = 50


class Genetic:
    """Generations of `batch` sets: the first drawn at random, each later one bred from the best.

    A child takes each gene from either of two parents, of which each won against two others, or
    a mixture of both; then some of its genes move. Children that break a rule or were tried
    before are bred again, and drawn at random in the end.

    Reference:
        D. E. Goldberg, "Genetic Algorithms in Search, Optimization and Machine Learning", 1989;
        with several objectives parents are ranked by fronts (Deb et al., 2002).
    """

    def __init__(self, space: Space, seed: int, batch: int) -> None:
        """Begin with a seed."""
        self._space = space
        self._batch = batch
        self._noise = np.random.default_rng(seed)
        self._drawn = Drawn(space, self._noise)
        self._parents: list[tuple[Set, tuple[float, ...]]] = []

    def ask(self) -> Sequence[Set]:
        """Return the next generation; smaller where there is nothing left to try."""
        genes = [self._genes(chosen) for chosen, _ in self._parents]
        found: list[Set] = []
        while len(found) < self._batch:
            child = self._child(genes) if len(genes) > 1 else None
            child = child or self._drawn.one()
            if child is None:
                break
            found.append(child)
        return found

    def tell(self, batch: Sequence[Set], gains: Sequence[Gains]) -> None:
        """Keep the best of the parents and the children as parents."""
        known = [(chosen, gain) for chosen, gain in zip(batch, gains, strict=True) if gain]
        pool = self._parents + known
        ranks = fronts([gain for _, gain in pool])
        crowds = _distances([gain for _, gain in pool], ranks)
        order = sorted(range(len(pool)), key=lambda i: (ranks[i], -crowds[i], i))
        self._parents = [pool[i] for i in order[: self._batch]]

    def _child(self, genes: Sequence[FloatArray]) -> Set | None:
        noise, parameters = self._noise, self._space.parameters
        for _ in range(_TRIES):
            mother, father = genes[self._winner(len(genes))], genes[self._winner(len(genes))]
            made = np.where(noise.random(len(mother)) < 0.5, mother, father)  # noqa: PLR2004 - half
            mixed = noise.random(len(mother)) < _BLENDED
            share = noise.random(len(mother))
            # A mixture means something only where places are in order.
            mixed &= np.array([not isinstance(p, Steps) or p.ordered for p in parameters])
            made = np.where(mixed, share * mother + (1 - share) * father, made)
            chosen = {
                parameter.name: parameter.at(self._moved(parameter, gene))
                for parameter, gene in zip(parameters, made.tolist(), strict=True)
            }
            if self._drawn.takes(chosen):
                return chosen
        return None

    def _winner(self, count: int) -> int:
        # Parents stand in their order: the first of some drawn ones wins.
        return int(self._noise.integers(0, count, _RIVALS).min())

    def _moved(self, parameter: Parameter, gene: float) -> float:
        chance, fresh, step = self._noise.random(3).tolist()
        if chance >= _CHANGED:
            return gene
        if isinstance(parameter, Steps) and not parameter.ordered:
            return float(fresh)
        width = _WIDTH if isinstance(parameter, Span) else max(_WIDTH, 1.5 / parameter.size)
        # Beyond an end it comes back by as much.
        moved = abs(gene + (fresh + step - 1) * 2 * width) % 2
        return float(min(moved if moved < 1 else 2 - moved, np.nextafter(1.0, 0.0)))

    def _genes(self, chosen: Set) -> FloatArray:
        places = [parameter.place(chosen[parameter.name]) for parameter in self._space.parameters]
        return np.array(places)


def _distances(gains: Sequence[tuple[float, ...]], ranks: Sequence[int]) -> list[float]:
    # Of one front, those that stand alone count more; with one objective a front is of equals.
    found = [0.0] * len(gains)
    for rank in set(ranks):
        front = [i for i, own in enumerate(ranks) if own == rank]
        for place in range(len(gains[front[0]])):
            line = sorted(front, key=lambda i: (gains[i][place], i))
            width = gains[line[-1]][place] - gains[line[0]][place]
            if not width > 0:
                continue
            found[line[0]] = found[line[-1]] = float("inf")
            for before, i, after in zip(line, line[1:], line[2:], strict=False):
                found[i] += (gains[after][place] - gains[before][place]) / width
    return found
