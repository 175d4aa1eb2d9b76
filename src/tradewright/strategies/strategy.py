"""What a strategy is asked, what it may see, and which strategies there are.

A strategy is asked after each row of bars and answers with targets; it sees the view and
nothing else. It keeps no state that a restart would lose: all it needs is in the view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tradewright.core.session import Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.frames import FloatArray
    from tradewright.core.ids import InstrumentId, StrategyId
    from tradewright.core.session import Session
    from tradewright.core.signals import Target
    from tradewright.features.feature import Feature


@dataclass(frozen=True, slots=True)
class Needs:
    """What a strategy wants served: bars of a length, and features of them."""

    timeframe: Timeframe = Timeframe.DAY
    features: tuple[Feature, ...] = field(default=())


class MarketView(Protocol):
    """All that a strategy may see at one instant; nothing in it is later than `at`.

    The view moves on with the market: what is wanted from it later is kept as values.
    """

    @property
    def at(self) -> datetime:
        """The instant of the decision, aware UTC."""
        ...

    @property
    def session(self) -> Session:
        """The session of the row that has closed."""
        ...

    @property
    def next_session(self) -> Session:
        """The session after this one: its date is known in advance."""
        ...

    @property
    def universe(self) -> tuple[InstrumentId, ...]:
        """The instruments, in the order of every array's columns."""
        ...

    @property
    def holdings(self) -> Mapping[InstrumentId, Decimal]:
        """Signed quantities held; what is not held is left out."""
        ...

    @property
    def equity(self) -> Decimal | None:
        """Cash and positions at the last prices; None while a price is missing."""
        ...

    def feature(self, name: str) -> FloatArray:
        """Return a feature's values now, shape (instruments,), NaN where not defined."""
        ...

    def value(self, name: str, column: int = 0) -> float:
        """Return one instrument's value of a feature now, NaN where not defined."""
        ...

    def window(self, name: str, lookback: int) -> FloatArray:
        """Return the last rows of a price or volume column, adjusted to now, oldest first."""
        ...

    def tradable(self) -> FloatArray:
        """Return the raw closes of the row, shape (instruments,), NaN where not traded."""
        ...


class Strategy(Protocol):
    """A rule from a view to targets."""

    @property
    def id(self) -> StrategyId:
        """A stable name; it is part of every order's id."""
        ...

    @property
    def needs(self) -> Needs:
        """What the view must serve."""
        ...

    def decide(self, view: MarketView) -> Sequence[Target]:
        """Return targets; an instrument without one keeps what is held of it."""
        ...


class Rebalance(StrEnum):
    """When a strategy looks at its portfolio: at the last close of each period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def is_due(self, session: Session, following: Session) -> bool:
        """Say whether `session` is the last of its period."""
        now, then = session.date, following.date
        if self is Rebalance.DAY:
            return True
        if self is Rebalance.WEEK:
            return now.isocalendar()[:2] != then.isocalendar()[:2]
        return (now.year, now.month) != (then.year, then.month)
