"""Corporate actions that a rehearsal orders: what becomes of the data that has yet to be lived.

A split or a delisting that the stored data does not know changes its bars and quotes from the
next one to end, as if it had been so: prices a share and volumes in shares of then, or nothing
at all. What has been lived through stays as it was printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from tradewright.core.errors import MissingData
from tradewright.core.events import Delisted, DividendPaid, SplitApplied
from tradewright.core.frames import FIELDS, BarFrame, FloatArray, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.data.quotes import QuoteBars
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.market.names import renamed

Change: TypeAlias = Callable[[FloatArray, str], FloatArray]
"""From the values of a column and its name to other values."""

_PRICES: Final = FIELDS[:4]
_DECIMALS: Final = 4


def split(market: ReplayMarket, instrument: InstrumentId, ratio: Fraction) -> None:
    """Split an instrument now: each share becomes `ratio` shares, and its orders are canceled."""
    action = Split(instrument, action_date(market), ratio)
    reference = market.brokerage.price(instrument) or Decimal(0)
    scale = float(ratio)

    def scaled(values: FloatArray, name: str) -> FloatArray:
        if name in _PRICES:
            return np.asarray(np.round(values / scale, _DECIMALS))
        return np.asarray(np.floor(values * scale))

    frame = _changed(market, instrument, scaled)
    quotes = dict(market.quotes)
    if instrument in quotes:
        quotes[instrument] = _split_quotes(quotes[instrument], market.now, scale)
    _rebase(market, instrument, frame, action, quotes)
    market.happen(SplitApplied(action, reference, market.now))


def pay_dividend(market: ReplayMarket, instrument: InstrumentId, amount: Decimal) -> None:
    """Pay holders a dividend of so much a share now; prices do not fall by it."""
    action = CashDividend(instrument, action_date(market), amount)
    market.data = replace(market.data, actions=(*market.data.actions, action))
    market.happen(DividendPaid(action, market.now))


def delist(market: ReplayMarket, instrument: InstrumentId, price: Decimal | None) -> None:
    """Delist an instrument now, paying holders `price` a share, or else the last price."""
    action = Delisting(instrument, action_date(market))
    paid = price if price is not None else market.brokerage.price(instrument)
    frame = _changed(market, instrument, lambda values, _name: np.full_like(values, np.nan))
    quotes = {name: bars for name, bars in market.quotes.items() if name != instrument}
    _rebase(market, instrument, frame, action, quotes)
    market.happen(Delisted(action, paid or Decimal(0), market.now))


def rename(market: ReplayMarket, instrument: InstrumentId, symbol: str) -> None:
    """Give an instrument another symbol now; its orders are canceled, its positions stay."""
    market.relist(renamed(market.data.instruments[instrument], symbol, action_date(market)))


def action_date(market: ReplayMarket) -> date:
    """Return the session on which what is done now takes effect: this one, or the next."""
    session = market.session
    if session is None:
        try:
            session = market.calendar.next_session(market.now)
        except MissingData:
            return market.now.date()
    return session.date


def _rebase(
    market: ReplayMarket,
    instrument: InstrumentId,
    frame: BarFrame,
    action: CorporateAction,
    quotes: Mapping[InstrumentId, QuoteBars],
) -> None:
    actions = (*market.data.actions, action)
    market.rebase(replace(market.data, frame=frame, actions=actions), quotes, instrument)


def _changed(market: ReplayMarket, instrument: InstrumentId, change: Change) -> BarFrame:
    frame = market.data.frame
    column = frame.index(instrument)
    first = int(np.searchsorted(frame.end, to_nanos(market.now), side="right"))

    def changed(name: str) -> FloatArray:
        values = np.array(getattr(frame, name))
        values[first:, column] = change(values[first:, column], name)
        return values

    return replace(
        frame,
        open=changed("open"),
        high=changed("high"),
        low=changed("low"),
        close=changed("close"),
        volume=changed("volume"),
    )


def _split_quotes(bars: QuoteBars, now: datetime, scale: float) -> QuoteBars:
    first = int(np.searchsorted(bars.end, to_nanos(now), side="right"))
    sides = []
    for side in (bars.bid, bars.ask):
        values = np.array(side)
        values[:4, first:] = np.round(values[:4, first:] / scale, _DECIMALS)
        values[4, first:] = np.floor(values[4, first:] * scale)
        sides.append(values)
    return QuoteBars(bars.start, bars.end, *sides)
