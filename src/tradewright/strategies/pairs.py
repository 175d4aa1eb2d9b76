"""Pairs: long the cheap and short the dear one of two that used to move together.

The hedge ratio is estimated anew at every row, of the rows known by then; the weights of an
open pair stay as they were when it was opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.ids import InstrumentId, StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.statistics import lines
from tradewright.strategies.exits import held_rows
from tradewright.strategies.strategy import MarketView, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.frames import FloatArray


class _Spread(NamedTuple):
    score: float
    hedge: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """For each pair A/B: trade the residual of log A on log B over the last `window` rows.

    Beyond `enter` deviations the dear leg is sold and the cheap one bought, one dollar of A
    against `hedge ratio` dollars of B; both are closed within `leave`, on the other side of
    zero, after `longest` rows, or when one leg is gone. `pairs` is text such as "KO/PEP,V/MA";
    empty means the universe two by two. Each pair gets an equal share of `invested`, gross.

    Reference:
        Gatev, Goetzmann and Rouwenhorst, Review of Financial Studies 19 (2006).
    """

    pairs: str = ""
    window: int = 60
    enter: float = 2.0
    leave: float = 0.5
    longest: int = 60
    invested: float = 0.98
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("pairs"))
    needs: Needs = field(init=False)
    _named: tuple[tuple[InstrumentId, InstrumentId], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a spread that is left where it is entered, and pairs that are none."""
        if not 0 <= self.leave < self.enter:
            raise InvalidInput("leave", self.leave, f"must lie in [0, {self.enter})")
        if self.window < 10:  # noqa: PLR2004 - a line through fewer says nothing
            raise InvalidInput("window", self.window, "must be at least 10")
        if self.longest < 1:
            raise InvalidInput("longest", self.longest, "must be at least 1")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        object.__setattr__(self, "needs", Needs(self.timeframe, lookback=self.window))
        object.__setattr__(self, "_named", _pairs(self.pairs))

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return both legs of what opens or closes."""
        legs = self._legs(view.universe)
        prices = np.log(view.window("close", self.window))
        targets: list[Target] = []
        for first, second in legs:
            spread = self._spread(prices, first, second)
            names = view.universe[first], view.universe[second]
            if names[0] in view.holdings or names[1] in view.holdings:
                targets += self._closing(view, names, spread)
            elif spread is not None and abs(spread.score) >= self.enter and spread.hedge > 0:
                targets += self._opening(view, names, spread, self.invested / len(legs))
        return targets

    def _legs(self, universe: tuple[InstrumentId, ...]) -> list[tuple[int, int]]:
        if not self._named:
            return [(i, i + 1) for i in range(0, len(universe) - 1, 2)]
        places = {name: i for i, name in enumerate(universe)}
        for name in (name for pair in self._named for name in pair):
            if name not in places:
                raise UnknownName("instrument of a pair", name, list(universe))
        return [(places[one], places[other]) for one, other in self._named]

    def _spread(self, prices: FloatArray, first: int, second: int) -> _Spread | None:
        if len(prices) < self.window:
            return None
        slope, residuals = lines(prices[:, first : first + 1], prices[:, second : second + 1])
        deviation = float(residuals.std(ddof=2))
        # What two prices that move as one leave is rounding, and no spread.
        if not deviation > 1e-9:  # noqa: PLR2004
            return None
        return _Spread(residuals.item(-1, 0) / deviation, slope.item())

    def _opening(
        self, view: MarketView, names: Sequence[InstrumentId], spread: _Spread, share: float
    ) -> list[Target]:
        first = share / (1.0 + spread.hedge) * (-1.0 if spread.score > 0 else 1.0)
        why = f"spread at {spread.score:+.2f}, hedge ratio {spread.hedge:.3f}"
        weights = (first, -first * spread.hedge)
        return [
            Target(self.id, name, view.at, weight, why)
            for name, weight in zip(names, weights, strict=True)
        ]

    def _closing(
        self, view: MarketView, names: Sequence[InstrumentId], spread: _Spread | None
    ) -> list[Target]:
        held = [name for name in names if name in view.holdings]
        why = ""
        if len(held) < len(names):
            why = "the other leg is gone"
        elif held_rows(view, names[0]) >= self.longest:
            why = f"held for {self.longest} rows"
        elif spread is not None:
            # Long the first leg was entered below zero, and short of it above.
            sign = 1.0 if view.holdings[names[0]] > 0 else -1.0
            if sign * spread.score >= -self.leave:
                why = f"spread at {spread.score:+.2f}"
        return [Target(self.id, name, view.at, 0.0, why) for name in held] if why else []


def _pairs(text: str) -> tuple[tuple[InstrumentId, InstrumentId], ...]:
    found: list[tuple[InstrumentId, InstrumentId]] = []
    for word in (word.strip() for word in text.split(",") if word.strip()):
        first, slash, second = word.partition("/")
        if not (slash and first and second) or first == second:
            raise InvalidInput("pairs", word, "is not two instruments", "write it as KO/PEP")
        found.append((InstrumentId(first), InstrumentId(second)))
    names = [name for pair in found for name in pair]
    if len(set(names)) < len(names):
        rule = "names an instrument in two pairs"
        raise InvalidInput("pairs", text, rule, "run them as two strategies")
    return tuple(found)
