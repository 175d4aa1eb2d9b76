"""Cross-sectional momentum: hold the winners of the last year, the last month left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.signals import Target
from tradewright.features.returns import momentum
from tradewright.strategies.strategy import (
    Columns,
    Level,
    MarketView,
    Needs,
    Rebalance,
    States,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Momentum:
    """Hold the `top` instruments by 12-1 return in equal weights of `invested`, long only.

    Looked at when `rebalance` is due, and at once while nothing is held. Ties go to the
    earlier instrument. An instrument that did not trade in the row is not bought.

    Reference:
        Jegadeesh and Titman, Journal of Finance 48 (1993).
    """

    top: int = 3
    lookback: int = 252
    skip: int = 21
    invested: float = 0.98
    rebalance: Rebalance = Rebalance.MONTH
    id: StrategyId = field(default=StrategyId("momentum"))
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        """Refuse an empty portfolio and weights that no account carries."""
        if self.top < 1:
            raise InvalidInput("top", self.top, "must be at least 1")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        needs = Needs(features=(momentum(self.lookback, self.skip),))
        object.__setattr__(self, "needs", needs)

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return the winners' weights, and zero for what is held and no longer wins."""
        if view.holdings and not self.rebalance.is_due(view.session, view.next_session):
            return ()
        scores = view.feature(self.needs.features[0].name)
        scores = np.where(np.isnan(view.tradable()), np.nan, scores)
        ranked = np.argsort(-scores, kind="stable")
        winners = [int(i) for i in ranked[: self.top] if not np.isnan(scores[i])]
        if not winners:
            return ()
        weight = self.invested / self.top
        universe, at = view.universe, view.at
        targets = [
            Target(self.id, universe[i], at, weight, f"rank {place} of {len(scores)}")
            for place, i in enumerate(winners, start=1)
        ]
        kept = {target.instrument for target in targets}
        targets += [
            Target(self.id, name, at, 0.0, f"no longer in the top {self.top}")
            for name in view.holdings
            if name not in kept
        ]
        return targets

    def states(self, columns: Columns) -> States:
        """Return the winners and the others of each row that has winners."""
        scores = columns.features[self.needs.features[0].name]
        winners = columns.top(scores, self.top, traded=True)
        now = 2 * winners.view(np.int8) - winners.any(axis=1, keepdims=True)
        weight = self.invested / self.top
        levels = (Level(), Level(weight, weight), Level(held=0.0))
        return States(now, levels, columns.due(self.rebalance))
