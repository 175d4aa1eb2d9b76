"""Two sessions of a half an hour of minute bars, and an exchange that fills on their quotes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tradewright.core.frames import BarFrame, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CorporateAction
from tradewright.core.session import Calendar, Session, Span, Timeframe
from tradewright.data.history import MarketData
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults.judge import Faults
from tradewright.exchange.market.market import ReplayMarket
from tradewright.execution.venue import FillOn, VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, TradingCosts

AAA, BBB = InstrumentId("AAA"), InstrumentId("BBB")
MINUTES = 30
DAYS = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
TRADED = Span(DAYS[0], DAYS[1])
FREE = TradingCosts(NoCommission(), BasisPoints(Decimal(0)))
ON_QUOTES = VenueModel(FREE, fill_on=FillOn.QUOTES)


def minute(day: int, number: float) -> datetime:
    """So many minutes after the open of the numbered session."""
    at = DAYS[day]
    opened = datetime(at.year, at.month, at.day, 14, 30, tzinfo=UTC)
    return opened + timedelta(minutes=number)


def minute_market(
    closes: Mapping[str, list[float]] | None = None, actions: tuple[CorporateAction, ...] = ()
) -> MarketData:
    """Bars that open where the last one closed and reach five cents beyond either end."""
    given = closes or {
        "AAA": [100 + 0.1 * (i % 7) for i in range(2 * MINUTES)],
        "BBB": [20 + 0.05 * (i % 5) for i in range(2 * MINUTES)],
    }
    close = np.round(np.array([given[name] for name in given]).T, 2)
    opened = np.vstack([close[:1], close[:-1]])
    rows = np.arange(2 * MINUTES)
    day, number = rows // MINUTES, rows % MINUTES
    start = np.array(
        [to_nanos(minute(d, n)) for d, n in zip(day.tolist(), number.tolist(), strict=True)]
    )
    sessions = tuple(Session(at, minute(i, 0), minute(i, MINUTES)) for i, at in enumerate(DAYS))
    frame = BarFrame(
        Timeframe.MINUTE,
        tuple(InstrumentId(name) for name in given),
        sessions[:2],
        day,
        start,
        start + 60_000_000_000,
        opened,
        np.round(np.maximum(opened, close) + 0.05, 2),
        np.round(np.minimum(opened, close) - 0.05, 2),
        close,
        np.full(close.shape, 10_000.0),
    )
    instruments = {name: Instrument(name, name) for name in frame.instruments}
    return MarketData(frame, instruments, actions, Calendar("XNYS", sessions), "minutes")


def minute_exchange(
    data: MarketData | None = None,
    *,
    model: VenueModel = ON_QUOTES,
    luld: bool = False,
    faults: Faults | None = None,
) -> Exchange:
    """An exchange before the first of two sessions, with a million dollars in the account."""
    market = ReplayMarket.over(
        data or minute_market(),
        TRADED,
        model=model,
        cash=Decimal(1_000_000),
        leverage=Decimal(2),
        luld=luld,
    )
    return Exchange(market, leverage=Decimal(2), faults=faults)


def submit(exchange: Exchange, **changes: Any) -> str:
    """Give a market order of ten AAA, or what is asked for instead; the order's id."""
    body = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
    done = exchange.perform("submit", {"body": {**body, **changes}})
    assert isinstance(done, Mapping)
    return str(done["id"])


def standing(exchange: Exchange, order: str) -> tuple[str, str | None]:
    """An order's status and the average price of its fills."""
    body = exchange.orders.ticket(order).body()
    price = body["filled_avg_price"]
    return str(body["status"]), None if price is None else str(price)
