"""Moving-average cross-over: long while the fast average is above the slow one, else flat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.trend import sma
from tradewright.strategies.strategy import MarketView, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class MovingAverageCross:
    """For each instrument: SMA(fast) above SMA(slow) by more than `band` is long, below is flat.

    Each instrument gets an equal share of `invested`. `band` is in price units; inside it what
    is held stays. Asked only when the state changes, so a position is not resized meanwhile.
    """

    fast: int = 10
    slow: int = 30
    invested: float = 0.98
    band: float = 1e-6
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("sma-cross"))
    needs: Needs = field(init=False)
    _names: tuple[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse averages that cannot cross."""
        if not 1 <= self.fast < self.slow:
            raise InvalidInput("fast", self.fast, f"must lie in [1, {self.slow})")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        fast, slow = sma(self.fast), sma(self.slow)
        object.__setattr__(self, "needs", Needs(self.timeframe, (fast, slow)))
        object.__setattr__(self, "_names", (fast.name, slow.name))

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return targets for the instruments whose state has changed."""
        universe = view.universe
        if len(universe) == 1:
            fast, slow = self._names
            return self._one(view, 0, view.value(fast) - view.value(slow), 1)
        fast_now, slow_now = (view.feature(name) for name in self._names)
        gaps = (fast_now - slow_now).tolist()
        return [
            target
            for column, gap in enumerate(gaps)
            for target in self._one(view, column, gap, len(universe))
        ]

    def _one(self, view: MarketView, column: int, gap: float, names: int) -> Sequence[Target]:
        if gap > self.band:
            name = view.universe[column]
            if name not in view.holdings:
                weight = self.invested / names
                return (Target(self.id, name, view.at, weight, "fast above slow"),)
        elif gap < -self.band:
            name = view.universe[column]
            if name in view.holdings:
                return (Target(self.id, name, view.at, 0.0, "fast below slow"),)
        return ()
