"""Mean reversion: buy what has fallen far below its mean, and sell it back at the mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import ArraysRefused, InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.statistics import zscore
from tradewright.strategies.strategy import Columns, Level, MarketView, Needs, States

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sides(StrEnum):
    """What may be held: longs alone, or shorts too."""

    LONG = "long"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class MeanReversion:
    """For each instrument: long where its close is `enter` deviations below the mean, until there.

    The mean and the deviation are of the last `window` closes, the row itself among them. With
    `sides=both` what is as far above is sold short. Each instrument gets an equal share of
    `invested`.

    Reference:
        Poterba and Summers, Journal of Financial Economics 22 (1988), for the effect.
    """

    window: int = 20
    enter: float = 2.0
    sides: Sides = Sides.LONG
    invested: float = 0.98
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("mean-reversion"))
    needs: Needs = field(init=False)
    _score: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse an entry at the mean or beyond what a window of that length can show."""
        most = (self.window - 1) / self.window**0.5 if self.window > 1 else 0.0
        if not 0 < self.enter < most:
            rule = f"must lie in (0, {most:.2f}): no score of {self.window} rows is larger"
            raise InvalidInput("enter", self.enter, rule)
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        score = zscore(self.window)
        object.__setattr__(self, "needs", Needs(self.timeframe, (score,)))
        object.__setattr__(self, "_score", score.name)

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return entries of what is not held, and exits of what has come back to the mean."""
        share, at = self.invested / len(view.universe), view.at
        scores = view.feature(self._score).tolist()
        targets: list[Target] = []
        for name, score in zip(view.universe, scores, strict=True):
            held = view.holdings.get(name)
            if held is None:
                if score < -self.enter:
                    why = f"{-score:.2f} deviations below the mean"
                    targets.append(Target(self.id, name, at, share, why))
                elif score > self.enter and self.sides is Sides.BOTH:
                    why = f"{score:.2f} deviations above the mean"
                    targets.append(Target(self.id, name, at, -share, why))
            elif score >= 0 if held > 0 else score <= 0:
                targets.append(Target(self.id, name, at, 0.0, "back at the mean"))
        return targets

    def states(self, columns: Columns) -> States:
        """Return far below (1), at or above the mean (2), or neither (0).

        Raises:
            ArraysRefused: Shorts are wanted: what ends one depends on the side that is held.
        """
        if self.sides is not Sides.LONG:
            raise ArraysRefused(f"{self.id} with sides={self.sides} exits by the side it holds")
        scores = columns.features[self._score]
        now = np.zeros(scores.shape, dtype=np.int8)
        now[scores < -self.enter] = 1
        now[scores >= 0] = 2
        share = self.invested / scores.shape[1]
        return States(now, (Level(), Level(flat=share), Level(held=0.0)))
