"""Moving-average cross-over: long while the fast average is above the slow one, else flat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.trend import sma_gap
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
    _gap: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse averages that cannot cross."""
        if not 1 <= self.fast < self.slow:
            raise InvalidInput("fast", self.fast, f"must lie in [1, {self.slow})")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        gap = sma_gap(self.fast, self.slow)
        object.__setattr__(self, "needs", Needs(self.timeframe, (gap,)))
        object.__setattr__(self, "_gap", gap.name)

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return targets for the instruments whose state has changed."""
        band = self.band
        universe, holdings = view.universe, view.holdings
        if len(universe) == 1:
            # One name is the common case on minute bars, where most rows end here.
            gap = view.value(self._gap)
            if gap < -band if holdings else gap > band:
                return (self._target(view, 0, gap),)
            return ()
        gaps = view.feature(self._gap)
        return [
            self._target(view, column, gap)
            for column, gap in enumerate(gaps.tolist())
            if (gap > band and universe[column] not in holdings)
            or (gap < -band and universe[column] in holdings)
        ]

    def _target(self, view: MarketView, column: int, gap: float) -> Target:
        names = view.universe
        weight, why = (
            (self.invested / len(names), "fast above slow") if gap > 0 else (0.0, "fast below slow")
        )
        return Target(self.id, names[column], view.at, weight, why)
