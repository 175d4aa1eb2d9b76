"""Breakout: buy what leaves a tight range upwards on volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.channel import break_above, break_below, channel_width
from tradewright.features.volume import relative_volume
from tradewright.strategies.exits import Exits
from tradewright.strategies.strategy import MarketView, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.ids import InstrumentId


@dataclass(frozen=True, slots=True)
class Breakout:
    """For each instrument: long on a close beyond the range of the last `window` rows.

    The range is tight if its high is at most `tight` above its low, the close must lie
    `beyond` above the high, and the volume be `volume` times its mean of the same rows. It is
    sold `stop` below the average price, or below the lowest low of the last `window` rows.
    Each instrument gets an equal share of `invested`.

    Reference:
        Brock, Lakonishok and LeBaron, Journal of Finance 47 (1992), trading range breaks.
    """

    window: int = 20
    beyond: float = 0.02
    tight: float = 0.10
    volume: float = 1.5
    stop: float = 0.05
    invested: float = 0.98
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("breakout"))
    needs: Needs = field(init=False)
    _exits: Exits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what can never break out, and weights that no account carries."""
        for name in ("beyond", "volume"):
            if getattr(self, name) < 0:
                raise InvalidInput(name, getattr(self, name), "must not be negative")
        if self.tight <= 0:
            raise InvalidInput("tight", self.tight, "must be positive")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        features = (
            break_above(self.window),
            break_below(self.window),
            channel_width(self.window),
            relative_volume(self.window),
        )
        object.__setattr__(self, "needs", Needs(self.timeframe, features))
        object.__setattr__(self, "_exits", Exits(stop=self.stop))

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return entries of what breaks out, and exits of what is held and fails."""
        above, below, width, volume = (
            view.feature(feature.name).tolist() for feature in self.needs.features
        )
        share = self.invested / len(view.universe)
        targets: list[Target] = []
        for column, name in enumerate(view.universe):
            if name in view.holdings:
                failed = "below the range" if below[column] < 0 else ""
                if why := self._exits.reason(view, column) or failed:
                    targets.append(self._target(view, name, 0.0, why))
            elif (
                above[column] >= self.beyond
                and width[column] <= self.tight
                and volume[column] >= self.volume
            ):
                why = f"{above[column]:.1%} above a range of {width[column]:.1%}"
                targets.append(self._target(view, name, share, why))
        return targets

    def _target(self, view: MarketView, name: InstrumentId, weight: float, why: str) -> Target:
        return Target(self.id, name, view.at, weight, why)
