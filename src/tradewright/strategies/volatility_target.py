"""Volatility target: another strategy says what to hold, its volatility says how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import StrategyId
from tradewright.core.money import ZERO
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.volatility import SESSIONS_A_YEAR
from tradewright.strategies.strategy import MarketView, Needs, Rebalance, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.frames import FloatArray

_STILL: Final = 1e-9


@dataclass(frozen=True, slots=True)
class VolatilityTarget:
    """Bring what another strategy wishes for to `annual` volatility, up to `most` gross.

    The portfolio is what `inner` names, with its weights, and what else is held, with its own.
    Its volatility is that of these weights over the last `window` daily returns. Sizes are set
    whenever `inner` speaks and at each `rebalance`; what `inner` leaves in cash does not count.

    Reference:
        Moreira and Muir, Journal of Finance 72 (2017).
    """

    inner: Strategy
    annual: float = 0.15
    window: int = 63
    most: float = 0.98
    rebalance: Rebalance = Rebalance.MONTH
    id: StrategyId = field(default=StrategyId("volatility-target"))
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        """Refuse what is no volatility, no window or no gross exposure, and other than daily."""
        for name in ("annual", "most"):
            if getattr(self, name) <= 0:
                raise InvalidInput(name, getattr(self, name), "must be positive")
        if self.window < 2:  # noqa: PLR2004 - a sample deviation needs two
            raise InvalidInput("window", self.window, "must be at least 2")
        inner = self.inner.needs
        if inner.timeframe is not Timeframe.DAY:
            raise InvalidInput("of", self.inner.id, "is not asked daily, as volatility is measured")
        lookback = max(self.window + 1, inner.lookback)
        object.__setattr__(self, "needs", Needs(inner.timeframe, inner.features, lookback))

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return sizes for all of the portfolio, and zero for what `inner` lets go."""
        said = {target.instrument: target for target in self.inner.decide(view)}
        if not said and not self.rebalance.is_due(view.session, view.next_session):
            return ()
        prices = view.window("close", self.window + 1)
        equity = view.equity
        if len(prices) <= self.window or equity is None or equity <= 0:
            return ()
        weights = held_weights(view, prices, float(equity))
        for i, name in enumerate(view.universe):
            if name in said:
                weights[i] = said[name].weight
        risk = annual_risk(prices, weights)
        size = self.annual / risk if risk > _STILL else np.inf
        sized = weights * min(size, self.most / max(float(np.abs(weights).sum()), _STILL))
        why = f"{risk:.1%} a year at the weights wished for"
        return [
            Target(self.id, name, view.at, sized.item(i), why)
            for i, name in enumerate(view.universe)
            if name in said or weights[i]
        ]


def held_weights(view: MarketView, prices: FloatArray, equity: float) -> FloatArray:
    """Return what is held as fractions of equity at the last prices in a window, (instruments,)."""
    held = np.array([float(view.holdings.get(name, ZERO)) for name in view.universe])
    known = np.where(np.isnan(prices), 0, np.arange(len(prices))[:, None]).max(axis=0)
    last = prices[known, np.arange(prices.shape[1])]
    return held * np.where(np.isnan(last), 0.0, last) / equity


def annual_risk(prices: FloatArray, weights: FloatArray) -> float:
    """Return the annualised volatility that weights would have had, as a fraction a year.

    Args:
        prices: Daily closes with dividends reinvested, shape (rows, instruments), three rows or
            more; a return to or from a missing one counts as none.
        weights: Fractions of equity, shape (instruments,), held at every row.
    """
    returns = prices[1:] / prices[:-1] - 1.0
    book = np.where(np.isnan(returns), 0.0, returns) @ weights
    return float(book.std(ddof=1) * SESSIONS_A_YEAR**0.5)
