"""Moving-average cross-over: long while the fast average is above the slow one, else flat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import maker
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.trend import sma_gap
from tradewright.strategies.strategy import Columns, Level, MarketView, Needs, States

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.frames import BoolArray, FloatArray

_target: Final = maker(Target)


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
        if not self.band >= 0:
            raise InvalidInput("band", self.band, "must not be negative")
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

    def wakes(self, features: Mapping[str, FloatArray]) -> BoolArray:
        """Return the rows in which a gap leaves the band, comes back into it or crosses it."""
        gaps = features[self._gap]
        above, below = gaps > self.band, gaps < -self.band
        wakes = np.ones(len(gaps), dtype=np.bool_)
        changes = (above[1:] != above[:-1]) | (below[1:] != below[:-1])
        wakes[1:] = changes.any(axis=1)
        return wakes

    def states(self, columns: Columns) -> States:
        """Return long above the band, flat below it, and no target inside."""
        weight = self.invested / columns.closes.shape[1]
        crossing = columns.crossing(self.fast, self.slow, self.band)
        return States(crossing, (Level(), Level(flat=weight), Level(held=0.0)))

    def _target(self, view: MarketView, column: int, gap: float) -> Target:
        names = view.universe
        weight, why = (
            (self.invested / len(names), "fast above slow") if gap > 0 else (0.0, "fast below slow")
        )
        return _target(self.id, names[column], view.at, weight, why)
