"""Statistical arbitrage: trade what of a share's way the market does not explain.

The regression is made anew at every row of the rows known by then. A regression's residuals add
up to nothing, so the score is of the mean of their path, as its authors have it.
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
from tradewright.strategies.strategy import MarketView, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.frames import FloatArray


class _Residuals(NamedTuple):
    scores: FloatArray
    betas: FloatArray


@dataclass(frozen=True, slots=True)
class StatArb:
    """Sell what has run ahead of the market by `enter` deviations, buy what lags as far.

    Each share's returns of the last `window` rows are regressed on the market's: on those of
    the instrument `market`, or where none is named on the mean of the universe. A position is
    closed within `leave`, or beyond `stop`. At most `slots` are open, the furthest first, each
    worth `invested` / `slots`; a named market is held against their betas.

    Reference:
        Avellaneda and Lee, Quantitative Finance 10 (2010).
    """

    market: str = ""
    window: int = 60
    enter: float = 2.0
    leave: float = 0.5
    stop: float = 3.5
    slots: int = 10
    invested: float = 0.98
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("stat-arb"))
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        """Refuse bounds out of order, and what no account carries."""
        if not 0 <= self.leave < self.enter < self.stop:
            given = (self.leave, self.enter, self.stop)
            raise InvalidInput("leave, enter, stop", given, "must rise from 0 on")
        if self.window < 10:  # noqa: PLR2004 - a line through fewer says nothing
            raise InvalidInput("window", self.window, "must be at least 10")
        if self.slots < 1:
            raise InvalidInput("slots", self.slots, "must be at least 1")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        object.__setattr__(self, "needs", Needs(self.timeframe, lookback=self.window + 1))

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return exits, then entries into free slots, and the hedge if either is."""
        prices = view.window("close", self.window + 1)
        if len(prices) <= self.window:
            return ()
        hedge = self._market_column(view.universe)
        scores, betas = _residuals(prices, hedge)
        exits = self._exits(view, scores, hedge)
        signs = {
            i: 1.0 if view.holdings[name] > 0 else -1.0
            for i, name in enumerate(view.universe)
            if name in view.holdings and i != hedge and i not in exits
        }
        entries = self._entries(view, scores, {*signs, *exits, hedge}, self.slots - len(signs))
        weights = dict.fromkeys(exits, 0.0)
        for i in entries:
            signs[i] = -1.0 if scores[i] > 0 else 1.0
            weights[i] = signs[i] * self.invested / self.slots
        if hedge is not None and weights:
            loads = sum(sign * _or_one(betas.item(i)) for i, sign in signs.items())
            weights[hedge] = -loads * self.invested / self.slots
        reasons = exits | {i: f"score at {scores[i]:+.2f}" for i in entries}
        return [
            Target(self.id, view.universe[i], view.at, weight, reasons.get(i, "hedge of the betas"))
            for i, weight in weights.items()
        ]

    def _market_column(self, universe: tuple[InstrumentId, ...]) -> int | None:
        if not self.market:
            return None
        if self.market not in universe:
            raise UnknownName("market", self.market, list(universe))
        return universe.index(InstrumentId(self.market))

    def _exits(self, view: MarketView, scores: FloatArray, hedge: int | None) -> dict[int, str]:
        found: dict[int, str] = {}
        for i, name in enumerate(view.universe):
            held, score = view.holdings.get(name), scores.item(i)
            if held is None or i == hedge or np.isnan(score):
                continue
            behind = -score if held > 0 else score
            if behind <= self.leave or behind >= self.stop:
                kind = "stop" if behind >= self.stop else "back"
                found[i] = f"{kind}: score at {score:+.2f}"
        return found

    def _entries(
        self, view: MarketView, scores: FloatArray, taken: set[int | None], free: int
    ) -> list[int]:
        far = np.where(np.isnan(scores) | np.isnan(view.tradable()), 0.0, np.abs(scores))
        ranked = np.argsort(-far, kind="stable").tolist()
        wanted = [i for i in ranked if self.enter <= far[i] < self.stop and i not in taken]
        return wanted[: max(free, 0)]


def _residuals(prices: FloatArray, market: int | None) -> _Residuals:
    returns = prices[1:] / prices[:-1] - 1.0
    if market is None:
        known = ~np.isnan(returns)
        counts = known.sum(axis=1, keepdims=True)
        total = np.where(known, returns, 0.0).sum(axis=1, keepdims=True)
        index = total / np.where(counts > 0, counts, np.nan)
    else:
        index = returns[:, market : market + 1]
    slope, residuals = lines(returns, index)
    path = residuals.cumsum(axis=0)
    deviation = path.std(axis=0, ddof=1)
    # What rounding leaves of a share that moves as the market does is no deviation.
    deviation = np.where(deviation > 1e-9, deviation, np.nan)  # noqa: PLR2004
    return _Residuals((path[-1] - path.mean(axis=0)) / deviation, slope)


def _or_one(beta: float) -> float:
    # A held share whose beta cannot be told is taken to move as the market does.
    return 1.0 if np.isnan(beta) else beta
