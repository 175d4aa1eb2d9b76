"""MarketColumns: what a strategy reads to decide all rows at once, computed once for many runs.

Features come in the very bits in which a view serves them: where compiled passes stand in for
a feature's own function, they do the same operations in the same order.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tradewright.backtest.arrays.passes import BLOCK, crossings, highest, means
from tradewright.core.errors import ArraysRefused, MissingData
from tradewright.core.market import CashDividend, Split
from tradewright.data.adjust import growth, split_growth
from tradewright.data.history import History
from tradewright.features.feature import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tradewright.core.frames import BoolArray, FloatArray, SignArray
    from tradewright.data.history import MarketData
    from tradewright.features.feature import Feature
    from tradewright.strategies.strategy import Rebalance

_NOTHING = np.empty(0)


class Ground:
    """A market's adjusted columns and features, kept for all runs over it."""

    def __init__(self, market: MarketData) -> None:
        """Keep the market; what is not asked for is not computed."""
        self.market = market
        self._features: dict[tuple[str, tuple[str, ...], int, Unit], FloatArray] = {}
        self._means: dict[int, FloatArray] = {}
        self._due: dict[Rebalance, BoolArray] = {}

    @cached_property
    def history(self) -> History:
        """The market's history, for what has to be decided exactly."""
        return History(self.market.frame, self.market.actions)

    @cached_property
    def growth(self) -> FloatArray | None:
        """Growth of one share, None where it is 1 throughout: nothing happened."""
        frame = self.market.frame
        happened = any(
            isinstance(action, Split | CashDividend) and action.instrument in frame
            for action in self.market.actions
        )
        return growth(frame, self.market.actions) if happened else None

    def column(self, name: str) -> FloatArray:
        """Return a whole adjusted column, as `History.columns` has it."""
        frame, grown = self.market.frame, self.growth
        values: FloatArray = getattr(frame, name)
        if grown is None:
            return values
        if name == "volume":
            return values / split_growth(frame, self.market.actions)
        return values * grown

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

    def mean(self, window: int) -> FloatArray:
        """Return the mean of the adjusted close over `window` rows, flat."""
        if window not in self._means:
            values = self.adjusted_close
            out = np.empty(len(values))
            means(values, window, len(self.market.frame.instruments), np.empty(BLOCK), out)
            self._means[window] = out
        return self._means[window]

    def forget(self) -> None:
        """Let go of what was computed for single parameters."""
        self._means.clear()
        self._features.clear()

    def due(self, rebalance: Rebalance) -> BoolArray:
        """Return at which rows a rebalancing is due.

        Raises:
            ArraysRefused: The calendar does not say which session follows.
        """
        if rebalance not in self._due:
            self._due[rebalance] = self._is_due(rebalance)
        return self._due[rebalance]

    def _is_due(self, rebalance: Rebalance) -> BoolArray:
        frame, calendar = self.market.frame, self.market.calendar
        days = np.zeros(len(frame.sessions), dtype=np.bool_)
        try:
            # Nothing is decided at the last row, so that no session need follow it.
            for i in np.unique(frame.session[:-1]).tolist():
                session = frame.sessions[i]
                days[i] = rebalance.is_due(session, calendar.after(session))
        except MissingData as unknown:
            raise ArraysRefused(str(unknown)) from unknown
        return days[frame.session]


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
        ground = self._ground
        out = np.empty(self.closes.shape, dtype=np.int8)
        growth = _NOTHING if ground.growth is None else ground.growth.reshape(-1)
        crossings(ground.mean(fast), ground.mean(slow), growth, band, out.reshape(-1))
        return out

    def top(self, scores: FloatArray, count: int) -> BoolArray:
        """Return where the `count` highest scores of each row stand."""
        out = np.zeros(scores.shape, dtype=np.bool_)
        best = np.empty(min(count, scores.shape[1]))
        highest(np.ascontiguousarray(scores), best, np.empty(len(best), dtype=np.int64), out)
        return out


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
