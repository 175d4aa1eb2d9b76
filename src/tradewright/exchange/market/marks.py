"""Marks: what each instrument last traded at, looked up once for as long as time stands still.

An account is priced some twenty times an order, and time moves between few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.ids import InstrumentId
    from tradewright.exchange.market.market import ReplayMarket


class Marks:
    """The last trades of a market by its own clock, as prices in shares of now."""

    def __init__(self, market: ReplayMarket) -> None:
        """Start with nothing looked up."""
        self._market = market
        self._at = market.now
        self._prices: dict[InstrumentId, Decimal | None] = {}
        self._rescaled: dict[InstrumentId, datetime] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """A number that changes whenever one of the prices may."""
        if self._at is not self._market.now:
            self.forget()
        return self._version

    def price(self, instrument: InstrumentId) -> Decimal | None:
        """Return the last price of the session; None before its first, and without a session."""
        if self._at is not self._market.now:
            self.forget()
        if instrument not in self._prices:
            self._prices[instrument] = self._last(instrument)
        return self._prices[instrument]

    def forget(self) -> None:
        """Look everything up anew."""
        self._at = self._market.now
        self._prices.clear()
        self._version += 1

    def rescale(self, instrument: InstrumentId, since: datetime) -> None:
        """Leave the trades of before `since` out: they are in other shares."""
        self._rescaled[instrument] = since
        self.forget()

    def _last(self, instrument: InstrumentId) -> Decimal | None:
        # Trades of before today, or of before a split, are in other shares than ours may be.
        market = self._market
        session = market.session
        if session is None or instrument not in market.data.frame:
            return None
        trade = market.tape.trade(instrument, market.now)
        if trade is None or trade.at < session.open:
            return None
        since = self._rescaled.get(instrument)
        return trade.price if since is None or trade.at >= since else None
