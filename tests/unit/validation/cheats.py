"""Strategies that look ahead, each in another way: planted, to be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tradewright.core.frames import BoolArray, FloatArray
from tradewright.core.ids import StrategyId
from tradewright.core.market import CashDividend, Split
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.data.history import MarketData
from tradewright.features.feature import Feature, Unit
from tradewright.strategies.strategy import Columns, MarketView, Needs, Rebalance

Compute = Callable[[Mapping[str, FloatArray]], FloatArray]
WINDOW = 5
ROWS = 200


def feature(name: str, compute: Compute) -> Feature:
    return Feature(name, ("close",), WINDOW, Unit.NUMBER, compute)


@dataclass(frozen=True)
class Signalled:
    """Holds in equal parts what a feature is positive for, looked at each week."""

    signal: Feature
    rebalance: Rebalance = Rebalance.WEEK
    timeframe: Timeframe = Timeframe.DAY
    id: StrategyId = field(default=StrategyId("signalled"))

    @property
    def needs(self) -> Needs:
        return Needs(self.timeframe, (self.signal,))

    def made(self, _market: MarketData) -> Signalled:
        """The same for every market: what it cheats with is the feature."""
        return self

    def decide(self, view: MarketView) -> Sequence[Target]:
        if not self.rebalance.is_due(view.session, view.next_session):
            return ()
        wanted = view.feature(self.signal.name) > 0
        share = 0.9 / len(view.universe)
        return [
            Target(self.id, name, view.at, share if wanted[i] else 0.0, "signal")
            for i, name in enumerate(view.universe)
            if wanted[i] != (name in view.holdings)
        ]


def _tomorrow(columns: Mapping[str, FloatArray]) -> FloatArray:
    # The change to the next close stands in this row: a shift with the wrong sign.
    close = columns["close"]
    moved = np.full(close.shape, np.nan)
    moved[:-1] = close[1:] / close[:-1] - 1
    return moved


def _centred(columns: Mapping[str, FloatArray]) -> FloatArray:
    # Below a mean of the two closes before, the row itself and the two after it.
    close = columns["close"]
    mean = np.full(close.shape, np.nan)
    half = WINDOW // 2
    stacked = np.stack([close[i : len(close) - WINDOW + 1 + i] for i in range(WINDOW)])
    mean[half : len(close) - half] = stacked.mean(axis=0)
    return mean - close


def _normalised(columns: Mapping[str, FloatArray]) -> FloatArray:
    # Scored by the mean and the deviation of all that there is, past and future.
    close = columns["close"]
    known = ~np.isnan(close)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, close, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (close - mean) ** 2, 0.0).sum(axis=0) / count)
    return np.asarray((mean - close) / np.maximum(spread, 1e-9))


def _momentum(columns: Mapping[str, FloatArray]) -> FloatArray:
    close = columns["close"]
    moved = np.full(close.shape, np.nan)
    moved[WINDOW:] = close[WINDOW:] / close[:-WINDOW] - 1
    return moved


HONEST = Signalled(feature("momentum", _momentum))
SHIFTED = Signalled(feature("tomorrow", _tomorrow))
MINUTELY = replace(HONEST, rebalance=Rebalance.DAY, timeframe=Timeframe.MINUTE)
CENTRED = Signalled(feature("centred", _centred))
NORMALISED = Signalled(feature("normalised", _normalised))


class TodaysClose:
    """Buys at an open what closes above it on the very same day; it holds the whole frame."""

    id = StrategyId("todays-close")
    needs = Needs()

    def __init__(self, market: MarketData) -> None:
        self._frame = market.frame

    def decide(self, view: MarketView) -> Sequence[Target]:
        traded = self._frame.row_at(view.at) + 1
        rises = self._frame.close[traded] > self._frame.open[traded]
        share = 0.9 / len(view.universe)
        return [
            Target(self.id, name, view.at, share if rises[i] else 0.0, "it will rise")
            for i, name in enumerate(view.universe)
            if rises[i] != (name in view.holdings)
        ]


class Restated:
    """Buys what is cheap by prices in the shares of the last row, dividends taken off."""

    id = StrategyId("restated")
    needs = Needs()

    def __init__(self, market: MarketData) -> None:
        frame = market.frame
        self._frame = frame
        self._restated = frame.close.copy()
        dates = np.array([session.date.toordinal() for session in frame.sessions])[frame.session]
        for action in market.actions:
            before = dates < action.ex_date.toordinal()
            column = self._restated[:, frame.index(action.instrument)]
            if isinstance(action, Split):
                column[before] /= float(action.ratio)
            elif isinstance(action, CashDividend):
                column[before] -= float(action.amount)

    def decide(self, view: MarketView) -> Sequence[Target]:
        prices = self._restated[self._frame.row_at(view.at)]
        cheap = prices < np.nanmedian(prices)
        share = 0.9 / len(view.universe)
        return [
            Target(self.id, name, view.at, share if cheap[i] else 0.0, "cheap")
            for i, name in enumerate(view.universe)
            if cheap[i] != (name in view.holdings)
        ]


class Survivors:
    """Holds what is still listed at the end, from the beginning on."""

    id = StrategyId("survivors")
    needs = Needs()

    def __init__(self, market: MarketData) -> None:
        self._lives = ~np.isnan(market.frame.close[-1])

    def decide(self, view: MarketView) -> Sequence[Target]:
        if view.holdings:
            return ()
        share = 0.9 / int(self._lives.sum())
        names = [name for i, name in enumerate(view.universe) if self._lives[i]]
        return [Target(self.id, name, view.at, share, "it lives") for name in names]


class Woken(Signalled):
    """An honest rule that asks to be asked only where the market is about to rise."""

    def wakes(self, features: Mapping[str, FloatArray]) -> BoolArray:
        signal = features[self.signal.name]
        wakes = np.ones(len(signal), dtype=np.bool_)
        wakes[:-1] = np.nansum(signal[1:], axis=1) > np.nansum(signal[:-1], axis=1)
        return wakes


@dataclass(frozen=True)
class Weighed:
    """Decides honestly row by row, and over whole columns by the close that follows."""

    id: StrategyId = field(default=StrategyId("weighed"))
    needs: Needs = field(default=Needs())

    def decide(self, view: MarketView) -> Sequence[Target]:
        share = 0.9 / len(view.universe)
        known = ~np.isnan(view.tradable())
        return [
            Target(self.id, name, view.at, share, "all")
            for i, name in enumerate(view.universe)
            if known[i]
        ]

    def weights(self, columns: Columns) -> FloatArray:
        closes = columns.closes
        rises = np.zeros(closes.shape, dtype=np.bool_)
        rises[:-1] = closes[1:] > closes[:-1]
        return np.where(rises, 0.9 / closes.shape[1], np.nan)


class PastTheEnd:
    """Reads the fifth close from now, whether there is one or not."""

    id = StrategyId("past-the-end")
    needs = Needs()

    def __init__(self, market: MarketData) -> None:
        self._frame = market.frame

    def decide(self, view: MarketView) -> Sequence[Target]:
        row = min(self._frame.row_at(view.at) + WINDOW, ROWS - 1)
        known = self._frame.close[row] > 0
        return [
            Target(self.id, name, view.at, 0.05, "it is there")
            for i, name in enumerate(view.universe)
            if known[i] and name not in view.holdings
        ]
