"""What a run's positions cost by the day: interest on borrowed shares and on borrowed cash.

It is charged as a session closes, on what is held then at the last prices, for the calendar days
until the next session of the data; the last session pays for one day.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tradewright.core.events import FinancingCharged
from tradewright.core.money import ZERO, Money

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from tradewright.core.events import SessionClosed
    from tradewright.data.history import MarketData
    from tradewright.engine.engine import Engine
    from tradewright.portfolio.costs import TradingCosts


class Financing:
    """The charges of one run."""

    def __init__(self, costs: TradingCosts, market: MarketData) -> None:
        """Count the days from each session to its next."""
        self._borrow, self._margin = costs.borrow, costs.margin
        self._instruments = market.instruments
        dates = [session.date for session in market.frame.sessions]
        self._days = {day: (after - day).days for day, after in pairwise(dates)}

    def due(self, closed: SessionClosed, engine: Engine) -> Iterator[FinancingCharged]:
        """Yield what the close of a session charges, nothing where nothing is borrowed."""
        if self._borrow is None and self._margin is None:
            return
        day = closed.session.date
        days = self._days.get(day, 1)
        if self._borrow is not None:
            amount = self._borrow.charge(self._short_value(engine), days)
            if amount:
                yield FinancingCharged(Money(amount), closed.at, f"borrowed shares {day}")
        if self._margin is not None:
            amount = self._margin.charge(engine.ledger.cash, days)
            if amount:
                yield FinancingCharged(Money(amount), closed.at, f"borrowed cash {day}")

    def _short_value(self, engine: Engine) -> Decimal:
        total = ZERO
        for name, position in engine.ledger.positions.items():
            if position.quantity < ZERO:
                price = engine.price(name) or position.average
                total -= position.quantity * price * self._instruments[name].multiplier
        return total
