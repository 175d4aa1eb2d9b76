"""Audition: what a strategy would have earned over the rows just past, alone and from cash.

Nothing is remembered from row to row: it is lived anew from the window of the view, so it
knows what the view knows and no more. All of it is in today's shares with dividends reinvested,
orders fill whole at the next open, and nothing costs anything.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.positions import Lot, Position
from tradewright.features.feature import feature_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tradewright.core.frames import FloatArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.session import Session
    from tradewright.features.feature import Feature
    from tradewright.strategies.strategy import MarketView, Strategy

_COLUMNS: Final = ("open", "high", "low", "close", "volume")


class Past:
    """The last rows of a view of daily bars, with features, in the terms of its last row."""

    __slots__ = ("closes", "columns", "features", "last", "sessions", "universe")

    def __init__(self, view: MarketView, features: Iterable[Feature], rows: int) -> None:
        """Read `rows` rows at most, and compute features over them."""
        self.universe = view.universe
        self.sessions = view.sessions(rows)
        self.closes = [session.close for session in self.sessions]
        self.columns = {name: view.window(name, rows) for name in _COLUMNS}
        self.features = feature_columns(features, self.columns)
        prices = self.columns["close"]
        at = np.where(np.isnan(prices), -1, np.arange(len(prices))[:, None])
        at = np.maximum.accumulate(at, axis=0)
        known = prices[np.maximum(at, 0), np.arange(prices.shape[1])]
        self.last = np.where(at >= 0, known, np.nan)


def audition_returns(strategy: Strategy, past: Past, window: int) -> FloatArray:
    """Return what a strategy would have earned at each of the last `window` rows, (window,).

    It holds nothing `window` rows ago and is asked at every close but the last. Simple returns
    from close to close, before costs; zero before it buys, and once its money is gone.

    Args:
        strategy: Asked as it is; it must forget nothing, as every strategy must.
        past: At least `window` + 1 rows.
        window: Rows that are lived through.
    """
    account = _Account(len(past.universe))
    returns = np.zeros(window)
    first = len(past.sessions) - 1 - window
    opens = past.columns["open"]
    for i in range(window):
        row = first + i
        before = account.worth(past.last[row])
        if before <= 0.0:
            break
        said = {t.instrument: t.weight for t in strategy.decide(_Then(past, row, account, before))}
        weights = np.array([said.get(name, np.nan) for name in past.universe])
        wished = weights * before / past.last[row]
        account.trade(wished, opens[row + 1], past.sessions[row + 1].open)
        returns[i] = account.worth(past.last[row + 1]) / before - 1.0
    return returns


class _Account:
    # One dollar, in fractions of shares.
    __slots__ = ("cash", "paid", "shares", "since")

    def __init__(self, names: int) -> None:
        self.cash = 1.0
        self.shares = np.zeros(names)
        self.paid = np.zeros(names)
        self.since: dict[int, datetime] = {}

    def worth(self, prices: FloatArray) -> float:
        held = np.flatnonzero(self.shares)
        return self.cash + float(self.shares[held] @ prices[held])

    def positions(self, names: Sequence[InstrumentId]) -> dict[InstrumentId, Position]:
        found = {}
        for i in np.flatnonzero(self.shares).tolist():
            shares, paid = (Decimal(repr(held.item(i))) for held in (self.shares, self.paid))
            lot = Lot(self.since[i], shares, paid)
            found[names[i]] = Position(names[i], shares, shares * paid, lots=(lot,))
        return found

    def trade(self, wished: FloatArray, prices: FloatArray, at: datetime) -> None:
        changed = ~np.isnan(wished) & ~np.isnan(prices) & (wished != self.shares)
        for i in np.flatnonzero(changed).tolist():
            had, has, price = self.shares.item(i), wished.item(i), prices.item(i)
            if had * has <= 0.0:
                self.paid[i] = price
                self.since[i] = at
            elif abs(has) > abs(had):
                self.paid[i] += (price - self.paid[i]) * (has - had) / has
            self.cash -= (has - had) * price
            self.shares[i] = has


class _Then:
    # The view of a row that is past, for who holds what was bought in the audition.
    __slots__ = ("_past", "_row", "_worth", "holdings", "positions", "universe")

    def __init__(self, past: Past, row: int, account: _Account, worth: float) -> None:
        self._past = past
        self._row = row
        self._worth = worth
        self.universe = past.universe
        self.positions = account.positions(past.universe)
        self.holdings = {name: held.quantity for name, held in self.positions.items()}

    @property
    def at(self) -> datetime:
        return self._past.closes[self._row]

    @property
    def session(self) -> Session:
        return self._past.sessions[self._row]

    @property
    def next_session(self) -> Session:
        return self._past.sessions[self._row + 1]

    @property
    def equity(self) -> Decimal | None:
        return Decimal(repr(self._worth))

    def rows_since(self, at: datetime) -> int:
        return self._row + 1 - bisect_right(self._past.closes, at)

    def sessions(self, lookback: int) -> tuple[Session, ...]:
        return self._past.sessions[max(self._row + 1 - lookback, 0) : self._row + 1]

    def feature(self, name: str) -> FloatArray:
        values: FloatArray = self._past.features[name][self._row]
        return values

    def value(self, name: str, column: int = 0) -> float:
        return self._past.features[name].item(self._row, column)

    def window(self, name: str, lookback: int) -> FloatArray:
        rows = slice(max(self._row + 1 - lookback, 0), self._row + 1)
        return self._past.columns[name][rows]

    def tradable(self) -> FloatArray:
        closes: FloatArray = self._past.columns["close"][self._row]
        return closes
