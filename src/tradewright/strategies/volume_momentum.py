"""Momentum on volume: buy what rises while it is traded more than it used to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.returns import momentum
from tradewright.features.volume import relative_volume
from tradewright.strategies.exits import Exits
from tradewright.strategies.strategy import MarketView, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class VolumeMomentum:
    """For each instrument: long once it has gained `rise` in `window` rows on `volume` × the mean.

    It is sold at the first of: `stop` below the average price, `target` above it, `trail` off
    the best close since, or after `longest` rows. Each instrument gets an equal share of
    `invested`.

    Reference:
        Lee and Swaminathan, Journal of Finance 55 (2000), on momentum and volume.
    """

    window: int = 20
    rise: float = 0.02
    volume: float = 1.5
    stop: float = 0.08
    target: float = 0.20
    trail: float = 0.05
    longest: int = 30
    invested: float = 0.98
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("volume-momentum"))
    needs: Needs = field(init=False)
    _exits: Exits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse exits that could never be and weights that no account carries."""
        if self.volume < 0:
            raise InvalidInput("volume", self.volume, "must not be negative")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        features = (momentum(self.window, 0), relative_volume(self.window))
        object.__setattr__(self, "needs", Needs(self.timeframe, features))
        exits = Exits(self.stop, self.target, self.trail, self.longest)
        object.__setattr__(self, "_exits", exits)

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return entries of what rises on volume, and exits of what is held."""
        gained, volume = (view.feature(feature.name).tolist() for feature in self.needs.features)
        share, at = self.invested / len(view.universe), view.at
        targets: list[Target] = []
        for column, name in enumerate(view.universe):
            if name in view.holdings:
                if why := self._exits.reason(view, column):
                    targets.append(Target(self.id, name, at, 0.0, why))
            elif gained[column] >= self.rise and volume[column] >= self.volume:
                why = f"{gained[column]:+.1%} on {volume[column]:.1f} times the volume"
                targets.append(Target(self.id, name, at, share, why))
        return targets
