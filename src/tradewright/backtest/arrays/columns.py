"""MarketColumns: what a strategy reads to decide all rows at once, computed once for many runs.

Features come in the very bits in which a view serves them: where compiled passes stand in for
a feature's own function, they do the same operations in the same order.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tradewright.backtest.arrays.market import Deeds, deeds_of, pace_of
from tradewright.backtest.arrays.passes import (
    BLOCK,
    crossings,
    grow,
    highest,
    means,
    running,
    shared,
    signs,
)
from tradewright.backtest.arrays.state import DIVIDEND, SPLIT
from tradewright.core.errors import ArraysRefused, MissingData
from tradewright.data.adjust import growth_factors, split_growth
from tradewright.data.history import History
from tradewright.features.feature import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tradewright.core.frames import BoolArray, FloatArray, SignArray
    from tradewright.core.session import Session
    from tradewright.data.adjust import Factors
    from tradewright.data.history import MarketData
    from tradewright.features.feature import Feature
    from tradewright.strategies.strategy import Rebalance

_Number = TypeVar("_Number", np.float64, np.int8, np.bool_)
_MOST_KEPT: Final = 2**27
_NOTHING = np.empty(0)


class Ground:
    """A market's adjusted columns and features, kept for all runs over it."""

    def __init__(self, market: MarketData, *, keeps: bool = False) -> None:
        """Keep the market; what is not asked for is not computed.

        With `keeps`, parts of features that other parameters share are kept as well.
        """
        self.market = market
        self._keeps = keeps
        self._features: dict[tuple[str, tuple[str, ...], int, Unit], FloatArray] = {}
        self._means: dict[int, FloatArray] = {}
        self._due: dict[Rebalance, BoolArray] = {}

    @cached_property
    def pace(self) -> tuple[bool, bool]:
        """See `market.pace_of`."""
        return pace_of(self.market.frame)

    @cached_property
    def deeds(self) -> Deeds:
        """What happens to the market's instruments."""
        return deeds_of(self.market)

    @cached_property
    def history(self) -> History:
        """The market's history, for what has to be decided exactly."""
        return History(self.market.frame, self.market.actions)

    def is_split(self, column: int) -> bool:
        """Say whether an instrument is ever split."""
        return bool(np.any((self.deeds.column == column) & (self.deeds.kind == SPLIT)))

    @cached_property
    def growth(self) -> FloatArray | None:
        """Growth of one share, None where it is 1 throughout: nothing happened."""
        if not self._changes:
            return None
        ones = np.ones(self.market.frame.close.shape)
        return self._times(ones, self._factors)

    @cached_property
    def _changes(self) -> bool:
        return bool(np.any(self.deeds.kind <= SPLIT))

    @cached_property
    def _factors(self) -> Factors:
        deeds = self.deeds
        return growth_factors(self.market.frame, deeds.points(SPLIT), deeds.points(DIVIDEND))

    def _times(self, values: FloatArray, factors: Factors) -> FloatArray:
        grown = np.empty(values.shape)
        grow(
            sealed(values, np.float64),
            factors.place,
            factors.factor,
            np.ones(len(self.market.frame.instruments)),
            grown,
        )
        return grown

    def column(self, name: str) -> FloatArray:
        """Return a whole adjusted column, as `History.columns` has it."""
        frame = self.market.frame
        values: FloatArray = getattr(frame, name)
        if not self._changes:
            return values
        if name == "volume":
            return values / split_growth(frame, self.market.actions)
        return self._times(values, self._factors)

    @cached_property
    def adjusted_close(self) -> FloatArray:
        """The adjusted closes, flat."""
        flat = np.ascontiguousarray(self.column("close")).reshape(-1)
        # Read-only like the frame's own, since the passes are compiled for each kind of array.
        flat.flags.writeable = False
        return flat

    def feature(self, feature: Feature) -> FloatArray:
        """Return a feature as a view serves it, for all rows."""
        key = (feature.name, feature.inputs, feature.window, feature.unit)
        if key not in self._features:
            inputs = {name: self.column(name) for name in feature.inputs}
            values = np.ascontiguousarray(feature.compute(inputs), dtype=np.float64)
            if feature.unit is Unit.PRICE and self.growth is not None:
                values = values / self.growth
            values.flags.writeable = False
            self._features[key] = values
        return self._features[key]

    def crossing(self, fast: int, slow: int, band: float) -> SignArray:
        """Return where the mean over `fast` rows of the adjusted close crosses that over `slow`."""
        values, growth = self.adjusted_close, _NOTHING
        if self.growth is not None:
            growth = self.growth.reshape(-1)
        out = np.empty(len(values), dtype=np.int8)
        plain = self.growth is None and len(self.market.frame.instruments) == 1
        if self._keeps and plain and slow <= BLOCK:
            shared(values, self._sums, (fast, slow), band, _room(), out)
        elif self._keeps and (len(self._means) + 2) * values.nbytes < _MOST_KEPT:
            signs(self._mean(fast), self._mean(slow), growth, band, out)
        else:
            windows = fast, slow, len(self.market.frame.instruments)
            crossings(values, growth, windows, band, _room(), out)
        return out.reshape(self.market.frame.close.shape)

    @cached_property
    def _sums(self) -> tuple[FloatArray, FloatArray]:
        values = self.adjusted_close
        blocks = -(-len(values) // BLOCK)
        sums, totals = np.empty((blocks, 2 * BLOCK)), np.empty(blocks)
        running(values, sums, totals)
        return sums, totals

    def _mean(self, window: int) -> FloatArray:
        if window not in self._means:
            values = self.adjusted_close
            out = np.empty(len(values))
            means(values, window, len(self.market.frame.instruments), out)
            self._means[window] = out
        return self._means[window]

    def due(self, rebalance: Rebalance) -> BoolArray:
        """Return at which rows a rebalancing is due.

        Raises:
            ArraysRefused: The calendar does not say which session follows.
        """
        if rebalance not in self._due:
            self._due[rebalance] = self._is_due(rebalance)
        return self._due[rebalance]

    def _is_due(self, rebalance: Rebalance) -> BoolArray:
        frame = self.market.frame
        days = np.zeros(len(frame.sessions), dtype=np.bool_)
        # Nothing is decided at the last row, so that no session need follow it.
        numbers = frame.session[:-1]
        lived = numbers[np.flatnonzero(np.diff(numbers, prepend=-1))].tolist()
        try:
            for i, session, following in self._followed(lived):
                days[i] = rebalance.is_due(session, following)
        except MissingData as unknown:
            raise ArraysRefused(str(unknown)) from unknown
        return days[frame.session]

    def _followed(self, lived: Iterable[int]) -> Iterator[tuple[int, Session, Session]]:
        # Each session with the one after it. Mostly that is the next place of the calendar: it
        # is looked for only where it is not.
        calendar, sessions = self.market.calendar, self.market.frame.sessions
        known, place = calendar.sessions, -1
        for i in lived:
            session = sessions[i]
            place += 1
            if not (0 < place < len(known) - 1 and known[place].date == session.date):
                following = calendar.after(session)
                place = bisect_left(known, session.date, key=lambda one: one.date)
            else:
                following = known[place + 1]
            yield i, session, following


def _room() -> tuple[FloatArray, SignArray]:
    return np.empty((2, 2 * BLOCK)), np.empty(BLOCK, dtype=np.int8)


class MarketColumns:
    """See `strategies.strategy.Columns`."""

    def __init__(self, ground: Ground, features: Iterable[Feature]) -> None:
        """Serve the features that a strategy needs."""
        self.features = _Features(ground, features)
        self.closes: FloatArray = ground.market.frame.close
        self.due = ground.due
        self._ground = ground

    def crossing(self, fast: int, slow: int, band: float) -> SignArray:
        """Return where SMA(fast) lies above, 1, or below, -1, SMA(slow) by more than `band`."""
        return self._ground.crossing(fast, slow, band)

    def top(self, scores: FloatArray, count: int, *, traded: bool = False) -> BoolArray:
        """Return where the `count` highest scores of each row stand."""
        scores = sealed(scores, np.float64)
        out = np.zeros(scores.shape, dtype=np.bool_)
        columns = scores.shape[1]
        room = np.empty(columns), np.empty(columns), np.empty(columns, dtype=np.int64)
        highest(scores, self.closes if traded else scores, count, room, out)
        return out


def sealed(array: NDArray[Any], kind: type[_Number]) -> NDArray[_Number]:
    """Return an array of one kind, whoever made it: a loop is compiled for each kind."""
    view = np.ascontiguousarray(array, dtype=kind).view()
    view.flags.writeable = False
    return view


class _Features(dict[str, "FloatArray"]):
    # Computed when they are read: a strategy may do with the compiled passes alone.
    def __init__(self, ground: Ground, features: Iterable[Feature]) -> None:
        super().__init__()
        self._ground = ground
        self._wanted = {feature.name: feature for feature in features}

    def __missing__(self, name: str) -> FloatArray:
        self[name] = self._ground.feature(self._wanted[name])
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._wanted)

    def __len__(self) -> int:
        return len(self._wanted)
