"""Ensemble: several strategies asked about one portfolio, their answers mixed by weight.

The account does not tell whose a position is, and nothing else is remembered; so each member is
asked what it would buy if nothing were held, and what it would change of what is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import InstrumentId, StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.features.volatility import SESSIONS_A_YEAR
from tradewright.strategies.audition import Past, audition_returns
from tradewright.strategies.strategy import MarketView, Needs, Rebalance, Strategy
from tradewright.strategies.volatility_target import annual_risk, held_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradewright.core.frames import FloatArray
    from tradewright.core.positions import Position
    from tradewright.core.session import Session

_LEAST_RISK: Final = 0.01
"""A year's volatility below which a member is not trusted with more: an idle one has none."""


class Allocation(StrEnum):
    """How the members' weights are set: as given, or these scaled by each one's risk or success.

    `risk` divides by the volatility of what a member wishes for now. The others judge by what it
    would have earned alone over the window: `volatility` divides by how much that varied,
    `sharpe` multiplies by its Sharpe ratio, and by zero where it lost.
    """

    FIXED = "fixed"
    RISK = "risk"
    VOLATILITY = "volatility"
    SHARPE = "sharpe"

    @property
    def auditions(self) -> bool:
        """Say whether members are heard over the past first."""
        return self in {Allocation.VOLATILITY, Allocation.SHARPE}


@dataclass(frozen=True, slots=True)
class Member:
    """A strategy and its weight among others, any positive number."""

    strategy: Strategy
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a weight that gives nothing to say."""
        if self.weight <= 0:
            raise InvalidInput(f"weight of {self.strategy.id}", self.weight, "must be positive")


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Hold the weighted mean of what `members` wish for, instrument by instrument.

    The mean is over the members that have an opinion of the instrument: a target for it if
    nothing were held, or else one for what is. Without any, what is held stays. The whole is
    scaled down to `invested` gross. Looked at when `rebalance` is due, and while nothing is held.
    """

    members: tuple[Member, ...]
    allocation: Allocation = Allocation.FIXED
    window: int = 63
    invested: float = 0.98
    rebalance: Rebalance = Rebalance.WEEK
    id: StrategyId = field(default=StrategyId("ensemble"))
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        """Refuse no members, members of several timeframes, and weights no account carries."""
        if not self.members:
            raise InvalidInput("members", "", "is empty", "write it as momentum:2,sma-cross:1")
        if not 0 < self.invested <= 1:
            raise InvalidInput("invested", self.invested, "must be a fraction in (0, 1]")
        if self.window < 2:  # noqa: PLR2004 - a sample deviation needs two
            raise InvalidInput("window", self.window, "must be at least 2")
        wanted = [member.strategy.needs for member in self.members]
        if len({needs.timeframe for needs in wanted}) > 1:
            names = ", ".join(member.strategy.id for member in self.members)
            raise InvalidInput("members", names, "need bars of several timeframes")
        if self.allocation.auditions and wanted[0].timeframe is not Timeframe.DAY:
            rule = f"needs daily bars, and the members {wanted[0].timeframe.value} bars"
            raise InvalidInput("allocation", self.allocation.value, rule, "choose fixed or risk")
        features = {feature.name: feature for needs in wanted for feature in needs.features}
        lookback = max(self.window + 1, *(needs.lookback for needs in wanted))
        if self.allocation.auditions:
            lookback = self.window + max(needs.rows for needs in wanted)
        needs = Needs(wanted[0].timeframe, tuple(features.values()), lookback)
        object.__setattr__(self, "needs", needs)

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return the mixed weights of every instrument of which a member has an opinion."""
        if view.holdings and not self.rebalance.is_due(view.session, view.next_session):
            return ()
        prices, equity = view.window("close", self.window + 1), view.equity
        if len(prices) <= self.window or equity is None or equity <= 0:
            return ()
        opinions = np.array([_opinion(member.strategy, view) for member in self.members])
        known = ~np.isnan(opinions)
        voices = self._voices(view, prices, np.where(known, opinions, 0.0))[:, None]
        heard, total = known.any(axis=0), (voices * known).sum(axis=0)
        mixed = (voices * np.where(known, opinions, 0.0)).sum(axis=0)
        # What only members without a voice speak of is let go.
        mixed = np.where(total > 0, mixed / np.where(total > 0, total, 1.0), 0.0)
        kept = held_weights(view, prices, float(equity))[~heard]
        room = max(self.invested - float(np.abs(kept).sum()), 0.0)
        gross = float(np.abs(mixed).sum())
        mixed *= min(1.0, room / gross) if gross else 1.0
        return [
            Target(self.id, view.universe[i], view.at, mixed.item(i), f"{known[:, i].sum()} voices")
            for i in np.flatnonzero(heard).tolist()
            if mixed[i] or view.universe[i] in view.holdings
        ]

    def _voices(self, view: MarketView, prices: FloatArray, wishes: FloatArray) -> FloatArray:
        given = np.array([member.weight for member in self.members])
        if self.allocation is Allocation.FIXED:
            return given
        calm: FloatArray
        if self.allocation is Allocation.RISK:
            risks = [annual_risk(prices, weights) for weights in wishes]
            calm = given / np.maximum(risks, _LEAST_RISK)
            return calm
        past = Past(view, self.needs.features, self.needs.lookback)
        earned = np.array([audition_returns(m.strategy, past, self.window) for m in self.members])
        calm = given / np.maximum(earned.std(axis=1, ddof=1) * SESSIONS_A_YEAR**0.5, _LEAST_RISK)
        if self.allocation is Allocation.VOLATILITY:
            return calm
        voices: FloatArray = calm * np.maximum(earned.mean(axis=1), 0.0)
        # Where all have lost none is better than another.
        return voices if voices.any() else given


def _opinion(strategy: Strategy, view: MarketView) -> FloatArray:
    # What it would begin with counts before what it would do with what is held: a member whose
    # wish others have filled is silent about it, and wishes it still.
    wishes = {target.instrument: target.weight for target in strategy.decide(view)}
    wishes |= {target.instrument: target.weight for target in strategy.decide(_Unheld(view))}
    return np.array([wishes.get(name, np.nan) for name in view.universe])


_NOTHING: Final[Mapping[InstrumentId, Decimal]] = {}
_NO_LOTS: Final[Mapping[InstrumentId, Position]] = {}


class _Unheld:
    # The same view for who holds nothing.
    __slots__ = ("_view", "holdings", "positions", "universe")

    def __init__(self, view: MarketView) -> None:
        self._view = view
        self.universe = view.universe
        self.holdings = _NOTHING
        self.positions = _NO_LOTS

    @property
    def at(self) -> datetime:
        return self._view.at

    @property
    def session(self) -> Session:
        return self._view.session

    @property
    def next_session(self) -> Session:
        return self._view.next_session

    @property
    def equity(self) -> Decimal | None:
        return self._view.equity

    def rows_since(self, at: datetime) -> int:
        return self._view.rows_since(at)

    def sessions(self, lookback: int) -> tuple[Session, ...]:
        return self._view.sessions(lookback)

    def feature(self, name: str) -> FloatArray:
        return self._view.feature(name)

    def value(self, name: str, column: int = 0) -> float:
        return self._view.value(name, column)

    def window(self, name: str, lookback: int) -> FloatArray:
        return self._view.window(name, lookback)

    def tradable(self) -> FloatArray:
        return self._view.tradable()
