"""What a search looks for: numbers of a run's summary, and which way each is better.

With several objectives no set need be best: what is looked for are the sets that no other beats
in all of them, and samplers rank by how many do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.search.trials import Trial

RISES: Final[Mapping[str, bool]] = {
    "sharpe": True,
    "sortino": True,
    "calmar": True,
    "total_return": True,
    "cagr": True,
    "hit_rate": True,
    "final_equity": True,
    "dividends": True,
    "volatility": False,
    "max_drawdown": False,
    "turnover": False,
    "fees": False,
}
"""The objectives by their key in `summary.json`, and whether more is better."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """The numbers that are looked for, the first the most."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Objectives:
        """Return objectives by name; without any it is the Sharpe ratio.

        Raises:
            UnknownName: A name is not known.
            InvalidInput: One is named twice.
        """
        for name in names:
            if name not in RISES:
                raise UnknownName("--objective", name, list(RISES))
        if len(set(names)) < len(names):
            raise InvalidInput("--objective", ", ".join(names), "are not different", "drop one")
        return cls(tuple(names) or ("sharpe",))

    def gains(self, trial: Trial) -> tuple[float, ...] | None:
        """Return a trial's values turned so that more is better; None if it cannot be compared."""
        if not trial.counts:
            return None
        pairs = zip(self.names, trial.values, strict=True)
        return tuple(value if RISES[name] else -value for name, value in pairs if value is not None)

    def better(self, trial: Trial, other: Trial | None) -> bool:
        """Say whether a trial beats another in the first objective; a trial beats none at all."""
        gains = self.gains(trial)
        if gains is None:
            return False
        others = None if other is None else self.gains(other)
        return others is None or gains[0] > others[0]

    def best(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return the trials that no other beats, the first objective's best first.

        With one objective that is one trial, the earliest of equals.
        """
        known = [(gains, trial) for trial in trials if (gains := self.gains(trial)) is not None]
        ranked = sorted(known, key=lambda pair: (*(-gain for gain in pair[0]), pair[1].number))
        found: list[tuple[tuple[float, ...], Trial]] = []
        for gains, trial in ranked:
            # Whoever beats it, or is its equal, stands before it.
            if not any(_covers(other, gains) for other, _ in found):
                found.append((gains, trial))
        return [trial for _, trial in found]


def fronts(gains: Sequence[tuple[float, ...]]) -> list[int]:
    """Return each one's front: 0 if none beats it, 1 if only those of front 0 do, and so on.

    Reference:
        K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
        Transactions on Evolutionary Computation 6(2), 2002.
    """
    left = set(range(len(gains)))
    found = [0] * len(gains)
    number = 0
    while left:
        front = [i for i in left if not any(_beats(gains[j], gains[i]) for j in left)]
        for i in front:
            found[i] = number
        left.difference_update(front)
        number += 1
    return found


def _covers(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and _covers(one, other)
