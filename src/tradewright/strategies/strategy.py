"""What a strategy is asked, what it may see, and which strategies there are.

A strategy is asked after each row of bars and answers with targets; it sees the view and
nothing else. It keeps no state that a restart would lose: all it needs is in the view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from tradewright.core.session import Timeframe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.frames import BoolArray, FloatArray, SignArray
    from tradewright.core.ids import InstrumentId, StrategyId
    from tradewright.core.positions import Position
    from tradewright.core.session import Session
    from tradewright.core.signals import Target
    from tradewright.features.feature import Feature


@dataclass(frozen=True, slots=True)
class Needs:
    """What a strategy wants served: bars of a length, features of them, and rows of windows."""

    timeframe: Timeframe = Timeframe.DAY
    features: tuple[Feature, ...] = field(default=())
    lookback: int = 1

    @property
    def rows(self) -> int:
        """Rows that must be known before there is anything to decide on."""
        return max([self.lookback, *(feature.window for feature in self.features)])


class Moment(Protocol):
    """When a view is of, and what led up to it."""

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

    def rows_since(self, at: datetime) -> int:
        """Return how many rows have closed since an instant, as far as they are known."""
        ...

    def sessions(self, lookback: int) -> tuple[Session, ...]:
        """Return the session of each of the last rows, oldest first, as many as `window` has."""
        ...


class MarketView(Moment, Protocol):
    """All that a strategy may see at one instant; nothing in it is later than `at`.

    The view moves on with the market: what is wanted from it later is kept as values.
    """

    @property
    def universe(self) -> tuple[InstrumentId, ...]:
        """The instruments, in the order of every array's columns."""
        ...

    @property
    def holdings(self) -> Mapping[InstrumentId, Decimal]:
        """Signed quantities held; what is not held is left out."""
        ...

    @property
    def positions(self) -> Mapping[InstrumentId, Position]:
        """What is held with its lots: average price in today's shares, and since when."""
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


@runtime_checkable
class Selective(Strategy, Protocol):
    """A strategy that says beforehand at which rows it may change its mind.

    A backtest asks it only there, and wherever the answer before was not empty or something
    was booked since.
    """

    def wakes(self, features: Mapping[str, FloatArray]) -> BoolArray:
        """Return, shape (rows,), where the strategy has to be asked.

        Where it is False, `decide` answers nothing provided that it answered nothing at the row
        before and the holdings are the same. `features` are those of the view, for all rows;
        a row's answer may depend on it and the rows before it alone.
        """
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


class Columns(Protocol):
    """All rows of a market at once, for a strategy that decides them all in one pass.

    Whoever reads it keeps to the rule of features: a row's answer depends on that row and those
    before it alone. Every array is of shape (rows, instruments) and is not to be written to.
    """

    @property
    def features(self) -> Mapping[str, FloatArray]:
        """The features that the strategy needs, by name, as the view serves them."""
        ...

    @property
    def closes(self) -> FloatArray:
        """Raw closes, NaN where not traded: what `MarketView.tradable` serves."""
        ...

    def due(self, rebalance: Rebalance) -> BoolArray:
        """Return, shape (rows,), at which rows a rebalancing is due."""
        ...

    def crossing(self, fast: int, slow: int, band: float) -> SignArray:
        """Return 1 where SMA(fast) lies above SMA(slow) by more than `band`, -1 below, else 0.

        Of adjusted closes, and the same to the last bit as by the feature `sma_gap`.
        """
        ...

    def top(self, scores: FloatArray, count: int, *, traded: bool = False) -> BoolArray:
        """Return where a row's `count` highest scores stand, NaN left out, ties to the earlier.

        With `traded`, what did not trade in the row is left out too.
        """
        ...


@dataclass(frozen=True, slots=True)
class Level:
    """What one state of an instrument means: the weights wished for, None for no target.

    `flat` counts where nothing of the instrument is held, `held` where something is.
    """

    flat: float | None = None
    held: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """The targets of all rows where they depend on what is held.

    `now` (rows, instruments) is the place in `levels` of each instrument's state at a row's
    close, counted from the end where it is negative. `due` (rows,), where given, says at which
    rows the targets count whatever is held; at the others only while nothing at all is held.
    """

    now: SignArray
    levels: tuple[Level, ...]
    due: BoolArray | None = None


@runtime_checkable
class Weighing(Strategy, Protocol):
    """A strategy whose targets for all rows follow from the market alone."""

    def weights(self, columns: Columns) -> FloatArray:
        """Return target weights, shape (rows, instruments), NaN where there is no target.

        `decide` gives at each row the targets that stand in it, and no others.
        """
        ...


@runtime_checkable
class Stateful(Strategy, Protocol):
    """A strategy whose targets follow from the market and from which instruments are held."""

    def states(self, columns: Columns) -> States:
        """Return every instrument's state at every row.

        `decide` gives at each row the targets that the states mean for what is held then.
        """
        ...


ArrayStrategy: TypeAlias = Weighing | Stateful
"""A strategy that can be run over whole columns at once; `decide` stays its meaning."""
